//! Expressions and calls.

use selvedge_core::Name;

use super::super::calls::{self, Does as Calls, Row, Special};
use super::super::error::{Wrong, listed, nearest};
use super::super::kind::Kind;
use super::super::pasted;
use super::super::program::{Body, Call, Does, Inline, Step, Target, Value};
use super::super::tree::{self, Expression, Function, Place, Span, Word};
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
            Kind::Int | Kind::Plain | Kind::Pointer => Ok(Value::Load(target)),
            _ => {
                let what = format!("`{}` is a {}, which has no value", target.text, kind.word());
                Err(Wrong::new(&place.name.span, what))
            }
        }
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

    fn unknown_call(&self, word: &Word, arguments: &[Expression]) -> Wrong {
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
                let kind = self.program.classes[class].kind;
                let object = &self.program.classes[class].name;
                let help = format!("`{object}` is a {}: {}", kind.word(), functions_of(kind));
                wrong.help(help)
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
            self.program.classes[target.class].is_started |= STARTS.contains(&row.name);
            let releases =
                ["free", "kfree", "kref_put", "refcount_dec_and_test", "kfree_rcu", "module_put"];
            self.program.classes[target.class].is_released |= releases.contains(&row.name);
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
        let skips = row.on == [Kind::Work] && arguments.len() > 1 && row.name.contains("queue");
        let (first, rest) = match arguments {
            [queue, rest @ ..] if skips && !self.is_kind(queue, Kind::Work, scope) => {
                (rest.first(), &rest[1.min(rest.len())..])
            }
            [first, rest @ ..] => (Some(first), rest),
            [] => (None, arguments),
        };
        let kinds: Vec<&str> = row.on.iter().map(|kind| kind.word()).collect();
        let Some(Expression::Place(place)) = first else {
            let what = format!("`{}` takes a {}", row.name, listed(&kinds).replace('`', ""));
            return Err(Wrong::new(span, what).help(format!("{}(x)", row.name)));
        };
        let name = place.name.text.as_str();
        if !scope.bound.iter().any(|(bound, _)| *bound == name) && self.class(name).is_none() {
            return Err(self.unknown(&place.name, scope, row.on));
        }
        let target = self.target(&place.name, place.index.as_deref(), scope)?;
        let kind = self.program.classes[target.class].kind;
        if row.on.contains(&kind) {
            return Ok((Some(target), rest));
        }
        let what = format!(
            "`{}` takes a {}, and `{}` is a {}",
            row.name,
            kinds.join(" or a "),
            target.text,
            kind.word()
        );
        let help = format!("for a {}: {}", kind.word(), functions_of(kind));
        Err(Wrong::new(&place.name.span, what).help(help))
    }

    fn is_kind(&self, argument: &Expression, kind: Kind, scope: &Scope<'_>) -> bool {
        let Expression::Place(place) = argument else { return false };
        let bound = scope.bound.iter().rfind(|(name, _)| *name == place.name.text);
        let name = match bound {
            Some((_, Bound::Object(argument, ..))) => &argument.text,
            _ => &place.name.text,
        };
        self.class(name).is_some_and(|class| self.program.classes[class].kind == kind)
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

    /// Makes a body of the function that runs after a grace period.
    fn callback(
        &mut self,
        function: Inline,
        span: &Span,
        scope: &Scope<'_>,
    ) -> Result<usize, Wrong> {
        if !function.arguments.is_empty() {
            return Err(Wrong::new(span, "a callback takes objects, and no values"));
        }
        let name = function.name.to_owned();
        let does = Does::Evaluate(Value::Inline(Box::new(function)));
        let steps = vec![Step { line: self.line_of(span), does }];
        self.program.bodies.push(Body { name, steps, variables: scope.variables.clone() });
        Ok(self.program.bodies.len() - 1)
    }

    /// Resolves a function of the text that another one calls.
    fn function_argument(
        &mut self,
        argument: &'a Expression,
        span: &Span,
        scope: &mut Scope<'a>,
    ) -> Result<Inline, Wrong> {
        match argument {
            Expression::Call(call) => self.inline(&call.name, &call.arguments, &call.span, scope),
            Expression::Place(place) => self.inline(&place.name, &[], &place.name.span, scope),
            _ => Err(Wrong::new(span, "the last argument is a function of the text")),
        }
    }

    /// Resolves the call of a function of the text.
    fn inline(
        &mut self,
        word: &'a Word,
        given: &'a [Expression],
        span: &Span,
        scope: &mut Scope<'a>,
    ) -> Result<Inline, Wrong> {
        let name = word.text.as_str();
        let found = self.functions.iter().position(|function| function.name.text == name);
        let Some(number) = found else { return Err(self.unknown_call(word, given)) };
        let function = self.functions[number];
        self.called[number] = true;
        if scope.calls.contains(&name) {
            let what = format!("`{name}` calls itself, which has no end here");
            return Err(Wrong::new(&word.span, what));
        }
        if function.parameters.len() != given.len() {
            return Err(argument_count(function, given.len(), span));
        }
        let mut bound = Vec::new();
        let mut arguments = Vec::new();
        for (parameter, argument) in function.parameters.iter().zip(given) {
            let object = match argument {
                Expression::Place(place) => self.object_argument(place, scope),
                _ => None,
            };
            match object {
                Some(object) => bound.push((parameter.text.as_str(), object)),
                None => {
                    let value = self.value(argument, scope)?;
                    let slot = scope.variables.len();
                    scope.variables.push(parameter.text.clone());
                    arguments.push((slot, value));
                    bound.push((parameter.text.as_str(), Bound::Variable(slot)));
                }
            }
        }
        let outer = std::mem::replace(&mut scope.bound, bound);
        let loops = std::mem::replace(&mut scope.loops, 0);
        scope.calls.push(name);
        let steps = self.block(&function.body, scope);
        scope.calls.pop();
        (scope.bound, scope.loops) = (outer, loops);
        Ok(Inline { name: Name::from(name.to_owned()).as_str(), arguments, steps: steps? })
    }

    /// Returns the argument as an object, if it is one: a lock is passed by its address, and a
    /// variable by its value.
    fn object_argument(&self, place: &'a Place, scope: &Scope<'a>) -> Option<Bound<'a>> {
        let visible = &scope.bound;
        match visible.iter().rfind(|(name, _)| *name == place.name.text) {
            Some((_, Bound::Variable(_))) => None,
            Some((_, object)) => Some(object.clone()),
            None => {
                self.class(&place.name.text)?;
                Some(Bound::Object(&place.name, place.index.as_deref(), visible.clone()))
            }
        }
    }
}

/// Returns why a function does not take this many arguments.
fn argument_count(function: &Function, has: usize, span: &Span) -> Wrong {
    let (name, takes) = (&function.name.text, function.parameters.len());
    let plural = if takes == 1 { "" } else { "s" };
    let what = format!("`{name}` takes {takes} argument{plural}, not {has}");
    let wrong = Wrong::new(span, what).note(&function.name.span, "declared here");
    // The name alone is a callback, to which the kernel passes what a text has to name.
    if has > 0 {
        return wrong;
    }
    let parameters: Vec<&str> =
        function.parameters.iter().map(|parameter| parameter.text.as_str()).collect();
    let parameters = parameters.join(", ");
    wrong.help(format!(
        "write {name}(..) with the object that `{parameters}` stands for, or declare `fn {name}:` \
         without parameters"
    ))
}

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
