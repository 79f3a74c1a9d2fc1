//! A choice that the program does not make.

use std::fmt;
use std::num::NonZero;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

/// A nondeterministic choice: every engine explores each of its outcomes.
///
/// It stands for what the model leaves open, such as whether an allocation fails or what a device
/// answers. On plain threads it is random, and in a `loom::model` of one's own it is 0.
///
/// ```
/// use selvedge_core::sync::Choice;
/// use selvedge_core::{Engine, Scenario, ViolationKind};
///
/// Scenario::builder("example/kzalloc", || Choice::new("kzalloc fails"))
///     .thread("probe", |fails| assert_eq!(fails.choose(2), 0, "the error path"))
///     .build()
///     .verify(Engine::Native);
/// ```
pub struct Choice {
    object: Object,
}

impl Choice {
    /// Creates a choice, named after what is chosen.
    pub fn new(name: impl Into<Name>) -> Self {
        Self { object: Object::new(name, Box::new(Outcomes)) }
    }

    /// Returns a number below `outcomes`.
    ///
    /// # Panics
    ///
    /// If `outcomes` is 0.
    #[track_caller]
    pub fn choose(&self, outcomes: u8) -> u8 {
        let outcomes = NonZero::new(outcomes).expect("a choice has an outcome");
        let op = Op::with(OpKind::Choose, u64::from(outcomes.get()));
        self.object.perform(op, Location::caller()) as u8
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice").field("object", &self.object).finish_non_exhaustive()
    }
}

/// The state machine of a choice, which has no state.
#[derive(Clone)]
struct Outcomes;

impl Machine for Outcomes {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready { guaranteed: op.a as u8, optional: 0 }
    }

    fn apply(&mut self, _me: ThreadId, _op: Op, outcome: u8) -> Result<u64, Fault> {
        Ok(u64::from(outcome))
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, _key: &mut Vec<u64>) {}
}
