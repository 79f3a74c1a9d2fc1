//! Blocks and statements.

use selvedge_core::Name;

use super::super::calls;
use super::super::error::{Wrong, article, listed, nearest};
use super::super::kind::Kind;
use super::super::program::{Call, Does, Rounds, Step, Steps, Target, Value};
use super::super::tree::{self, Block, Expression, Statement, Word};
use super::{Bound, Resolver, Scope};

impl<'a> Resolver<'a> {
    pub(super) fn block(
        &mut self,
        block: &'a [Statement],
        scope: &mut Scope<'a>,
    ) -> Result<Steps, Wrong> {
        let visible = scope.bound.len();
        let steps = self.rest(block, scope);
        scope.bound.truncate(visible);
        steps
    }

    /// Resolves the statements. What follows a guard is done with its lock held.
    fn rest(&mut self, block: &'a [Statement], scope: &mut Scope<'a>) -> Result<Steps, Wrong> {
        let mut steps = Vec::new();
        for (at, statement) in block.iter().enumerate() {
            let line = self.line_of(&statement.span);
            if let tree::Does::Guard(call) = &statement.does {
                let call = self.guard(call, scope)?;
                let does = Does::Scoped(call, self.rest(&block[at + 1..], scope)?);
                steps.push(Step::new(line, statement.span.start, does));
                return Ok(steps);
            }
            if let Some(does) = self.statement(statement, scope)? {
                steps.push(Step::new(line, statement.span.start, does));
            }
        }
        Ok(steps)
    }

    fn statement(
        &mut self,
        statement: &'a Statement,
        scope: &mut Scope<'a>,
    ) -> Result<Option<Does>, Wrong> {
        use tree::Does as Tree;
        Ok(Some(match &statement.does {
            Tree::Evaluate(Expression::Place(place)) if self.is_lock(&place.name, scope) => {
                self.nest((&place.name, place.index.as_deref()), &[], scope)?
            }
            Tree::Evaluate(Expression::Call(call)) if self.is_lock(&call.name, scope) => {
                self.nest((&call.name, None), &call.arguments, scope)?
            }
            Tree::Evaluate(value) => Does::Evaluate(self.value(value, scope)?),
            Tree::Let(name, value) => {
                let value = self.value(value, scope)?;
                let slot = self.variable(&name.text, scope);
                Does::Set(slot, value)
            }
            Tree::Assign(place, value) => self.assignment(place, value, scope)?,
            Tree::Guard(_) => unreachable!("the rest of the block belongs to it"),
            Tree::ScopedGuard(call, block) => {
                let call = self.guard(call, scope)?;
                Does::Scoped(call, self.block(block, scope)?)
            }
            Tree::If(branches, otherwise) => {
                let mut resolved = Vec::new();
                for (condition, block) in branches {
                    let condition = self.value(condition, scope)?;
                    resolved.push((condition, self.block(block, scope)?));
                }
                Does::If(resolved, self.block(otherwise, scope)?)
            }
            Tree::While(condition, block) => self.while_loop(statement, condition, block, scope)?,
            Tree::Loop(block) => {
                let outer = scope.variables.len();
                let body = self.in_loop(block, scope)?;
                let rounds = if sets_before(&body, outer) { Rounds::Carry } else { Rounds::Works };
                Does::Loop { is_left: leaves(&body), body, rounds }
            }
            Tree::Repeat(times, block) => Does::Repeat(*times, self.in_loop(block, scope)?),
            Tree::Either(branches) => self.either(statement, branches, scope)?,
            Tree::Assert(condition) => {
                let text = self.text[statement.span.clone()].trim_start_matches("assert").trim();
                let text = strip(text).to_owned();
                Does::Assert(self.value(condition, scope)?, text)
            }
            Tree::Return(value) => {
                let value = value.as_ref().map(|value| self.value(value, scope)).transpose()?;
                Does::Return(value)
            }
            Tree::Break | Tree::Continue if scope.loops == 0 => {
                return Err(Wrong::new(&statement.span, "no loop is around this"));
            }
            Tree::Break => Does::Break,
            Tree::Continue => Does::Continue,
            Tree::Pass => return Ok(None),
        }))
    }

