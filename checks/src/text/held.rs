//! Which locks a thread holds where, as far as the text alone tells.

use super::calls::{Does as Calls, Lock};
use super::error::Wrong;
use super::program::{Call, Does, Inline, Program, Step, Value};
use super::tree::{Operator, Span};

/// Refuses an unlock of what cannot be held.
pub(crate) fn check(program: &Program) -> Result<(), Wrong> {
    for body in program.bodies.iter().chain(&program.finally) {
        let mut checker = Checker { wrong: None, leaves: Vec::new(), returns: Vec::new() };
        checker.steps(&body.steps, State::default());
        if let Some(wrong) = checker.wrong {
            return Err(wrong);
        }
    }
    Ok(())
}

/// A lock that a thread holds.
#[derive(Clone, PartialEq, Debug)]
struct Held {
    /// The lock, as the text has it.
    lock: String,
    class: usize,
    release: &'static str,
    taken: Span,
    by: &'static str,
    /// Whether it is held on each path to here.
    surely: bool,
    /// Where it was released, so that it is not held any more.
    released: Option<Span>,
}

impl Held {
    fn is(&self, lock: &str) -> bool {
        self.lock == lock && self.released.is_none()
    }
}

/// What a thread holds at a place that it can reach.
type Locks = Vec<Held>;

/// What it holds, or nothing if it does not get there.
#[derive(Clone, Debug)]
struct State(Option<Locks>);

impl Default for State {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl State {
    const NOWHERE: Self = Self(None);

    /// Returns what is held where two paths meet.
    fn join(self, other: Self) -> Self {
        let (Some(mine), Some(theirs)) = (self.0.clone(), other.0.clone()) else {
            return Self(self.0.or(other.0));
        };
        let same = |a: &Held, b: &Held| {
            let still = a.released.is_none() == b.released.is_none();
            a.lock == b.lock && a.release == b.release && still
        };
        let mut all = mine.clone();
        for held in &mut all {
            held.surely &= theirs.iter().any(|other| same(held, other) && other.surely);
        }
        for held in theirs {
            if !mine.iter().any(|other| same(&held, other)) {
                all.push(Held { surely: false, ..held });
            }
        }
        Self(Some(all))
    }
}

struct Checker {
    wrong: Option<Wrong>,
    /// The states at the ends of the loops that are open.
    leaves: Vec<State>,
    /// The states at the returns of the functions that are open.
    returns: Vec<State>,
}

impl Checker {
    fn steps(&mut self, steps: &[Step], state: State) -> State {
        steps.iter().fold(state, |state, step| self.step(step, state))
    }

    fn step(&mut self, step: &Step, state: State) -> State {
        match &step.does {
            Does::Evaluate(value) | Does::Set(_, value) | Does::Store(_, value) => {
                self.value(value, state)
            }
            Does::Scoped(call, steps) => {
                let state = self.call(call, state);
                // The guard releases it, however the block is left.
                let after = self.steps(steps, state);
                let lock = call.target.as_ref().map(|target| target.text.clone());
                State(after.0.map(|mut locks| {
                    let is = |held: &Held| lock.as_ref().is_some_and(|lock| held.is(lock));
                    let at = locks.iter().rposition(is);
                    at.map(|at| locks.remove(at));
                    locks
                }))
            }
            Does::If(branches, otherwise) => {
                let mut state = state;
                let mut ends = State::NOWHERE;
                for (condition, steps) in branches {
                    let (then, not) = self.condition(condition, state);
                    let end = self.steps(steps, then);
                    ends = ends.join(end);
                    state = not;
                }
                let end = self.steps(otherwise, state);
                ends.join(end)
            }
            Does::While { condition, body, .. } => {
                let (then, not) = self.condition(condition, state);
                self.leaves.push(State::NOWHERE);
                let round = self.steps(body, then);
                let (_, again) = self.condition(condition, round);
                let left = self.leaves.pop().unwrap_or(State::NOWHERE);
                not.join(again).join(left)
            }
            Does::Loop { body, is_left, .. } => {
                self.leaves.push(State::NOWHERE);
                self.steps(body, state);
                let left = self.leaves.pop().unwrap_or(State::NOWHERE);
                if *is_left { left } else { State::NOWHERE }
            }
            Does::Repeat(_, body) => {
                self.leaves.push(State::NOWHERE);
                let end = self.steps(body, state);
                end.join(self.leaves.pop().unwrap_or(State::NOWHERE))
            }
            Does::Either(_, branches) => branches.iter().fold(State::NOWHERE, |ends, branch| {
                let end = self.steps(branch, state.clone());
                ends.join(end)
            }),
            Does::Assert(condition, _) => self.value(condition, state),
            Does::Return(value) => {
                let state = value.iter().fold(state, |state, value| self.value(value, state));
                if let Some(returns) = self.returns.last_mut() {
                    *returns = std::mem::replace(returns, State::NOWHERE).join(state);
                }
                State::NOWHERE
            }
            Does::Break | Does::Continue => {
                if let Some(leaves) = self.leaves.last_mut() {
                    *leaves = std::mem::replace(leaves, State::NOWHERE).join(state);
                }
                State::NOWHERE
            }
        }
    }

