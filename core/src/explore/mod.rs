//! What decides which thread runs next.
//!
//! A [`Strategy`] sees the operations that threads have announced, which of them can happen, and
//! (if it asks) the state of the world; it picks one. What runs the threads is an executor: see
//! [`engine`](crate::engine). The two know nothing of each other, so each strategy serves every
//! executor that can say what its threads are about to do.

mod replay;
mod schedule;
mod sleep;
mod stateful;

pub(crate) use replay::Replay;
pub(crate) use schedule::Choice;
pub use schedule::{Schedule, ScheduleError};
pub(crate) use sleep::SleepSets;
pub(crate) use stateful::Stateful;

use crate::op::{ObjectId, Op};
use crate::verdict::Certificate;

/// An announced operation that can happen now, one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Enabled {
    pub(crate) choice: Choice,
    pub(crate) object: ObjectId,
    pub(crate) op: Op,
    /// Whether it happens even without luck. See [`Ready`](crate::machine::Ready).
    pub(crate) sure: bool,
}

/// A point in an execution at which somebody must be chosen.
pub(crate) trait Point {
    /// Everything that can happen next; empty if nothing can.
    fn enabled(&self) -> &[Enabled];

    /// The state, exactly: two points with equal keys have the same future.
    fn key(&self) -> Box<[u64]>;
}

/// What a strategy wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// This operation happens.
    Take(Choice),
    /// The rest of this execution is of no interest.
    Cut,
    /// The program did something else than the last time it was given the same choices.
    Diverged,
}

/// Decides which orderings are explored.
pub(crate) trait Strategy {
    /// Begins the next execution; false when there is none left to explore.
    fn begin(&mut self) -> bool;

    /// Decides at the next point of the execution.
    fn choose(&mut self, point: &dyn Point) -> Decision;

    /// What has been counted so far; the digest is asked for apart, because it is dear.
    fn certificate(&self) -> Certificate {
        Certificate::default()
    }

    /// A digest of the states that were reached.
    fn digest(&self) -> Option<u64> {
        None
    }

    /// How many points of the present path have branches left.
    fn frontier(&self) -> Option<u64> {
        None
    }
}