    /// Makes a variable of the body visible.
    pub(super) fn variable(&mut self, name: &'a str, scope: &mut Scope<'a>) -> usize {
        let slot = scope.variables.len();
        scope.variables.push(name.to_owned());
        scope.bound.push((name, Bound::Variable(slot)));
        slot
    }

    fn assignment(
        &mut self,
        place: &'a tree::Place,
        value: &'a Expression,
        scope: &mut Scope<'a>,
    ) -> Result<Does, Wrong> {
        let value = match value {
            // C programmers write it so.
            Expression::Call(call) if is_allocation(&call.name.text) => {
                return self.allocation(place, call, scope);
            }
            value => self.value(value, scope)?,
        };
        if let Some(slot) = self.slot(place, scope) {
            return Ok(Does::Set(slot, value));
        }
        let name = &place.name;
        if self.class(&name.text).is_none() && !scope.bound.iter().any(|(b, _)| *b == name.text) {
            let help = format!(
                "`let {0} = ..` makes a variable of the thread, and `flag {0}` at the left margin \
                 one that threads share",
                name.text
            );
            return Err(self.unknown(name, scope, &[]).also(&help));
        }
        let target = self.target(&place.name, place.index.as_deref(), scope)?;
        let kind = self.program.classes[target.class].kind;
        match kind {
            Kind::Int | Kind::Plain | Kind::Pointer => {
                self.program.classes[target.class].is_set = true;
                Ok(Does::Store(target, value))
            }
            _ => Err(self.no_value(&target, &place.name.span)),
        }
    }

    /// `x = kzalloc(..)` of a pointer.
    fn allocation(
        &mut self,
        place: &'a tree::Place,
        call: &'a tree::Call,
        scope: &mut Scope<'a>,
    ) -> Result<Does, Wrong> {
        let target = self.target(&place.name, place.index.as_deref(), scope)?;
        let kind = self.program.classes[target.class].kind;
        if kind != Kind::Pointer {
            let word = article(&self.program.classes[target.class].word);
            let what = format!("`{}` is {word}, not a pointer", target.text);
            let help = format!("declare it: pointer {}", target.text);
            return Err(Wrong::new(&place.name.span, what).help(help));
        }
        let row = calls::named("kzalloc").expect("the table has it");
        Ok(Does::Evaluate(Value::Call(Box::new(Call::on(row, target, &call.span)))))
    }

    fn while_loop(
        &mut self,
        statement: &Statement,
        condition: &'a Expression,
        block: &'a Block,
        scope: &mut Scope<'a>,
    ) -> Result<Does, Wrong> {
        let outer = scope.variables.len();
        let condition = self.value(condition, scope)?;
        let body = self.in_loop(block, scope)?;
        let line = self.text[statement.span.clone()].lines().next().unwrap_or_default();
        let what = line.trim_start_matches("while").split(':').next().unwrap_or_default().trim();
        let rounds = match sets_before(&body, outer) {
            true => Rounds::Carry,
            // A thread that is not asked to stop does not wait for that.
            false if what.contains("kthread_should_") => Rounds::Works,
            false => Rounds::Polls(Name::from(format!("end of while {what}")).as_str()),
        };
        Ok(Does::While { condition, body, rounds })
    }

    fn in_loop(&mut self, block: &'a Block, scope: &mut Scope<'a>) -> Result<Steps, Wrong> {
        scope.loops += 1;
        let body = self.block(block, scope);
        scope.loops -= 1;
        body
    }

    fn either(
        &mut self,
        statement: &Statement,
        branches: &'a [Block],
        scope: &mut Scope<'a>,
    ) -> Result<Does, Wrong> {
        let line = self.line_of(&statement.span);
        let name = format!("either, line {line}");
        let choice = self.choice(&name, line);
        let mut resolved = Vec::new();
        for branch in branches {
            resolved.push(self.block(branch, scope)?);
        }
        Ok(Does::Either(choice, resolved))
    }

