//! The tokens of a text. Indentation opens and closes blocks, as a mail shows them.

use super::error::Wrong;
use super::pasted;
use super::tree::Span;

/// A token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// A name, such as `mutex_lock`, `dev->lock`, `pipe->mutex/1` or `bd_mutex#2`.
    Name(String),
    /// A name in quotes, which may have any character.
    Quoted(String),
    Number(i64),
    Sign(&'static str),
    /// The end of a line that is not continued, or `;`.
    End,
    Indent,
    Dedent,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

/// The signs, longest first.
const SIGNS: &[&str] = &[
    "||", "&&", "==", "!=", "<=", ">=", "+=", "-=", "++", "--", "(", ")", "[", "]", ":", ",", "=",
    "<", ">", "!", "+", "-", "*",
];

/// Returns the tokens of the text.
pub(crate) fn tokens(text: &str) -> Result<Vec<Located>, Wrong> {
    let mut lexer = Lexer { text, at: 0, found: Vec::new(), indents: vec![0], open: Vec::new() };
    while lexer.at < text.len() {
        lexer.line()?;
    }
    if let Some(open) = lexer.open.first() {
        let what = format!("the `{}` is not closed", &text[*open..=*open]);
        return Err(Wrong::new(&(*open..open + 1), what));
    }
    lexer.push(Token::End, text.len());
    while lexer.indents.len() > 1 {
        lexer.indents.pop();
        lexer.push(Token::Dedent, text.len());
    }
    Ok(lexer.found)
}

/// What is wrong where one line is indented with tabs and the next with spaces.
pub(super) const TABS: &str =
    "a tab is as wide as 8 spaces, and the line before is indented otherwise";

/// Returns whether of the line at `start` and the one before it, one is indented with tabs and the
/// other with spaces.
pub(super) fn mixes_tabs(text: &str, start: usize) -> bool {
    let blanks = |line: &str| {
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        (line[..blanks].contains('\t'), line[..blanks].contains(' '))
    };
    let before = text[..start].lines().rev().find(|line| !line.trim().is_empty());
    let here = text[start..].lines().next();
    match (before.map(blanks), here.map(blanks)) {
        (Some((tab, _)), Some((_, space))) if tab && space => true,
        (Some((_, space)), Some((tab, _))) => tab && space,
        _ => false,
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Located>,
    /// The columns of the blocks that are open.
    indents: Vec<usize>,
    /// The places of the parentheses that are open. A line does not end within them.
    open: Vec<usize>,
}

impl Lexer<'_> {
    fn push(&mut self, token: Token, start: usize) {
        self.found.push(Located { token, span: start..self.at });
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn line(&mut self) -> Result<(), Wrong> {
        if self.open.is_empty() {
            self.indentation()?;
        }
        loop {
            let Some(next) = self.rest().chars().next() else { return Ok(()) };
            let start = self.at;
            match next {
                '\n' => {
                    self.at += 1;
                    if self.open.is_empty() {
                        self.push(Token::End, start);
                    }
                    return Ok(());
                }
                ';' => {
                    self.at += 1;
                    self.push(Token::End, start);
                }
                // `&lock` is `lock`: C passes its address.
                '&' if !self.rest().starts_with("&&") => self.at += 1,
                next if next.is_whitespace() => self.at += next.len_utf8(),
                '#' => self.comment(),
                '/' if self.rest().starts_with("//") => self.comment(),
                '/' if self.rest().starts_with("/*") => self.c_comment()?,
                '"' => self.quoted()?,
                '0'..='9' => self.number()?,
                'a'..='z' | 'A'..='Z' | '_' => self.name(),
                _ => self.sign()?,
            }
        }
    }

    /// Opens and closes blocks at the beginning of a line. A line without a token has no
    /// indentation.
    fn indentation(&mut self) -> Result<(), Wrong> {
        let mut column = 0;
        let start = self.at;
        let blanks =
            self.rest().find(|c| !matches!(c, ' ' | '\t' | '\r')).unwrap_or(self.rest().len());
        for next in self.rest()[..blanks].chars() {
            match next {
                '\t' => column = (column / 8 + 1) * 8,
                ' ' => column += 1,
                _ => {}
            }
        }
        self.at += blanks;
        let rest = self.rest();
        let empty = rest.is_empty() || rest.starts_with(['\n', '#']) || rest.starts_with("//");
        if empty {
            return Ok(());
        }
        let open = *self.indents.last().unwrap_or(&0);
        if column > open {
            self.indents.push(column);
            self.push(Token::Indent, start);
        }
        while column < *self.indents.last().unwrap_or(&0) {
            self.indents.pop();
            self.push(Token::Dedent, start);
        }
        if column != *self.indents.last().unwrap_or(&0) {
            let wrong = Wrong::new(&(start..self.at), "the line is indented as no line before it");
            let wrong = wrong.label("as deep as the block that it belongs to");
            return Err(match mixes_tabs(self.text, start) {
                true => wrong.help(TABS),
                false => wrong,
            });
        }
        Ok(())
    }

    /// Returns why the line has no meaning, if it begins with a statement of C that has a block.
    fn control(&self, at: usize) -> Option<Wrong> {
        let line = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let blanks = self.text[line..at].len() - self.text[line..at].trim_start().len();
        let begin = line + blanks;
        let word = self.text[begin..at].split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        pasted::control(word, &(begin..begin + word.len()))
    }

    fn comment(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    fn c_comment(&mut self) -> Result<(), Wrong> {
        let Some(end) = self.rest().find("*/") else {
            return Err(Wrong::new(&(self.at..self.at + 2), "the comment has no end"));
        };
        self.at += end + 2;
        Ok(())
    }

    fn quoted(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let inside = &self.rest()[1..];
        match inside.find(['"', '\n']) {
            Some(end) if inside[end..].starts_with('"') => {
                let text = inside[..end].to_owned();
                self.at += end + 2;
                self.push(Token::Quoted(text), start);
                Ok(())
            }
            _ => {
                let wrong = Wrong::new(&(start..start + 1), "the name has no closing `\"`");
                Err(wrong.label("it begins here"))
            }
        }
    }

    fn number(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        self.at += self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        let digits = &self.text[start..self.at];
        let Ok(number) = digits.parse() else {
            return Err(Wrong::new(&(start..self.at), "the number has more than 64 bits"));
        };
        self.push(Token::Number(number), start);
        Ok(())
    }

    fn name(&mut self) {
        let start = self.at;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        loop {
            let rest = self.rest();
            self.at += rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let rest = self.rest();
            let joint = ["->", ".", "#", "/"].into_iter().find(|joint| rest.starts_with(joint));
            let Some(joint) = joint else { break };
            let after = rest[joint.len()..].chars().next();
            // A subclass is a number; `//` and `/*` are comments.
            let continues = after.is_some_and(|after| match joint {
                "#" | "/" => after.is_ascii_digit(),
                _ => after.is_ascii_alphabetic() || after == '_',
            });
            if !continues {
                break;
            }
            self.at += joint.len();
        }
        let text = self.text[start..self.at].to_owned();
        self.push(Token::Name(text), start);
    }

    fn sign(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let Some(sign) = SIGNS.iter().copied().find(|sign| self.rest().starts_with(sign)) else {
            let length = self.rest().chars().next().map_or(0, char::len_utf8);
            let what = &self.text[start..start + length];
            if let Some(wrong) = self.control(start).filter(|_| what == "{") {
                return Err(wrong);
            }
            let wrong = Wrong::new(&(start..start + length), format!("`{what}` has no meaning"));
            return Err(wrong.help(match what {
                "{" | "}" => "a block is indented below a line that ends with `:`, without braces",
                _ => "a name with such a character stands in quotes: \"sk_lock-AF_INET6\"",
            }));
        };
        self.at += sign.len();
        match sign {
            "(" | "[" => self.open.push(start),
            ")" | "]" => _ = self.open.pop(),
            _ => {}
        }
        self.push(Token::Sign(sign), start);
        Ok(())
    }
}
