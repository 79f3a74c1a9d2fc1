//! Functions of the text, in the place of their calls.

use selvedge_core::Name;

use super::super::error::{Wrong, listed, nearest};
use super::super::program::{Body, Does, Inline, Step, Value};
use super::super::tree::{Expression, Function, Place, Span, Word};
use super::{Bound, Resolver, Scope};
use crate::show;

impl<'a> Resolver<'a> {
    /// Makes a body of the function that runs after a grace period.
    pub(super) fn callback(
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
        let steps = vec![Step::new(self.line_of(span), span.start, does)];
        self.program.bodies.push(Body { name, steps, variables: scope.variables.clone() });
        Ok(self.program.bodies.len() - 1)
    }

    /// Resolves a function of the text that another one calls.
    pub(super) fn function_argument(
        &mut self,
        argument: &'a Expression,
        span: &Span,
        scope: &mut Scope<'a>,
    ) -> Result<Inline, Wrong> {
        match argument {
            Expression::Call(call) => self.inline(&call.name, &call.arguments, &call.span, scope),
            Expression::Place(place) => {
                let name = &place.name.text;
                if !self.functions.iter().any(|function| function.name.text == *name) {
                    let own = self.functions.iter().map(|function| function.name.text.as_str());
                    let near = nearest(name, own);
                    let wrong =
                        Wrong::new(&place.name.span, format!("no function is called `{name}`"));
                    return Err(match near.as_slice() {
                        [] => wrong.help(format!("declare `fn {name}: ..`")),
                        near => wrong.label(format!("meant: {}?", listed(near))),
                    });
                }
                self.inline(&place.name, &[], &place.name.span, scope)
            }
            _ => Err(Wrong::new(span, "the last argument is a function of the text")),
        }
    }

    /// Resolves the call of a function of the text.
    pub(super) fn inline(
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
    let what = format!("`{name}` takes {}, not {has}", show::count(takes, "argument"));
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