    /// Returns the choice of this name, which is made at its first use.
    pub(super) fn choice(&mut self, name: &str, line: u32) -> Target {
        let class = self.class(name);
        let class = class.unwrap_or_else(|| self.add_class(Kind::Choice, name, line, None));
        Target { class, index: None, text: name.to_owned() }
    }

    /// Resolves `mutex(x)` of a guard.
    fn guard(&mut self, call: &'a tree::Call, scope: &mut Scope<'a>) -> Result<Call, Wrong> {
        let known = || calls::GUARDS.iter().map(|(known, _)| *known);
        let Some((Expression::Place(class), rest)) = call.arguments.split_first() else {
            return Err(Wrong::new(&call.span, "a guard names its class: guard(mutex)(x)"));
        };
        let Some(row) = calls::guard(&class.name.text) else {
            let name = &class.name;
            let wrong = Wrong::new(&name.span, format!("`{}` is no class of guards", name.text));
            let near = nearest(&name.text, known());
            let near = if near.is_empty() { known().collect() } else { near };
            return Err(wrong.help(format!("available: {}", listed(&near))));
        };
        self.call_of(row, rest, &call.span, scope)
    }

    /// Returns whether the name stands for a lock that is taken as a whole.
    fn is_lock(&self, name: &Word, scope: &Scope<'_>) -> bool {
        let bound = scope.bound.iter().any(|(bound, _)| *bound == name.text);
        let kind = self.class(&name.text).map(|class| self.program.classes[class].kind);
        !bound && kind.is_some_and(|kind| calls::plain_lock(kind).is_some())
    }

    /// Resolves `a(b c)`: takes the lock, then those within, and releases them in reverse order.
    fn nest(
        &mut self,
        (name, index): (&'a Word, Option<&'a Expression>),
        within: &'a [Expression],
        scope: &mut Scope<'a>,
    ) -> Result<Does, Wrong> {
        let target = self.target(name, index, scope)?;
        let kind = self.program.classes[target.class].kind;
        let row = calls::plain_lock(kind).expect("it is a lock");
        let call = Call::on(row, target, &name.span);
        let Some((next, rest)) = within.split_first() else {
            return Ok(Does::Scoped(call, Vec::new()));
        };
        let (word, index, inner) = match next {
            Expression::Place(place) if self.is_lock(&place.name, scope) => {
                (&place.name, place.index.as_deref(), rest)
            }
            Expression::Call(inner) if self.is_lock(&inner.name, scope) && rest.is_empty() => {
                (&inner.name, None, inner.arguments.as_slice())
            }
            _ => {
                return Err(Wrong::new(&name.span, format!("in `{}(..)` stand locks", name.text))
                    .help("as in `a(b c)`: a, then b, then c, released in reverse order"));
            }
        };
        let line = self.line_of(&word.span);
        let does = self.nest((word, index), inner, scope)?;
        Ok(Does::Scoped(call, vec![Step::new(line, word.span.start, does)]))
    }
}

/// Returns the text without the parentheses around it.
fn strip(text: &str) -> &str {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    match inner {
        Some(inner) if !inner.contains([')', '(']) => inner.trim(),
        _ => text,
    }
}

fn is_allocation(name: &str) -> bool {
    matches!(name, "kzalloc" | "kmalloc" | "alloc")
}

/// Returns whether the steps set a variable that was made before, whose number is below `outer`.
fn sets_before(steps: &[Step], outer: usize) -> bool {
    any(steps, &|does| matches!(does, Does::Set(slot, _) if *slot < outer))
}

/// Returns whether a step leaves the loop that the steps are the body of.
fn leaves(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.does {
        Does::Break | Does::Return(_) => true,
        Does::While { body, .. } | Does::Loop { body, .. } | Does::Repeat(_, body) => {
            any(body, &|does| matches!(does, Does::Return(_)))
        }
        other => other.blocks().into_iter().any(|steps| leaves(steps)),
    })
}

/// Returns whether a step within does this.
fn any(steps: &[Step], is: &dyn Fn(&Does) -> bool) -> bool {
    steps
        .iter()
        .any(|step| is(&step.does) || step.does.blocks().into_iter().any(|block| any(block, is)))
}
