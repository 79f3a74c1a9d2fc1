//! Detection of threads in a loop without new observations.
//!
//! A loop that waits for a flag on its own has a state for each time that it has looked, so a
//! search of it has no end. It is recognised by its operations: the same ones, with the same
//! replies, repeatedly.

use rustc_hash::FxHashSet;

use crate::op::{ObjectId, Op};

use super::Execution;

/// The first operations of a thread, which are not examined: most threads have no more.
const FIRST: usize = 64;

/// The number of operations without anything new that make a loop.
const IDLE: usize = 300;

/// The operations and replies of a thread since its last new one.
#[derive(Default)]
pub(crate) struct Rounds {
    operations: usize,
    idle: usize,
    seen: FxHashSet<(ObjectId, Op, u64)>,
}

impl Rounds {
    /// Returns whether this operation, with this reply, is one more of many in which nothing was
    /// new.
    pub(crate) fn idle(&mut self, object: ObjectId, op: Op, reply: u64) -> bool {
        self.operations += 1;
        if self.operations < FIRST {
            return false;
        }
        self.idle = if self.seen.insert((object, op, reply)) { 0 } else { self.idle + 1 };
        self.idle > IDLE
    }
}

impl Execution {
    /// Returns the loop that a thread does not seem to leave, if an execution has shown one.
    pub(crate) fn spins(&self) -> Option<String> {
        self.spins.borrow().clone()
    }
}
