//! When a search gives up, and how far it has come.

use std::fmt;
use std::num::NonZero;
use std::ops::ControlFlow;

use crate::checkpoint::Checkpoint;
use crate::search::Search;
use crate::shard::Shard;

/// How to search, and when to give up. A limit that is hit makes a verdict inconclusive, never
/// a proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How the native engine searches.
    pub search: Search,
    /// Executions of the native engine.
    pub native_executions: u64,
    /// Operations in one execution of the native engine: a program that never ends is noticed.
    pub native_operations: usize,
    /// Bytes of states that the native engine keeps.
    pub native_memory: u64,
    /// OS threads that the native engine explores with.
    pub jobs: NonZero<usize>,
    /// How many states of one depth make it worth to use another thread.
    pub states_per_thread: usize,
    /// The share of the orderings that [`Search::Dpor`] explores: one machine's of several. What
    /// the shares find adds up to the whole.
    pub shard: Shard,
    /// Executions of loom, over all its runs for one scenario. If none is given, it is the
    /// scenario's own ([`Scenario::loom_executions_max`](crate::Scenario::loom_executions_max)) or else 100,000.
    pub loom_executions: Option<u64>,
    /// Executions of shuttle in search of a proof, and as many again if there is none, half under
    /// each of its own schedulers.
    pub shuttle_executions: u64,
    /// Seed of shuttle's schedulers.
    pub shuttle_seed: u64,
}

impl Default for Limits {
    /// Enough for every scenario of a catalogue that a person waits for: the native engine runs
    /// several 100,000 executions a second, loom some 10,000 and shuttle some 30,000.
    fn default() -> Self {
        Self {
            search: Search::default(),
            native_executions: 50_000_000,
            native_operations: 10_000,
            native_memory: 4 << 30,
            jobs: NonZero::<usize>::MIN,
            states_per_thread: 2_000,
            shard: Shard::WHOLE,
            loom_executions: None,
            shuttle_executions: 20_000,
            shuttle_seed: 0x5E1F_ED6E,
        }
    }
}

/// How far an exploration has come. What an engine does not know is absent.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Executions so far.
    pub executions: u64,
    /// States so far.
    pub states: Option<u64>,
    /// States, or points of an ordering, that have to be gone on from.
    pub frontier: Option<u64>,
    /// Operations from the beginning to where the search is.
    pub depth: Option<usize>,
    /// The part that has been explored, from 0 to 1: of the states that are known so far, or of
    /// the orderings as far as they can be estimated.
    pub explored: Option<f64>,
    /// Bytes of states in memory.
    pub memory: Option<u64>,
    /// Why the search stops now, if it does: a limit, or what the listener has said. What it
    /// says this time is not heard, but it can still put the search aside.
    pub stopping: Option<&'a str>,
    pub(crate) checkpoint: Option<&'a dyn Fn() -> Checkpoint>,
}

impl Progress<'_> {
    pub(crate) fn executions(executions: u64) -> Self {
        Self { executions, ..Self::default() }
    }

    /// Puts the search aside as it is now, if the engine can.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint.map(|make| make())
    }
}

impl fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("executions", &self.executions)
            .field("states", &self.states)
            .field("frontier", &self.frontier)
            .field("depth", &self.depth)
            .field("explored", &self.explored)
            .field("memory", &self.memory)
            .field("stopping", &self.stopping)
            .finish_non_exhaustive()
    }
}

/// Hears of progress, and may stop the exploration with a reason.
pub type Listener<'a> = dyn FnMut(Progress<'_>) -> ControlFlow<String> + 'a;
