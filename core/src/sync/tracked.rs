//! Objects that can be released, and whoever touches them too late.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::object::Object;
use crate::op::{Op, OpKind, ThreadId};

/// A heap object of the driver: allocated when it is made, freed by
/// [`release`](Self::release).
///
/// A touch after the release, a second release, and an object that is never released are
/// violations that name the object. The value itself stays readable, because the model's memory
/// is not the driver's; what is in it may change only through primitives.
pub struct Tracked<T = ()> {
    object: Object,
    value: T,
}

impl<T> Tracked<T> {
    /// `kzalloc` of an object named `class`.
    pub fn new(class: &'static str, value: T) -> Self {
        Self { object: Object::new(class, Box::new(State { released: false })), value }
    }

    /// Follows a pointer to the object.
    #[track_caller]
    pub fn get(&self) -> &T {
        self.object.perform(Op::new(OpKind::Use), Location::caller());
        &self.value
    }

    /// `kfree`.
    #[track_caller]
    pub fn release(&self) {
        self.object.perform(Op::new(OpKind::Release), Location::caller());
    }
}

impl<T> fmt::Debug for Tracked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    released: bool,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _way: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::Use if self.released => Err(Fault::UseAfterRelease),
            OpKind::Use => Ok(0),
            OpKind::Release if self.released => Err(Fault::DoubleRelease),
            OpKind::Release => {
                self.released = true;
                Ok(0)
            }
            other => unreachable!("{other} is no operation of a tracked object"),
        }
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.released));
    }

    fn left_behind(&self) -> bool {
        !self.released
    }
}
