//! `struct completion`: something that happens once, and the wait for it.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::object::Object;
use crate::op::{Op, OpKind, ThreadId};

/// The kernel's `struct completion`, completed for all.
///
/// Unlike on a wait queue, nobody wakes too early. A wait that nobody ends is a deadlock.
///
/// ```
/// # selvedge_core::doctest(|| {
/// use selvedge_core::sync::Completion;
/// let closed = Completion::new("vfio group");
/// closed.complete_all();
/// closed.wait_for_completion();
/// # });
/// ```
pub struct Completion {
    object: Object,
}

impl Completion {
    /// `init_completion`: nothing has happened yet. It is named after what is waited for.
    pub fn new(class: &'static str) -> Self {
        Self { object: Object::new(class, Box::new(State { done: false })) }
    }

    /// `complete_all`: it has happened, for everybody.
    #[track_caller]
    pub fn complete_all(&self) {
        self.object.perform(Op::new(OpKind::CompleteAll), Location::caller());
    }

    /// `wait_for_completion`: sleeps until it has happened.
    #[track_caller]
    pub fn wait_for_completion(&self) {
        self.object.perform(Op::new(OpKind::WaitForCompletion), Location::caller());
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    done: bool,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(op.kind != OpKind::WaitForCompletion || self.done)
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _way: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::CompleteAll => Ok(u64::from(!std::mem::replace(&mut self.done, true))),
            OpKind::WaitForCompletion => Ok(0),
            other => unreachable!("{other} is no operation of a completion"),
        }
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.done));
    }
}
