//! The parser: recursive descent over the tokens.

mod expressions;
mod statements;

use super::error::{Wrong, listed, nearest};
use super::kind::{Kind, WORDS};
use super::pasted;
use super::token::{Located, Token, tokens};
use super::tree::{Claim, Declaration, Function, Section, Span, Thread, Tree, Word};

/// The words that begin something at the left margin, apart from declarations.
const ITEMS: &[&str] = &[
    "thread",
    "fn",
    "scenario",
    "expect",
    "about",
    "source",
    "finally",
    "preempt_rt",
    "starvation_free",
];

/// Returns the syntax tree of the text.
pub(crate) fn parse(text: &str) -> Result<Tree, Wrong> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, at: 0 };
    let mut tree = Tree::default();
    parser.ends();
    while parser.peek().is_some() {
        if let Some(word) = parser.word_if("scenario") {
            let name = parser.name("the name of the scenario")?;
            parser.sign(":", "after the name of the scenario")?;
            if tree.scenarios.iter().any(|(known, _)| known.text == name.text) {
                return Err(Wrong::new(&name.span, "another scenario has this name"));
            }
            parser.block_end(&word)?;
            tree.scenarios.push((name, Section::default()));
        } else {
            let section = match tree.scenarios.last_mut() {
                Some((_, section)) => section,
                None => &mut tree.shared,
            };
            parser.item(section)?;
        }
        parser.ends();
    }
    Ok(tree)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Located>,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|located| &located.token)
    }

    fn span(&self) -> Span {
        let end = self.text.len();
        self.tokens.get(self.at).map_or(end..end, |located| located.span.clone())
    }

    /// Skips the ends of empty lines.
    fn ends(&mut self) {
        while self.peek() == Some(&Token::End) {
            self.at += 1;
        }
    }

    fn take(&mut self, token: &Token) -> bool {
        let takes = self.peek() == Some(token);
        self.at += usize::from(takes);
        takes
    }

    fn sign_if(&mut self, sign: &'static str) -> bool {
        self.take(&Token::Sign(sign))
    }

    fn sign(&mut self, sign: &'static str, place: &str) -> Result<(), Wrong> {
        match self.sign_if(sign) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{sign}` {place}"))),
        }
    }

    /// Takes the name `word`, if it is next.
    fn word_if(&mut self, word: &str) -> Option<Span> {
        let span = self.span();
        match self.peek() {
            Some(Token::Name(name)) if name == word => {
                self.at += 1;
                Some(span)
            }
            _ => None,
        }
    }

    fn name(&mut self, what: &str) -> Result<Word, Wrong> {
        let span = self.span();
        match self.peek() {
            Some(Token::Name(text) | Token::Quoted(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(Word { text, span })
            }
            _ => Err(self.expected(what)),
        }
    }

    fn number(&mut self, what: &str) -> Result<i64, Wrong> {
        let negative = self.sign_if("-");
        match self.peek() {
            Some(Token::Number(number)) => {
                let number = if negative { -*number } else { *number };
                self.at += 1;
                Ok(number)
            }
            Some(Token::Name(word)) if word == "true" || word == "false" => {
                let number = i64::from(word == "true");
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.expected(what)),
        }
    }

    fn positive(&mut self, what: &str) -> Result<i64, Wrong> {
        let span = self.span();
        match self.number(what)? {
            number @ 1..=64 => Ok(number),
            _ => Err(Wrong::new(&span, format!("expected {what}: a number from 1 to 64"))),
        }
    }

    fn expected(&self, what: &str) -> Wrong {
        let found = match self.peek() {
            None => "the end of the text".to_owned(),
            Some(Token::End) => "the end of the line".to_owned(),
            Some(Token::Indent) => "a deeper line".to_owned(),
            Some(Token::Dedent) => "the end of the block".to_owned(),
            Some(_) => format!("`{}`", &self.text[self.span()]),
        };
        let span = match self.peek() {
            Some(Token::End) => self.span().start..self.span().start,
            _ => self.span(),
        };
        Wrong::new(&span, format!("expected {what}, found {found}"))
            .label(format!("expected {what}"))
    }

    fn end(&mut self, after: &str) -> Result<(), Wrong> {
        match self.peek() {
            None | Some(Token::Dedent) => Ok(()),
            Some(Token::End) => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.expected(&format!("the end of the line after {after}"))),
        }
    }

    /// A scenario has no block of its own: what follows at the left margin belongs to it.
    fn block_end(&mut self, word: &Span) -> Result<(), Wrong> {
        self.ends();
        if self.peek() == Some(&Token::Indent) {
            let wrong = Wrong::new(&self.span(), "what belongs to a scenario is not indented");
            return Err(wrong.note(word, "the scenario, up to the next one"));
        }
        Ok(())
    }

    fn item(&mut self, section: &mut Section) -> Result<(), Wrong> {
        let word = match self.peek() {
            Some(Token::Name(word)) => word.clone(),
            Some(Token::Indent) => {
                return Err(Wrong::new(&self.span(), "an indented line that belongs to no block")
                    .help("a block begins below a line that ends with `:`"));
            }
            _ => return Err(self.expected("`thread` or a declaration")),
        };
        if let Some(kind) = Kind::named(&word) {
            return self.declarations(kind, &mut section.declarations);
        }
        let span = self.span();
        self.at += 1;
        match word.as_str() {
            "thread" => section.threads.push(self.thread()?),
            "fn" => section.functions.push(self.function()?),
            "finally" => section.finally.push(self.block("finally")?),
            "expect" => section.claims.push(self.claim()?),
            "about" => section.about = Some(self.line()?),
            "source" => section.source = Some(self.line()?),
            "preempt_rt" => {
                section.preempt_rt = true;
                self.end("preempt_rt")?;
            }
            "starvation_free" => {
                section.starvation_free = true;
                self.end("starvation_free")?;
            }
            _ => return Err(unknown_item(&word, &span)),
        }
        Ok(())
    }

    /// Returns the rest of a line: a text in quotes.
    fn line(&mut self) -> Result<String, Wrong> {
        let text = self.name("a text in quotes")?;
        self.end("the text")?;
        Ok(text.text)
    }

    fn thread(&mut self) -> Result<Thread, Wrong> {
        let name = self.name("the name of the thread")?;
        let instances = match self.word_if("instances") {
            Some(_) => Some(self.positive("the number of instances")?),
            None => None,
        };
        let body = self.block("the thread")?;
        Ok(Thread { name, instances, body })
    }

    fn function(&mut self) -> Result<Function, Wrong> {
        let name = self.name("the name of the function")?;
        let mut parameters = Vec::new();
        if self.sign_if("(") {
            while !self.sign_if(")") {
                parameters.push(self.name("the name of a parameter, or `)`")?);
                self.sign_if(",");
            }
        }
        let body = self.block("the function")?;
        Ok(Function { name, parameters, body })
    }

    /// Parses `mutex a, b = 1, c[2]`, or `work w on wq:` with its function.
    fn declarations(&mut self, kind: Kind, into: &mut Vec<Declaration>) -> Result<(), Wrong> {
        let word = self.name("the kind")?;
        loop {
            let name = self.name(&format!("the name of the {}", kind.word()))?;
            let mut declaration = Declaration {
                kind: word.clone(),
                name,
                count: None,
                value: None,
                on: None,
                body: None,
                residents: Vec::new(),
            };
            if self.sign_if("[") {
                declaration.count = Some(self.positive("the number of objects")?);
                self.sign("]", "after the number of objects")?;
            }
            if kind == Kind::Work && self.word_if("on").is_some() {
                declaration.on = Some(self.name("the workqueue of the work")?);
            }
            if let Some(what) = kind.value().filter(|_| self.sign_if("=")) {
                declaration.value = Some(self.number(what)?);
            }
            if kind.has_body() {
                declaration.body = Some(self.block(&format!("the {}", kind.word()))?);
                into.push(declaration);
                return Ok(());
            }
            if kind == Kind::Memory && self.peek() == Some(&Token::Sign(":")) {
                declaration.residents = self.residents()?;
                into.push(declaration);
                return Ok(());
            }
            into.push(declaration);
            if !self.sign_if(",") {
                return self.end("the declaration");
            }
        }
    }

    /// Parses the declarations in an object of the driver.
    fn residents(&mut self) -> Result<Vec<Declaration>, Wrong> {
        self.sign(":", "before what lives in the memory")?;
        let mut residents = Vec::new();
        self.end("`:`")?;
        self.ends();
        if !self.take(&Token::Indent) {
            return Err(self.expected("an indented block of declarations"));
        }
        loop {
            self.ends();
            if self.take(&Token::Dedent) {
                return Ok(residents);
            }
            let span = self.span();
            let word = self.name("a declaration")?;
            let kind = Kind::named(&word.text).filter(|kind| *kind != Kind::Memory);
            let Some(kind) = kind else {
                return Err(unknown_item(&word.text, &span));
            };
            self.at -= 1;
            self.declarations(kind, &mut residents)?;
        }
    }

    /// Parses `deadlock(a, b)`, `use-after-free(dev)`, `proof`, or `at least ..`.
    fn claim(&mut self) -> Result<Claim, Wrong> {
        let at_least = self.word_if("at").is_some();
        if at_least && self.word_if("least").is_none() {
            return Err(self.expected("`least` after `at`"));
        }
        let mut kind = self.name("`proof`, or a violation such as `deadlock(a, b)`")?;
        while self.sign_if("-") {
            let part = self.name("the rest of the name of the violation")?;
            kind.text = format!("{}-{}", kind.text, part.text);
            kind.span.end = part.span.end;
        }
        let mut names = Vec::new();
        if self.sign_if("(") {
            while !self.sign_if(")") {
                names.push(self.free_name()?);
                self.sign_if(",");
            }
        }
        self.end("the claim")?;
        Ok(Claim { kind, names, at_least })
    }

    /// Takes what stands up to the next `,` or `)`, which the claims of lists have too: the
    /// condition of an assertion, or a name with blanks.
    fn free_name(&mut self) -> Result<Word, Wrong> {
        if let Some(Token::Quoted(_)) = self.peek() {
            return self.name("a name");
        }
        let (start, mut end, mut open) = (self.span().start, self.span().start, 0);
        loop {
            match self.peek() {
                None | Some(Token::End) => return Err(self.expected("`)` after the names")),
                Some(Token::Sign(")")) if open == 0 => break,
                Some(Token::Sign(",")) if open == 0 => break,
                Some(Token::Sign("(")) => open += 1,
                Some(Token::Sign(")")) => open -= 1,
                _ => {}
            }
            end = self.span().end;
            self.at += 1;
        }
        if end == start {
            return Err(self.expected("a name"));
        }
        Ok(Word { text: self.text[start..end].to_owned(), span: start..end })
    }
}

fn unknown_item(word: &str, span: &Span) -> Wrong {
    if let Some(wrong) = pasted::item(word, span) {
        return wrong;
    }
    let known = || ITEMS.iter().copied().chain(WORDS.iter().map(|(word, _)| *word));
    let near = nearest(word, known());
    let wrong = Wrong::new(span, format!("`{word}` begins neither a thread nor a declaration"));
    match near.as_slice() {
        [] => {
            let objects: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            wrong.help(format!(
                "available: {}; and objects: {}",
                ITEMS.join(", "),
                objects.join(", ")
            ))
        }
        near => wrong.label(format!("meant: {}?", listed(near))),
    }
}
