//! Statements in Rust.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::calls::{Does as Calls, Special, Way};
use super::super::program::{Body, Call, Does, Rounds, Step, Steps, Value};
use super::Printer;

/// Where a `return` of the text leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    /// To the end of the function in Rust.
    Function,
    /// To the end of a block, with a value.
    Block(String),
}

/// What surrounds a statement.
#[derive(Clone, Debug)]
pub(super) struct Place {
    indent: usize,
    pub(super) exit: Exit,
    /// Whether the innermost loop is a closure, and whether a function returns from within it.
    closure: Option<bool>,
}

impl Place {
    /// Returns how deep it is indented.
    pub(super) fn depth(&self) -> usize {
        self.indent
    }

    pub(super) fn deeper(&self) -> Self {
        Self { indent: self.indent + 1, ..self.clone() }
    }

    /// Returns the place in a block that a `return` leaves.
    pub(super) fn within(&self, exit: Exit) -> Self {
        Self { indent: self.indent + 1, exit, closure: None }
    }
}

/// The function that a body becomes.
pub(super) struct Scope<'p, 'a> {
    pub(super) printer: &'p mut Printer<'a>,
    pub(super) body: &'a Body,
    /// What the innermost closure has to declare: guards and variables.
    pub(super) guards: BTreeSet<String>,
    variables: BTreeSet<usize>,
}

impl<'p, 'a> Scope<'p, 'a> {
    pub(super) fn new(printer: &'p mut Printer<'a>, body: &'a Body) -> Self {
        Self { printer, body, guards: BTreeSet::new(), variables: BTreeSet::new() }
    }

    pub(super) fn function(mut self, steps: &'a Steps) -> String {
        let place = Place { indent: 1, exit: Exit::Function, closure: None };
        self.closed(steps, &place)
    }

    /// Returns the steps of a closure or a function, with what they need declared.
    fn closed(&mut self, steps: &'a Steps, place: &Place) -> String {
        let guards = std::mem::take(&mut self.guards);
        let variables = std::mem::take(&mut self.variables);
        let text = self.steps(steps, place);
        let guards = std::mem::replace(&mut self.guards, guards);
        let variables = std::mem::replace(&mut self.variables, variables);
        let pad = "    ".repeat(place.indent);
        let mut declared = String::new();
        for slot in variables {
            _ = writeln!(declared, "{pad}let mut {} = 0i64;", self.variable(slot));
        }
        for guard in guards {
            _ = writeln!(declared, "{pad}let mut {guard} = Vec::new();");
        }
        declared + &text
    }

    /// Returns the name of a variable that is set here.
    pub(super) fn set(&mut self, slot: usize) -> String {
        self.variables.insert(slot);
        self.variable(slot)
    }

    /// Returns the name of a variable. Two of one name have different numbers.
    pub(super) fn variable(&self, slot: usize) -> String {
        let name = super::names::identifier(&self.body.variables[slot]);
        let taken = self.body.variables.iter().filter(|other| **other == self.body.variables[slot]);
        if taken.count() > 1 { format!("{name}_{slot}") } else { name }
    }

    pub(super) fn steps(&mut self, steps: &'a Steps, place: &Place) -> String {
        steps.iter().map(|step| self.step(step, place)).collect()
    }

    fn block(&mut self, steps: &'a Steps, place: &Place) -> String {
        self.steps(steps, &Place { indent: place.indent + 1, ..place.clone() })
    }

