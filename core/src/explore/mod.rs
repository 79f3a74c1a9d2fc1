//! What decides which thread runs next.
//!
//! A [`Strategy`] sees the operations that threads have announced and which of them can happen; it
//! picks one. What runs the threads is an executor: see
//! [`engine`](crate::engine). The two know nothing of each other, so each strategy serves every
//! executor that can say what its threads are about to do.

mod dependency;
mod determinism;
mod dpor;
mod happens_before;
mod path;
mod prefix;
mod replay;
mod rounds;
mod sleep_sets;
mod subtrees;

pub(crate) use determinism::DeterminismCheck;
pub(crate) use dpor::{Dpor, SavedDpor};
pub(crate) use prefix::PrefixReplay;
pub(crate) use replay::Replay;
pub(crate) use sleep_sets::SleepSets;
pub(crate) use subtrees::Subtrees;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::cycles::Threads;
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::machine::Ready;
use crate::op::{ObjectId, Op, ThreadId};
use crate::schedule::Choice;

/// An announced operation that can happen now, one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Enabled {
    pub(crate) choice: Choice,
    pub(crate) object: ObjectId,
    pub(crate) op: Op,
    /// Whether it happens even without luck. See [`Ready`].
    pub(crate) guaranteed: bool,
}

impl Enabled {
    /// Each way in which a pending operation that is `ready` like this can happen.
    pub(crate) fn each_outcome(
        thread: ThreadId,
        object: ObjectId,
        op: Op,
        ready: Ready,
    ) -> impl Iterator<Item = Self> {
        (0..ready.guaranteed + ready.optional).map(move |outcome| {
            let choice = Choice { thread, outcome };
            Self { choice, object, op, guaranteed: outcome < ready.guaranteed }
        })
    }
}

/// A point in an execution at which somebody must be chosen.
pub(crate) trait Point {
    /// Everything that can happen next; empty if nothing can.
    fn enabled(&self) -> &[Enabled];

    /// How many threads there are, those that have ended included.
    fn threads(&self) -> usize;

    /// What has been announced and cannot happen now.
    fn blocked(&self) -> Vec<(ThreadId, ObjectId, Op)>;
}

/// What an operation turned out to be, with all that its thread did up to its next one.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// What the thread was told.
    pub(crate) reply: u64,
    /// The numbers of the threads that were started.
    pub(crate) spawned: Range<usize>,
    /// Whether threads were started or objects made.
    pub(crate) creates: bool,
    /// The objects that lived in memory that it released.
    pub(crate) frees: Box<[ObjectId]>,
    /// Whether the thread has come back to where it was.
    pub(crate) round: CameRound,
    /// Whether it ended the execution with a violation.
    pub(crate) violated: bool,
}

/// How far back a thread was where it is again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CameRound {
    /// How many operations ago, but for those of rounds in between; 0 if it is not.
    pub(crate) operations: u32,
    /// Whether it polls, and has not seen what it polls for.
    pub(crate) polls: bool,
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

    /// How many steps this execution has in common with the one before, which had `known` steps.
    /// An executor that can go back goes on from there, and does not ask for these steps or tell
    /// of them again.
    fn unchanged(&mut self, _known: usize) -> usize {
        0
    }

    /// The next operation, where the path so far leaves no choice. It is cheaper to check that
    /// one is pending than to look at everything that is.
    fn forced(&mut self) -> Option<Enabled> {
        None
    }

    /// Decides at the next point of the execution.
    fn choose(&mut self, point: &dyn Point) -> Decision;

    /// Hears what became of the operation that was forced or chosen last.
    fn happened(&mut self, _happened: Happened) {}

    /// Of whom it is known that they wait for good where the execution is cut, if it is asked who
    /// waits there.
    fn waiting(&self) -> Option<Threads> {
        None
    }

    /// If everybody who could go on without luck would only go round in vain at the point at which it
    /// was decided last: those of them that poll.
    fn goes_round(&self) -> Option<Threads> {
        None
    }

    /// What has been counted so far; the digest is asked for apart, because it is dear.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// A digest of what was counted.
    fn digest(&self) -> Option<u64> {
        None
    }

    /// What has been left out, though no execution is left to explore.
    fn unexplored(&self) -> Option<Incomplete> {
        None
    }
}