    /// Returns what is held if the value is not 0, and if it is.
    fn condition(&mut self, value: &Value, state: State) -> (State, State) {
        match value {
            Value::Not(inner) => {
                let (then, not) = self.condition(inner, state);
                (not, then)
            }
            Value::Number(number) => match number {
                0 => (State::NOWHERE, state),
                _ => (state, State::NOWHERE),
            },
            Value::Binary(Operator::And, sides) => {
                let (then, not) = self.condition(&sides.0, state);
                let (both, second) = self.condition(&sides.1, then);
                (both, not.join(second))
            }
            Value::Binary(Operator::Or, sides) => {
                let (then, not) = self.condition(&sides.0, state);
                let (second, neither) = self.condition(&sides.1, not);
                (then.join(second), neither)
            }
            Value::Call(call) => match call.row.does {
                Calls::Try(lock, taken) => {
                    let got = self.take(call, lock, state.clone());
                    if taken == 0 { (state, got) } else { (got, state) }
                }
                _ => {
                    let state = self.call(call, state);
                    (state.clone(), state)
                }
            },
            other => {
                let state = self.value(other, state);
                (state.clone(), state)
            }
        }
    }

    fn value(&mut self, value: &Value, state: State) -> State {
        match value {
            Value::Number(_) | Value::Variable(_) | Value::Instance | Value::Load(_) => state,
            Value::Call(call) => self.call(call, state),
            Value::Inline(inline) => self.inline(inline, state),
            Value::Not(inner) | Value::Negative(inner) => self.value(inner, state),
            Value::Binary(..) => {
                let (then, not) = match value {
                    Value::Binary(Operator::And | Operator::Or, _) => self.condition(value, state),
                    Value::Binary(_, sides) => {
                        let state = self.value(&sides.0, state);
                        (self.value(&sides.1, state), State::NOWHERE)
                    }
                    _ => unreachable!("matched before"),
                };
                then.join(not)
            }
        }
    }

    fn inline(&mut self, inline: &Inline, state: State) -> State {
        let arguments = inline.arguments.iter();
        let state = arguments.fold(state, |state, (_, value)| self.value(value, state));
        self.returns.push(State::NOWHERE);
        let end = self.steps(&inline.steps, state);
        end.join(self.returns.pop().unwrap_or(State::NOWHERE))
    }

    fn call(&mut self, call: &Call, state: State) -> State {
        let state = match &call.function {
            Some(function) => {
                let called = self.inline(function, state.clone());
                called.join(state)
            }
            None => call.arguments.iter().fold(state, |state, value| self.value(value, state)),
        };
        match call.row.does {
            Calls::Take(lock) | Calls::Nested(lock) => self.take(call, lock, state),
            Calls::Try(lock, _) => {
                let got = self.take(call, lock, state.clone());
                got.join(state)
            }
            Calls::Release(_) => self.release(call, state),
            _ if call.row.name == "downgrade_write" => self.downgrade(call, state),
            _ => state,
        }
    }

    fn take(&mut self, call: &Call, lock: Lock, state: State) -> State {
        let Some(target) = &call.target else { return state };
        State(state.0.map(|mut locks| {
            locks.retain(|held| held.released.is_none() || held.lock != target.text);
            locks.push(Held {
                lock: target.text.clone(),
                class: target.class,
                release: lock.release,
                taken: call.span.clone(),
                by: call.row.name,
                surely: true,
                released: None,
            });
            locks
        }))
    }

    fn downgrade(&mut self, call: &Call, state: State) -> State {
        State(state.0.map(|mut locks| {
            let lock = call.target.as_ref().map_or("", |target| &target.text);
            for held in locks.iter_mut().filter(|held| held.is(lock)) {
                held.release = "up_read";
            }
            locks
        }))
    }

    fn release(&mut self, call: &Call, state: State) -> State {
        let (Some(mut locks), Some(target)) = (state.0, &call.target) else {
            return State::NOWHERE;
        };
        let fits = |held: &Held| held.is(&target.text) && held.release == call.row.name;
        if let Some(at) = locks.iter().rposition(fits) {
            locks[at].released = Some(call.span.clone());
            return State(Some(locks));
        }
        // Any thread may release a semaphore.
        if call.row.name == "up" {
            return State(Some(locks));
        }
        // Another name of an element of an array may stand for the same lock.
        let is_array = target.index.is_some();
        let maybe = |held: &Held| {
            held.class == target.class && held.release == call.row.name && held.released.is_none()
        };
        if let Some(at) = locks.iter().rposition(maybe).filter(|_| is_array) {
            locks.remove(at);
            return State(Some(locks));
        }
        self.wrong.get_or_insert_with(|| not_held(call, &target.text, &locks));
        State(Some(locks))
    }
}

fn not_held(call: &Call, lock: &str, locks: &[Held]) -> Wrong {
    if let Some(held) = locks.iter().rfind(|held| held.is(lock)) {
        let what = format!("`{}` does not release what `{}` takes", call.row.name, held.by);
        return Wrong::new(&call.span, what)
            .label(format!("write {}({lock})", held.release))
            .note(&held.taken, format!("`{lock}` is taken here"));
    }
    let mut wrong = Wrong::new(&call.span, format!("`{lock}` is not held here"));
    let before = locks.iter().rfind(|held| held.lock == lock);
    if let Some(released) = before.and_then(|held| held.released.as_ref()) {
        wrong = wrong.note(released, format!("`{lock}` is released here"));
    }
    let held = locks.iter().filter(|held| held.released.is_none());
    let names: Vec<String> = held.map(|held| format!("{}({})", held.release, held.lock)).collect();
    match names.as_slice() {
        [] => wrong.label("the thread holds nothing here"),
        names => wrong.label(format!("held here, so possible: {}", names.join(", "))),
    }
}