    fn step(&mut self, step: &'a Step, place: &Place) -> String {
        let pad = "    ".repeat(place.indent);
        match &step.does {
            Does::Evaluate(value) => self.statement(value, place),
            Does::Set(slot, value) => {
                let value = self.int(value, place);
                format!("{pad}{} = {};\n", self.set(*slot), super::bare(&value))
            }
            Does::Store(target, value) => {
                let value = self.int(value, place);
                let object = self.object(target, place);
                let kind = self.printer.program.classes[target.class].kind;
                let store = match kind {
                    super::Kind::Plain => "write",
                    super::Kind::Pointer => "value.store",
                    _ => "store",
                };
                format!("{pad}{object}.{store}({});\n", super::bare(&value))
            }
            Does::Scoped(call, steps) => self.scoped(call, steps, place),
            Does::If(branches, otherwise) => self.conditional(branches, otherwise, place),
            Does::While { condition, body, rounds } => {
                self.rounds(Some(condition), body, *rounds, place)
            }
            Does::Loop { body, is_left: true, rounds } => self.rounds(None, body, *rounds, place),
            Does::Loop { body, .. } => {
                let inner =
                    Place { indent: place.indent + 1, closure: Some(false), ..place.clone() };
                let body = self.closed(body, &inner);
                format!("{pad}forever(|| {{\n{body}{pad}}});\n")
            }
            Does::Repeat(times, body) => {
                let inner = Place { closure: None, ..place.clone() };
                let body = self.block(body, &inner);
                format!("{pad}for _ in 0..{times} {{\n{body}{pad}}}\n")
            }
            Does::Either(choice, branches) => {
                let choice = self.object(choice, place);
                let mut text = format!("{pad}match {choice}.choose({}) {{\n", branches.len());
                for (number, branch) in branches.iter().enumerate() {
                    let last = number + 1 == branches.len();
                    let pattern = if last { "_".to_owned() } else { number.to_string() };
                    let deeper = Place { indent: place.indent + 1, ..place.clone() };
                    let branch = self.block(branch, &deeper);
                    _ = write!(text, "{pad}    {pattern} => {{\n{branch}{pad}    }}\n");
                }
                text + &format!("{pad}}}\n")
            }
            Does::Assert(condition, id) => {
                let condition = self.condition(condition, place);
                let broken = format!("invariant_broken({id:?}, \"the assertion does not hold\");");
                format!("{pad}if {} {{\n{pad}    {broken}\n{pad}}}\n", super::opposite(&condition))
            }
            Does::Return(value) => self.returned(value.as_ref(), place),
            Does::Break => match place.closure {
                Some(true) => format!("{pad}return Some(None);\n"),
                Some(false) => format!("{pad}return Some(());\n"),
                None => format!("{pad}break;\n"),
            },
            Does::Continue => match place.closure {
                Some(_) => format!("{pad}return None;\n"),
                None => format!("{pad}continue;\n"),
            },
        }
    }

    fn returned(&mut self, value: Option<&'a Value>, place: &Place) -> String {
        let pad = "    ".repeat(place.indent);
        let value = value.map(|value| self.int(value, place));
        let value = value.as_deref().unwrap_or("0i64");
        match (&place.closure, &place.exit) {
            (Some(_), _) => format!("{pad}return Some(Some({value}));\n"),
            (None, Exit::Function) => format!("{pad}return;\n"),
            (None, Exit::Block(label)) => format!("{pad}break {label} {value};\n"),
        }
    }

    fn conditional(
        &mut self,
        branches: &'a [(Value, Steps)],
        otherwise: &'a Steps,
        place: &Place,
    ) -> String {
        let pad = "    ".repeat(place.indent);
        let mut text = pad.clone();
        for (condition, steps) in branches {
            let condition = self.condition(condition, place);
            let steps = self.block(steps, place);
            _ = write!(text, "if {condition} {{\n{steps}{pad}}} else ");
        }
        match otherwise.is_empty() {
            true => text.truncate(text.len() - " else ".len()),
            false => _ = write!(text, "{{\n{}{pad}}}", self.block(otherwise, place)),
        }
        text + "\n"
    }

    /// Returns a loop that is left.
    fn rounds(
        &mut self,
        condition: Option<&'a Value>,
        body: &'a Steps,
        rounds: Rounds,
        place: &Place,
    ) -> String {
        let pad = "    ".repeat(place.indent);
        if rounds == Rounds::Carry {
            let inner = Place { closure: None, ..place.clone() };
            let condition = condition.map(|value| self.condition(value, place));
            let head =
                condition.map_or("loop".to_owned(), |condition| format!("while {condition}"));
            let body = self.block(body, &inner);
            return format!("{pad}{head} {{\n{body}{pad}}}\n");
        }
        let returns = returns(body);
        let deeper = Place { indent: place.indent + 1, closure: Some(returns), ..place.clone() };
        let left = if returns { "Some(None)" } else { "Some(())" };
        let head = match condition {
            Some(value) => {
                let condition = self.condition(value, &deeper);
                format!(
                    "{pad}    if {} {{\n{pad}        return {left};\n{pad}    }}\n",
                    super::opposite(&condition)
                )
            }
            None => String::new(),
        };
        let body = self.closed(body, &deeper);
        let (function, what) = match rounds {
            Rounds::Polls(what) => ("poll", format!("{what:?}, ")),
            _ => ("rounds", String::new()),
        };
        let call = format!("{function}({what}|| {{\n{head}{body}{pad}    None\n{pad}}})");
        if !returns {
            return format!("{pad}{call};\n");
        }
        let exit = match (&place.closure, &place.exit) {
            (Some(_), _) => "return Some(Some(value));".to_owned(),
            (None, Exit::Function) => "_ = value;\n        return;".to_owned(),
            (None, Exit::Block(label)) => format!("break {label} value;"),
        };
        format!("{pad}if let Some(value) = {call} {{\n{pad}    {exit}\n{pad}}}\n")
    }

