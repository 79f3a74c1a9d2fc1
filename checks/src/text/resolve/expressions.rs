//! Expressions and calls.

use super::super::calls::{self, Does as Calls, Row, Special};
use super::super::error::{Wrong, article, listed, nearest};
use super::super::kind::Kind;
use super::super::pasted;
use super::super::program::{Call, Class, Target, Value};
use super::super::tree::{self, Expression, Place, Span, Word};
use super::arguments::{names_queue, takes_bit};
use super::{Bound, Resolver, Scope};

impl Call {
    /// Returns the call of a function on an object, without arguments.
    pub(super) fn on(row: &'static Row, target: Target, span: &Span) -> Self {
        let (text, span) = (String::new(), span.clone());
        Self {
            row,
            target: Some(target),
            arguments: Vec::new(),
            text,
            function: None,
            later: None,
            span,
        }
    }
}

impl<'a> Resolver<'a> {
    pub(super) fn value(
        &mut self,
        expression: &'a Expression,
        scope: &mut Scope<'a>,
    ) -> Result<Value, Wrong> {
        Ok(match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::Place(place) => self.read(place, scope)?,
            Expression::Call(call) => self.call(call, scope)?,
            Expression::Not(inner) => Value::Not(Box::new(self.value(inner, scope)?)),
            Expression::Negative(inner) => Value::Negative(Box::new(self.value(inner, scope)?)),
            Expression::Binary(operator, sides) => {
                let left = self.value(&sides.0, scope)?;
                let right = self.value(&sides.1, scope)?;
                Value::Binary(*operator, Box::new((left, right)))
            }
        })
    }

    fn read(&mut self, place: &'a Place, scope: &mut Scope<'a>) -> Result<Value, Wrong> {
        if let Some(slot) = self.slot(place, scope) {
            return Ok(Value::Variable(slot));
        }
        match place.name.text.as_str() {
            "self" => return Ok(Value::Instance),
            "NULL" => return Ok(Value::Number(0)),
            _ => {}
        }
        let target = self.target(&place.name, place.index.as_deref(), scope)?;
        let kind = self.program.classes[target.class].kind;
        match kind {
            Kind::Int | Kind::Plain | Kind::Pointer => {
                self.program.classes[target.class].is_read = true;
                Ok(Value::Load(target))
            }
            _ => Err(self.no_value(&target, &place.name.span)),
        }
    }

    pub(super) fn no_value(&self, target: &Target, span: &Span) -> Wrong {
        let word = article(&self.program.classes[target.class].word);
        Wrong::new(span, format!("`{}` is {word}, which has no value", target.text))
    }

    /// Returns the variable that the name stands for, if it does.
    pub(super) fn slot(&self, place: &Place, scope: &Scope<'a>) -> Option<usize> {
        let found = scope.bound.iter().rfind(|(name, _)| *name == place.name.text)?;
        match found.1 {
            Bound::Variable(slot) if place.index.is_none() => Some(slot),
            _ => None,
        }
    }

    /// Returns the object that the name stands for.
    pub(super) fn target(
        &mut self,
        name: &'a Word,
        index: Option<&'a Expression>,
        scope: &mut Scope<'a>,
    ) -> Result<Target, Wrong> {
        let bound = scope.bound.iter().rfind(|(bound, _)| *bound == name.text);
        if let Some((_, Bound::Object(name, index, visible))) = bound.cloned() {
            // The argument stands where the call is.
            let inner = std::mem::replace(&mut scope.bound, visible);
            let target = self.target(name, index, scope);
            scope.bound = inner;
            return target;
        }
        let Some(class) = self.class(&name.text) else {
            return Err(self.unknown(name, scope, &[]));
        };
        self.program.classes[class].is_used = true;
        let (is_array, count) =
            (self.program.classes[class].is_array, self.program.classes[class].count);
        let Some(index) = index else {
            if !is_array {
                return Ok(Target { class, index: None, text: name.text.clone() });
            }
            let what = format!("`{}` is an array: which of them?", name.text);
            let help = format!("{}[0] to {0}[{}], or {0}[self]", name.text, count - 1);
            return Err(Wrong::new(&name.span, what).help(help));
        };
        if !is_array {
            return Err(Wrong::new(&name.span, format!("`{}` is no array", name.text)));
        }
        let index = self.value(index, scope)?;
        if let Value::Number(number) = index
            && usize::try_from(number).map_or(true, |number| number >= count)
        {
            let what = format!("`{}` has no object {number}", name.text);
            return Err(Wrong::new(&name.span, what));
        }
        let from = name.span.end;
        let end = self.text[from..].find(']').map_or(from, |close| from + close + 1);
        let text = format!("{}{}", name.text, &self.text[from..end]);
        Ok(Target { class, index: Some(Box::new(index)), text })
    }

    fn call(&mut self, call: &'a tree::Call, scope: &mut Scope<'a>) -> Result<Value, Wrong> {
        let name = call.name.text.as_str();
        if self.functions.iter().any(|function| function.name.text == name) {
            let inline = self.inline(&call.name, &call.arguments, &call.span, scope)?;
            return Ok(Value::Inline(Box::new(inline)));
        }
        let Some(row) = calls::named(name) else {
            return Err(self.unknown_call(&call.name, &call.arguments));
        };
        Ok(Value::Call(Box::new(self.call_of(row, &call.arguments, &call.span, scope)?)))
    }

    pub(super) fn unknown_call(&self, word: &Word, arguments: &[Expression]) -> Wrong {
        let name = word.text.as_str();
        if let Some(help) = pasted::call(name) {
            return Wrong::new(&word.span, format!("`{name}` has no meaning here")).help(help);
        }
        let own = self.functions.iter().map(|function| function.name.text.as_str());
        let near = nearest(name, own.chain(calls::all().map(|row| row.name)));
        let wrong = Wrong::new(&word.span, format!("no function is called `{name}`"));
        // The functions that the object has are what may have been meant.
        let object = arguments.iter().find_map(|argument| match argument {
            Expression::Place(place) => self.class(&place.name.text),
            _ => None,
        });
        match (near.as_slice(), object) {
            ([], Some(class)) => {
                let Class { kind, name, word, .. } = &self.program.classes[class];
                let functions = functions_of(*kind);
                wrong.help(format!("`{name}` is {}: {functions}", article(word)))
            }
            ([], None) => wrong.help(format!(
                "a function of the text is declared: fn {name}: ..; what takes no part in the \
                 locking is deleted"
            )),
            (near, _) => wrong.label(format!("meant: {}?", listed(near))),
        }
    }

    /// Resolves a call of a function of the kernel.
    pub(super) fn call_of(
        &mut self,
        row: &'static Row,
        arguments: &'a [Expression],
        span: &Span,
        scope: &mut Scope<'a>,
    ) -> Result<Call, Wrong> {
        let (target, rest) = self.object_of(row, arguments, span, scope)?;
        if let Some(target) = &target {
            let class = &mut self.program.classes[target.class];
            class.is_used = true;
            class.is_started |= STARTS.contains(&row.name);
            class.is_released |= RELEASES.contains(&row.name);
            let reads = READS.contains(&row.name);
            class.is_read |= reads;
            class.is_set |= !reads;
        }
        // The grace periods of these are those of the domain that needs no declaration.
        if matches!(row.does, Calls::Special(Special::KfreeRcu | Special::RcuDereference)) {
            self.program.classes[0].is_used = true;
        }
        let mut call = Call {
            row,
            target,
            arguments: Vec::new(),
            text: String::new(),
            function: None,
            later: None,
            span: span.clone(),
        };
        self.refuse_surplus(&call, arguments, rest, scope)?;
        match row.does {
            Calls::Special(special) => self.special(special, &mut call, rest, scope)?,
            Calls::Nested(_) => call.arguments = self.values(rest, 1, span, row, scope)?,
            Calls::Object(.., rust) if rust.contains("{0}") => {
                call.arguments = self.values(rest, 1, span, row, scope)?;
            }
            // What is left are the flags, a delay or the like.
            _ => {}
        }
        Ok(call)
    }

    fn values(
        &mut self,
        arguments: &'a [Expression],
        count: usize,
        span: &Span,
        row: &Row,
        scope: &mut Scope<'a>,
    ) -> Result<Vec<Value>, Wrong> {
        if arguments.len() < count {
            let what = format!("`{}` takes {count} more argument", row.name);
            return Err(Wrong::new(span, what));
        }
        arguments[..count].iter().map(|argument| self.value(argument, scope)).collect()
    }

    /// Returns the object of a call, and the arguments after it.
    fn object_of(
        &mut self,
        row: &'static Row,
        arguments: &'a [Expression],
        span: &Span,
        scope: &mut Scope<'a>,
    ) -> Result<(Option<Target>, &'a [Expression]), Wrong> {
        if row.on == [Kind::Rcu] {
            return Ok((Some(Target { class: 0, index: None, text: "rcu".into() }), arguments));
        }
        if row.on == [Kind::Kthread] && arguments.is_empty() {
            let Some(class) = scope.kthread else {
                let what = format!("`{}` without a kthread: no kthread runs this", row.name);
                return Err(Wrong::new(span, what));
            };
            let text = self.program.classes[class].name.clone();
            return Ok((Some(Target { class, index: None, text }), arguments));
        }
        if matches!(row.does, Calls::Take(_) | Calls::Release(_)) && row.on.is_empty() {
            return Ok((Some(Target { class: 0, index: None, text: "rcu".into() }), arguments));
        }
        if row.on.is_empty() {
            return Ok((None, arguments));
        }
        // `queue_work(wq, work)` names the queue first.
        let skips = arguments.len() > 1 && names_queue(row);
        let bit = takes_bit(row) && arguments.len() > 1;
        let (first, rest) = match arguments {
            [queue, rest @ ..] if skips && !self.is_kind(queue, Kind::Work, scope) => {
                (rest.first(), &rest[1.min(rest.len())..])
            }
            // `set_bit(nr, addr)` names the bit first.
            [_, word, rest @ ..] if bit => (Some(word), rest),
            [first, rest @ ..] => (Some(first), rest),
            [] => (None, arguments),
        };
        let kinds: Vec<String> = row.on.iter().map(|kind| article(kind.word())).collect();
        let Some(Expression::Place(place)) = first else {
            let what = format!("`{}` takes {}", row.name, kinds.join(" or "));
            return Err(Wrong::new(span, what).help(format!("{}(x)", row.name)));
        };
        let name = place.name.text.as_str();
        if !scope.bound.iter().any(|(bound, _)| *bound == name) && self.class(name).is_none() {
            return Err(self.unknown(&place.name, scope, row.on));
        }
        let target = self.target(&place.name, place.index.as_deref(), scope)?;
        let kind = self.program.classes[target.class].kind;
        if row.on.contains(&kind) {
            if bit {
                self.note_bit(&target, &arguments[0], span)?;
            }
            if skips {
                self.check_queue(row, &target, &arguments[0], scope)?;
            }
            return Ok((Some(target), rest));
        }
        let word = article(&self.program.classes[target.class].word);
        let kinds = kinds.join(" or ");
        let what = format!("`{}` takes {kinds}, and `{}` is {word}", row.name, target.text);
        let help = format!("for {word}: {}", functions_of(kind));
        Err(Wrong::new(&place.name.span, what).help(help))
    }

    fn is_kind(&self, argument: &Expression, kind: Kind, scope: &Scope<'_>) -> bool {
        let Expression::Place(place) = argument else { return false };
        let class = self.class_of(&place.name.text, scope);
        class.is_some_and(|class| self.program.classes[class].kind == kind)
    }

    /// Returns the class of the object that a name stands for here.
    pub(super) fn class_of(&self, name: &str, scope: &Scope<'_>) -> Option<usize> {
        match scope.bound.iter().rfind(|(bound, _)| *bound == name) {
            Some((_, Bound::Object(argument, ..))) => self.class(&argument.text),
            Some((_, Bound::Variable(_))) => None,
            None => self.class(name),
        }
    }

    fn special(
        &mut self,
        special: Special,
        call: &mut Call,
        rest: &'a [Expression],
        scope: &mut Scope<'a>,
    ) -> Result<(), Wrong> {
        let span = call.span.clone();
        match special {
            Special::WaitEvent
            | Special::WaitEventExclusive
            | Special::WaitEventTimeout
            | Special::WaitEventInterruptible
            | Special::WaitEventKillable
            | Special::Swap => call.arguments = self.values(rest, 1, &span, call.row, scope)?,
            Special::CompareExchange => {
                call.arguments = self.values(rest, 2, &span, call.row, scope)?;
            }
            Special::BugOn => {
                call.arguments = self.values(rest, 1, &span, call.row, scope)?;
                call.text = self.text[span].to_owned();
            }
            Special::CallRcu | Special::KrefPut => {
                let Some(last) = rest.last() else {
                    return match special {
                        Special::KrefPut => Ok(()),
                        _ => Err(Wrong::new(&span, "`call_rcu` takes a function of the text")),
                    };
                };
                let function = self.function_argument(last, &span, scope)?;
                match special {
                    Special::KrefPut => call.function = Some(Box::new(function)),
                    _ => call.later = Some(self.callback(function, &span, scope)?),
                }
            }
            Special::Maybe | Special::MightSleep => {
                let name = match rest.first() {
                    Some(Expression::Place(place)) => place.name.text.clone(),
                    _ => call.row.name.to_owned(),
                };
                if special == Special::Maybe {
                    call.target = Some(self.choice(&name, self.line_of(&span)));
                }
                call.text = name;
            }
            Special::Sleeps => call.text = call.row.name.to_owned(),
            _ => {}
        }
        Ok(())
    }
}

/// The functions that release what they are called on.
const RELEASES: &[&str] =
    &["free", "kfree", "kref_put", "refcount_dec_and_test", "kfree_rcu", "module_put"];

/// The functions that read a value and do not set it.
const READS: &[&str] = &["atomic_read", "READ_ONCE", "test_bit"];

/// The functions that let another function run.
const STARTS: &[&str] = &[
    "queue_work",
    "schedule_work",
    "queue_delayed_work",
    "schedule_delayed_work",
    "mod_delayed_work",
    "mod_timer",
    "add_timer",
    "hrtimer_start",
    "raise",
    "tasklet_schedule",
    "raise_softirq",
    "kthread_run",
];

/// Returns the names of the functions for objects of this kind, shortened.
fn functions_of(kind: Kind) -> String {
    let names: Vec<&str> =
        calls::all().filter(|row| row.on.contains(&kind)).map(|row| row.name).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        names if names.len() > 6 => format!("{} and others", names[..6].join(", ")),
        names => names.join(", "),
    }
}
