//! Blocks and statements.

use super::super::error::Wrong;
use super::super::pasted;
use super::super::token::{TABS, Token, mixes_tabs};
use super::super::tree::{Block, Does, Expression, Operator, Place, Span, Statement};
use super::Parser;

impl Parser<'_> {
    /// Parses `:` and a block: the indented lines below, or the rest of the line.
    pub(super) fn block(&mut self, of: &str) -> Result<Block, Wrong> {
        if let Err(wrong) = self.sign(":", &format!("before what {of} does")) {
            return Err(match self.peek() {
                Some(Token::Sign("=")) => wrong.help("`==` compares, and `=` sets"),
                _ => wrong,
            });
        }
        let mut block = Vec::new();
        if self.peek() != Some(&Token::End) {
            self.inline(&mut block)?;
            return Ok(block);
        }
        self.ends();
        if !self.take(&Token::Indent) {
            return Err(self.expected(&format!("an indented line with what {of} does")));
        }
        loop {
            self.ends();
            if self.take(&Token::Dedent) {
                return Ok(block);
            }
            block.push(self.statement()?);
        }
    }

    /// Parses statements up to the end of the line, separated by `;`.
    fn inline(&mut self, block: &mut Block) -> Result<(), Wrong> {
        loop {
            block.push(self.statement()?);
            // The end of a statement is `;` or the end of the line, which the text tells apart.
            let before = self.tokens.get(self.at.saturating_sub(1));
            let semicolon = before.is_some_and(|before| &self.text[before.span.clone()] == ";");
            if !semicolon || matches!(self.peek(), None | Some(Token::End | Token::Dedent)) {
                return Ok(());
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, Wrong> {
        let start = self.span();
        let word = match self.peek() {
            Some(Token::Name(word)) => word.clone(),
            Some(Token::Quoted(_)) => String::new(),
            Some(Token::Indent) => {
                let wrong = Wrong::new(&start, "a line that is deeper than its block");
                return Err(match mixes_tabs(self.text, start.start) {
                    true => wrong.help(TABS),
                    false => wrong.help("a block begins below a line that ends with `:`"),
                });
            }
            _ => return Err(self.expected("a call or another statement")),
        };
        let does = match word.as_str() {
            "if" => self.conditional()?,
            "while" => {
                self.at += 1;
                let condition = self.expression()?;
                Does::While(condition, self.block("the loop")?)
            }
            "loop" => {
                self.at += 1;
                Does::Loop(self.block("the loop")?)
            }
            "repeat" => {
                self.at += 1;
                let times = self.positive("how often")?;
                Does::Repeat(times, self.block("the loop")?)
            }
            "either" => self.either()?,
            "scoped_guard" => self.scoped_guard()?,
            _ => {
                self.refuse_c(&word, &start)?;
                let does = self.simple(&word)?;
                self.end("the statement")?;
                does
            }
        };
        let end = self.tokens.get(self.at.saturating_sub(1)).map_or(start.end, |t| t.span.end);
        let line = self.text[start.start..end].split('\n').next().unwrap_or_default();
        let span = start.start..start.start + line.trim_end().len();
        Ok(Statement { span, does })
    }

    fn conditional(&mut self) -> Result<Does, Wrong> {
        self.at += 1;
        let condition = self.expression()?;
        let mut branches = vec![(condition, self.block("the thread then")?)];
        loop {
            let here = self.at;
            self.ends();
            if self.word_if("else").is_none() {
                self.at = here;
                return Ok(Does::If(branches, Vec::new()));
            }
            if self.word_if("if").is_none() {
                return Ok(Does::If(branches, self.block("the thread otherwise")?));
            }
            let condition = self.expression()?;
            branches.push((condition, self.block("the thread then")?));
        }
    }

    /// Refuses what begins with the name `word` and is a statement in C only.
    fn refuse_c(&self, word: &str, span: &Span) -> Result<(), Wrong> {
        let wrong = match self.tokens.get(self.at + 1).map(|next| &next.token) {
            Some(Token::Name(_) | Token::Sign("*")) => pasted::statement(word, span),
            Some(Token::Sign(":")) if !matches!(word, "else" | "or") => {
                Some(pasted::label(word, span))
            }
            _ => None,
        };
        pasted::control(word, span).or(wrong).map_or(Ok(()), Err)
    }

    fn either(&mut self) -> Result<Does, Wrong> {
        let span = self.span();
        self.at += 1;
        let mut branches = vec![self.block("can happen")?];
        loop {
            let here = self.at;
            self.ends();
            if self.word_if("or").is_none() {
                self.at = here;
                break;
            }
            branches.push(self.block("else can happen")?);
        }
        match branches.len() {
            1 => Err(Wrong::new(&span, "`either` needs an `or:` at the same depth")),
            _ => Ok(Does::Either(branches)),
        }
    }

    /// `scoped_guard(mutex, x):`, in include/linux/cleanup.h.
    fn scoped_guard(&mut self) -> Result<Does, Wrong> {
        let call = self.call()?;
        let block = self.block("the thread with the lock")?;
        Ok(Does::ScopedGuard(call, block))
    }

    fn simple(&mut self, word: &str) -> Result<Does, Wrong> {
        let span = self.span();
        Ok(match word {
            "let" => {
                self.at += 1;
                let name = self.name("the name of the variable")?;
                self.sign("=", "after the name of the variable")?;
                Does::Let(name, self.expression()?)
            }
            "assert" => {
                self.at += 1;
                Does::Assert(self.expression()?)
            }
            "return" => {
                self.at += 1;
                let returns = !matches!(self.peek(), None | Some(Token::End | Token::Dedent));
                Does::Return(if returns { Some(self.expression()?) } else { None })
            }
            "break" | "continue" | "pass" => {
                self.at += 1;
                match word {
                    "break" => Does::Break,
                    "continue" => Does::Continue,
                    _ => Does::Pass,
                }
            }
            "else" => return Err(Wrong::new(&span, "`else` without an `if` before it")),
            "or" => return Err(Wrong::new(&span, "`or` without an `either` before it")),
            "guard" => self.guard()?,
            _ => self.assignment_or_call()?,
        })
    }

    /// `guard(mutex)(x)`, in include/linux/cleanup.h.
    fn guard(&mut self) -> Result<Does, Wrong> {
        let mut call = self.call()?;
        self.sign("(", "before the lock that the guard takes")?;
        if !self.sign_if(")") {
            call.arguments.push(self.expression()?);
            self.sign(")", "after the lock")?;
        }
        Ok(Does::Guard(call))
    }

    fn assignment_or_call(&mut self) -> Result<Does, Wrong> {
        let expression = self.expression()?;
        let Expression::Place(place) = &expression else {
            return Ok(Does::Evaluate(expression));
        };
        let changes = [("++", 1), ("--", -1)];
        if let Some((_, by)) = changes.iter().find(|(sign, _)| self.sign_if(sign)) {
            return Ok(changed(place, &expression, Operator::Plus, Expression::Number(*by)));
        }
        if self.sign_if("=") {
            return Ok(Does::Assign(place.clone(), self.expression()?));
        }
        let changes = [("+=", Operator::Plus), ("-=", Operator::Minus)];
        if let Some((_, operator)) = changes.iter().find(|(sign, _)| self.sign_if(sign)) {
            let by = self.expression()?;
            return Ok(changed(place, &expression, *operator, by));
        }
        // A lock alone is taken and released, as in `a(b); c`.
        Ok(Does::Evaluate(expression))
    }
}

/// `x += by` reads and then writes, as it does in C.
fn changed(place: &Place, old: &Expression, operator: Operator, by: Expression) -> Does {
    let new = Expression::Binary(operator, Box::new((old.clone(), by)));
    Does::Assign(place.clone(), new)
}
