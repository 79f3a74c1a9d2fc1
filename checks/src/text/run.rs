//! The interpreter.

use std::cell::RefCell;

use selvedge_core::{Name, forever, function, invariant_broken, poll, source_line};

use super::guard::{Guard, Hold};
use super::object::Object;
use super::program::{Does, Inline, Program, Rounds, Step, Steps, Target, Value};
use super::tree::Operator;
use super::world::World;

/// What follows a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    Next,
    Break,
    Continue,
    Return(i64),
}

/// A run of a body.
pub(super) struct Frame<'w> {
    pub(super) world: &'w World,
    pub(super) program: &'w Program,
    /// The number of the thread among its instances.
    instance: i64,
    variables: RefCell<Vec<i64>>,
    pub(super) held: RefCell<Vec<Hold<'w>>>,
    pub(super) flags: RefCell<Vec<selvedge_core::sync::IrqFlags>>,
}

/// Runs a body: what a thread, a work, a timer or an interrupt does.
pub(crate) fn body(world: &World, number: usize, instance: i64) {
    run(world, &world.program.bodies[number], instance);
}

/// Runs the final check.
pub(crate) fn finally(world: &World) {
    for body in &world.program.finally {
        run(world, body, 0);
    }
    world.release_rest();
}

fn run(world: &World, body: &super::program::Body, instance: i64) {
    let frame = Frame {
        world,
        program: &world.program,
        instance,
        variables: RefCell::new(vec![0; body.variables.len()]),
        held: RefCell::default(),
        flags: RefCell::default(),
    };
    frame.steps(&body.steps);
    // A lock that is still held is a leak, and not released by the end of the thread.
    for hold in frame.held.take() {
        std::mem::forget(hold);
    }
}

