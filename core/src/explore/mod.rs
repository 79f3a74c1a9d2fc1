//! Strategies, which decide the thread that runs next.
//!
//! A [`Strategy`] sees the operations that threads have announced and which of them can happen, and
//! picks one. An executor runs the threads: see [`engine`](crate::engine). The two are independent,
//! so each strategy serves every executor that can report the next operations of its threads.

mod alone;
mod dependency;
mod determinism;
mod dpor;
mod equivalent;
mod happens_before;
mod path;
mod prefix;
mod replay;
mod rounds;
mod sleep_sets;
mod subtrees;

pub(crate) use alone::Alone;
pub(crate) use determinism::DeterminismCheck;
pub(crate) use dpor::{Dpor, SavedDpor};
pub(crate) use equivalent::Recorder;
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

/// An announced operation that can happen now, with one outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Enabled {
    pub(crate) choice: Choice,
    pub(crate) object: ObjectId,
    pub(crate) op: Op,
    /// Whether the outcome is guaranteed. See [`Ready`].
    pub(crate) guaranteed: bool,
}

impl Enabled {
    /// Enumerates the outcomes of a pending operation that is `ready` like this.
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

/// A point in an execution at which a thread must be chosen.
pub(crate) trait Point {
    /// Returns everything that can happen next, or nothing if no operation can.
    fn enabled(&self) -> &[Enabled];

    /// Returns the number of threads, including those that have ended.
    fn threads(&self) -> usize;

    /// Returns the operations that have been announced and cannot happen now.
    fn blocked(&self) -> Vec<(ThreadId, ObjectId, Op)>;
}

/// The effect of an operation, with all that its thread did up to its next one.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// The observation of the thread.
    pub(crate) reply: u64,
    /// The numbers of the threads that were started.
    pub(crate) spawned: Range<usize>,
    /// Whether threads were started or objects created.
    pub(crate) creates: bool,
    /// The objects that lived in memory that it released.
    pub(crate) frees: Box<[ObjectId]>,
    /// Whether the thread has returned to an earlier local state.
    pub(crate) round: CameRound,
    /// Whether a memory observes in which order operations on an object happen.
    pub(crate) ordered: bool,
    /// Whether it ended the execution with a violation.
    pub(crate) violated: bool,
}

/// The distance to the point at which a thread had its present local state before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CameRound {
    /// The number of operations since then, without those of rounds in between; 0 if there was
    /// none.
    pub(crate) operations: u32,
    /// Whether the thread polls, and has not seen what it polls for.
    pub(crate) polls: bool,
}

/// A decision of a strategy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// This operation happens.
    Take(Choice),
    /// The rest of this execution is not needed.
    Cut,
}

/// A strategy, which decides the interleavings that are explored.
pub(crate) trait Strategy {
    /// Begins the next execution. Returns false if there is none left to explore.
    fn begin(&mut self) -> bool;

    /// Returns the number of steps that this execution has in common with the one before, which had
    /// `known` steps. An executor that can backtrack continues from there, and neither asks for
    /// these steps nor reports them again.
    fn unchanged(&mut self, _known: usize) -> usize {
        0
    }

    /// Returns the next operation, where the path so far leaves no choice. It is cheaper to check
    /// that one is pending than to examine all that are.
    fn forced(&mut self) -> Option<Enabled> {
        None
    }

    /// Decides at the next point of the execution.
    fn choose(&mut self, point: &dyn Point) -> Decision;

    /// Receives the effect of the operation that was forced or chosen last.
    fn happened(&mut self, _happened: Happened) {}

    /// Returns the threads that are known to wait for good where the execution is cut, for a caller
    /// that asks who waits there.
    fn waiting(&self) -> Option<Threads> {
        None
    }

    /// At the last point decided: if every thread with a guaranteed outcome would only repeat a
    /// round in vain, returns those of them that poll.
    fn goes_round(&self) -> Option<Threads> {
        None
    }

    /// Returns the counts so far. The digest is separate, because it is expensive.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// Returns a digest of the counts.
    fn digest(&self) -> Option<u64> {
        None
    }

    /// Returns what was left out, though no execution is left to explore.
    fn unexplored(&self) -> Option<Incomplete> {
        None
    }
}
