//! Expressions and calls.

use super::super::error::Wrong;
use super::super::token::Token;
use super::super::tree::{Call, Expression, Operator, Place};
use super::Parser;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expression, Wrong> {
        self.binary(0)
    }

    fn binary(&mut self, least: u8) -> Result<Expression, Wrong> {
        let mut left = self.unary()?;
        loop {
            let Some(Token::Sign(sign)) = self.peek() else { return Ok(left) };
            let known = Operator::ALL.iter().find(|(known, ..)| known == sign);
            let Some((_, operator, binds)) = known.filter(|(_, _, binds)| *binds >= least) else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.binary(binds + 1)?;
            left = Expression::Binary(*operator, Box::new((left, right)));
        }
    }

    fn unary(&mut self) -> Result<Expression, Wrong> {
        if self.sign_if("!") {
            return Ok(Expression::Not(Box::new(self.unary()?)));
        }
        if self.sign_if("-") {
            return Ok(Expression::Negative(Box::new(self.unary()?)));
        }
        if self.sign_if("(") {
            let inner = self.expression()?;
            self.sign(")", "after the expression")?;
            return Ok(inner);
        }
        match self.peek() {
            Some(Token::Number(number)) => {
                let number = *number;
                self.at += 1;
                Ok(Expression::Number(number))
            }
            Some(Token::Name(_) | Token::Quoted(_)) => self.place_or_call(),
            _ => Err(self.expected("a name, a number or a call")),
        }
    }

    fn place_or_call(&mut self) -> Result<Expression, Wrong> {
        let next = self.tokens.get(self.at + 1).map(|located| &located.token);
        let is_call = next == Some(&Token::Sign("("));
        if is_call && self.word_if("sizeof").is_some() {
            return self.size();
        }
        if is_call {
            return Ok(Expression::Call(self.call()?));
        }
        let name = self.name("a name")?;
        match name.text.as_str() {
            "true" => return Ok(Expression::Number(1)),
            "false" => return Ok(Expression::Number(0)),
            _ => {}
        }
        let index = match self.sign_if("[") {
            true => {
                let index = self.expression()?;
                self.sign("]", "after the index")?;
                Some(Box::new(index))
            }
            false => None,
        };
        Ok(Expression::Place(Place { name, index }))
    }

    /// Skips what stands in the parentheses of `sizeof`, which has no meaning here.
    fn size(&mut self) -> Result<Expression, Wrong> {
        let mut open = 0;
        loop {
            match self.peek() {
                None | Some(Token::End) => return Err(self.expected("`)`")),
                Some(Token::Sign("(")) => open += 1,
                Some(Token::Sign(")")) => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Ok(Expression::Number(0));
            }
        }
    }

    /// Parses a call. Between arguments `,` may be left out, as in `a(b c)`.
    pub(super) fn call(&mut self) -> Result<Call, Wrong> {
        let name = self.name("the name of a function")?;
        self.sign("(", "after the name of the function")?;
        let mut arguments = Vec::new();
        loop {
            let end = self.span().end;
            if self.sign_if(")") {
                let span = name.span.start..end;
                return Ok(Call { name, arguments, span });
            }
            if !matches!(
                self.peek(),
                Some(
                    Token::Name(_)
                        | Token::Quoted(_)
                        | Token::Number(_)
                        | Token::Sign("(" | "!" | "-")
                )
            ) {
                return Err(self.expected("an argument or `)`"));
            }
            arguments.push(self.expression()?);
            self.sign_if(",");
        }
    }
}
