//! What decides which thread runs next.
//!
//! A [`Strategy`] sees the operations that threads have announced, which of them can happen, and
//! (if it asks) the state of the world; it picks one. What runs the threads is an executor: see
//! [`engine`](crate::engine). The two know nothing of each other, so each strategy serves every
//! executor that can say what its threads are about to do.

mod dependency;
mod dpor;
mod happens_before;
mod path;
mod replay;
mod schedule;
mod sleep;
mod stateful;
mod twice;

pub(crate) use dpor::Dpor;
pub(crate) use replay::Replay;
pub(crate) use schedule::Choice;
pub use schedule::{Schedule, ScheduleError};
pub(crate) use sleep::SleepSets;
pub(crate) use stateful::Stateful;
pub(crate) use twice::Twice;

use std::ops::Range;

use crate::op::{ObjectId, Op, ThreadId};
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

/// Whether the state after both is the same in either order: they are on different objects, or
/// change nothing. See [`dependency`] for the relation that traces are made of.
fn independent(one: &Enabled, other: &Enabled) -> bool {
    one.choice.thread != other.choice.thread
        && (one.object != other.object || (one.op.kind.reads() && other.op.kind.reads()))
}

/// A point in an execution at which somebody must be chosen.
pub(crate) trait Point {
    /// Everything that can happen next; empty if nothing can.
    fn enabled(&self) -> &[Enabled];

    /// What has been announced and cannot happen now.
    fn blocked(&self) -> Vec<(ThreadId, ObjectId, Op)>;

    /// The state, exactly: two points with equal keys have the same future.
    fn key(&self) -> Box<[u64]>;
}

/// What an operation turned out to be, with all that its thread did up to its next one.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// What the thread was told.
    pub(crate) reply: u64,
    /// The numbers of the threads that were started.
    pub(crate) born: Range<usize>,
    /// Whether threads were started or objects made.
    pub(crate) makes: bool,
    /// Whether it ended the execution with a violation.
    pub(crate) violated: bool,
}

/// What a strategy wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// This operation happens.
    Take(Choice),
    /// The rest of this execution is of no interest.
    Cut,
}

/// Decides which orderings are explored.
pub(crate) trait Strategy {
    /// Begins the next execution; false when there is none left to explore.
    fn begin(&mut self) -> bool;

    /// The next operation, where the path so far leaves no choice. It is cheaper to check that
    /// one is pending than to look at everything that is.
    fn forced(&mut self) -> Option<Enabled> {
        None
    }

    /// Decides at the next point of the execution.
    fn choose(&mut self, point: &dyn Point) -> Decision;

    /// Hears what became of the operation that was forced or chosen last.
    fn happened(&mut self, _happened: Happened) {}

    /// What has been counted so far; the digest is asked for apart, because it is dear.
    fn certificate(&self) -> Certificate {
        Certificate::default()
    }

    /// A digest of the states that were reached, or of the traces.
    fn digest(&self) -> Option<u64> {
        None
    }

    /// What has been left out, though no execution is left to explore.
    fn unexplored(&self) -> Option<String> {
        None
    }

    /// How many points of the present path have branches left.
    fn frontier(&self) -> Option<u64> {
        None
    }
}