impl<'w> Frame<'w> {
    fn steps(&self, steps: &'w Steps) -> Flow {
        for step in steps {
            let flow = self.step(step);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    fn step(&self, step: &'w Step) -> Flow {
        let _line = source_line(self.program.file, step.line);
        step.reach();
        match &step.does {
            Does::Evaluate(value) => _ = self.value(value),
            Does::Set(slot, value) => {
                let value = self.value(value);
                self.variables.borrow_mut()[*slot] = value;
            }
            Does::Store(target, value) => self.store(target, self.value(value)),
            Does::Scoped(call, steps) => {
                self.call(call);
                let flow = self.steps(steps);
                self.release_scoped(call);
                return flow;
            }
            Does::If(branches, otherwise) => return self.conditional(branches, otherwise),
            Does::While { condition, body, rounds } => {
                return self.repeated(Some(condition), body, *rounds);
            }
            Does::Loop { body, is_left: true, rounds } => {
                return self.repeated(None, body, *rounds);
            }
            Does::Loop { body, .. } => forever(|| _ = self.steps(body)),
            Does::Repeat(times, body) => return self.times(*times, body),
            Does::Either(choice, branches) => {
                let count = u8::try_from(branches.len()).unwrap_or(u8::MAX);
                let chosen = self.object(choice).choice().choose(count);
                return self.steps(&branches[usize::from(chosen)]);
            }
            Does::Assert(condition, text) => {
                if self.value(condition) == 0 {
                    invariant_broken(text, "the assertion does not hold");
                }
            }
            Does::Return(value) => {
                return Flow::Return(value.as_ref().map_or(0, |value| self.value(value)));
            }
            Does::Break => return Flow::Break,
            Does::Continue => return Flow::Continue,
        }
        Flow::Next
    }

    fn conditional(&self, branches: &'w [(Value, Steps)], otherwise: &'w Steps) -> Flow {
        let taken = branches.iter().find(|(condition, _)| self.value(condition) != 0);
        self.steps(taken.map_or(otherwise, |(_, steps)| steps))
    }

    /// Runs a loop that is left when its condition does not hold, or by a step of it.
    fn repeated(&self, condition: Option<&'w Value>, body: &'w Steps, rounds: Rounds) -> Flow {
        let round = || {
            if condition.is_some_and(|condition| self.value(condition) == 0) {
                return Some(Flow::Next);
            }
            match self.steps(body) {
                Flow::Next | Flow::Continue => None,
                Flow::Break => Some(Flow::Next),
                flow @ Flow::Return(_) => Some(flow),
            }
        };
        match rounds {
            Rounds::Polls(what) => poll(what, round),
            Rounds::Works => selvedge_core::rounds(round),
            Rounds::Carry => loop {
                if let Some(flow) = round() {
                    return flow;
                }
            },
        }
    }

    fn times(&self, times: i64, body: &'w Steps) -> Flow {
        for _ in 0..times {
            match self.steps(body) {
                Flow::Next | Flow::Continue => {}
                Flow::Break => break,
                flow @ Flow::Return(_) => return flow,
            }
        }
        Flow::Next
    }

    pub(super) fn value(&self, value: &'w Value) -> i64 {
        match value {
            Value::Number(number) => *number,
            Value::Variable(slot) => self.variables.borrow()[*slot],
            Value::Instance => self.instance,
            Value::Load(target) => match self.object(target) {
                Object::Plain(plain) => plain.read(),
                Object::Pointer(pointer) => pointer.value.load(),
                int => int.int().load(),
            },
            Value::Call(call) => self.call(call),
            Value::Inline(inline) => self.inline(inline),
            Value::Not(inner) => i64::from(self.value(inner) == 0),
            Value::Negative(inner) => self.value(inner).wrapping_neg(),
            Value::Binary(operator, sides) => self.binary(*operator, sides),
        }
    }

    fn binary(&self, operator: Operator, (left, right): &'w (Value, Value)) -> i64 {
        let left = self.value(left);
        match operator {
            Operator::Or if left != 0 => return 1,
            Operator::And if left == 0 => return 0,
            _ => {}
        }
        let right = self.value(right);
        match operator {
            Operator::Or | Operator::And => i64::from(right != 0),
            Operator::Equal => i64::from(left == right),
            Operator::Different => i64::from(left != right),
            Operator::Less => i64::from(left < right),
            Operator::LessEqual => i64::from(left <= right),
            Operator::Greater => i64::from(left > right),
            Operator::GreaterEqual => i64::from(left >= right),
            Operator::Plus => left.wrapping_add(right),
            Operator::Minus => left.wrapping_sub(right),
            Operator::Times => left.wrapping_mul(right),
        }
    }

    fn store(&self, target: &'w Target, value: i64) {
        match self.object(target) {
            Object::Plain(plain) => plain.write(value),
            Object::Pointer(pointer) => pointer.value.store(value),
            int => int.int().store(value),
        }
    }

    pub(super) fn inline(&self, inline: &'w Inline) -> i64 {
        let arguments: Vec<i64> =
            inline.arguments.iter().map(|(_, value)| self.value(value)).collect();
        for ((slot, _), value) in inline.arguments.iter().zip(arguments) {
            self.variables.borrow_mut()[*slot] = value;
        }
        let _function = function(Name::from(inline.name).as_str());
        match self.steps(&inline.steps) {
            Flow::Return(value) => value,
            _ => 0,
        }
    }

    /// Returns the number of an object.
    pub(super) fn number(&self, target: &'w Target) -> usize {
        let class = &self.program.classes[target.class];
        let index = target.index.as_ref().map_or(0, |index| self.value(index));
        let index = usize::try_from(index).ok().filter(|index| *index < class.count);
        match index {
            Some(index) => class.first + index,
            None => panic!("{}: there is no such object", target.text),
        }
    }

    pub(super) fn object(&self, target: &'w Target) -> &'w Object {
        self.world.object(self.number(target))
    }

    /// Notes that the thread holds a lock.
    pub(super) fn hold(&self, object: usize, guard: Guard<'w>) {
        self.held.borrow_mut().push(Hold { object, guard });
    }
}
