//! Whether a thread is in a loop in which it comes to nothing new.
//!
//! A loop that waits for a flag by itself has a state for each time that it has looked, so that a
//! search of it has no end. It is told by what it does: the same operations, with the same replies,
//! again and again.

use rustc_hash::FxHashSet;

use crate::op::{ObjectId, Op};

/// Operations of a thread that are not looked at: most threads have no more.
const FIRST: usize = 64;

/// Operations without anything new that make a loop.
const IDLE: usize = 300;

/// What a thread has done and been told since it came to something new.
#[derive(Default)]
pub(crate) struct Rounds {
    operations: usize,
    idle: usize,
    seen: FxHashSet<(ObjectId, Op, u64)>,
}

impl Rounds {
    /// Whether this operation, with this reply, is one more of many in which nothing was new.
    pub(crate) fn idle(&mut self, object: ObjectId, op: Op, reply: u64) -> bool {
        self.operations += 1;
        if self.operations < FIRST {
            return false;
        }
        self.idle = if self.seen.insert((object, op, reply)) { 0 } else { self.idle + 1 };
        self.idle > IDLE
    }
}