    /// Returns a block with a lock that its end releases.
    fn scoped(&mut self, call: &'a Call, steps: &'a Steps, place: &Place) -> String {
        let pad = "    ".repeat(place.indent);
        let target = call.target.as_ref().expect("a lock is an object");
        let object = self.object(target, place);
        let way = call.row.does.lock().expect("a guard takes a lock").way;
        let steps = self.block(steps, place);
        if way == Way::Down {
            return format!(
                "{pad}{object}.down();\n{pad}{{\n{steps}{pad}}}\n{pad}{object}.up();\n"
            );
        }
        let taken = super::values::guard_of(way);
        match steps.is_empty() {
            true => format!("{pad}drop({object}.{taken}());\n"),
            false => format!("{pad}{{\n{pad}    let _held = {object}.{taken}();\n{steps}{pad}}}\n"),
        }
    }
}

/// Returns whether a step returns from the function of the text.
fn returns(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.does {
        Does::Return(_) => true,
        Does::Scoped(_, steps) | Does::Repeat(_, steps) => returns(steps),
        Does::While { body, .. } | Does::Loop { body, .. } => returns(body),
        Does::If(branches, otherwise) => {
            branches.iter().any(|(_, steps)| returns(steps)) || returns(otherwise)
        }
        Does::Either(_, branches) => branches.iter().any(|steps| returns(steps)),
        _ => false,
    })
}

impl Printer<'_> {
    /// Notes the classes with a lock that only a guard can take.
    pub(super) fn find_guarded(&mut self, steps: &[Step]) {
        for step in steps {
            match &step.does {
                Does::Evaluate(value) | Does::Set(_, value) | Does::Store(_, value) => {
                    self.find_in(value);
                }
                Does::Assert(value, _) | Does::Return(Some(value)) => self.find_in(value),
                Does::Scoped(_, steps) | Does::Repeat(_, steps) => self.find_guarded(steps),
                Does::While { condition, body, .. } => {
                    self.find_in(condition);
                    self.find_guarded(body);
                }
                Does::Loop { body, .. } => self.find_guarded(body),
                Does::If(branches, otherwise) => {
                    for (condition, steps) in branches {
                        self.find_in(condition);
                        self.find_guarded(steps);
                    }
                    self.find_guarded(otherwise);
                }
                Does::Either(_, branches) => {
                    branches.iter().for_each(|steps| self.find_guarded(steps));
                }
                Does::Return(None) | Does::Break | Does::Continue => {}
            }
        }
    }

    fn find_in(&mut self, value: &Value) {
        match value {
            Value::Call(call) => {
                let guarded = match call.row.does {
                    Calls::Nested(_) | Calls::Special(Special::Downgrade) => true,
                    does => does.lock().is_some_and(|lock| {
                        use Way::{DownReadKillable, DownWriteKillable, MutexInterruptible};
                        matches!(
                            lock.way,
                            MutexInterruptible | DownReadKillable | DownWriteKillable
                        )
                    }),
                };
                if let Some(target) = call.target.as_ref().filter(|_| guarded) {
                    self.guarded[target.class] = true;
                }
                call.arguments.iter().for_each(|value| self.find_in(value));
                call.function.iter().for_each(|function| self.find_guarded(&function.steps));
            }
            Value::Inline(inline) => self.find_guarded(&inline.steps),
            Value::Not(inner) | Value::Negative(inner) => self.find_in(inner),
            Value::Binary(_, sides) => {
                self.find_in(&sides.0);
                self.find_in(&sides.1);
            }
            _ => {}
        }
    }
}
