//! When a search gives up, and how far it has come.

use std::fmt;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::checkpoint::Checkpoint;
use crate::incomplete::Incomplete;
use crate::search::Search;
use crate::shard::Shard;

/// How to search, and when to give up. A limit that is reached makes a verdict inconclusive, never
/// a proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How the native engine searches.
    pub(crate) search: Search,
    /// Executions; each engine has its own default.
    pub(crate) executions: Option<u64>,
    /// Operations in one execution of the native engine.
    pub(crate) operations: usize,
    /// Bytes of states that the native engine keeps.
    pub(crate) memory: u64,
    /// OS threads that the native engine explores with.
    pub(crate) jobs: NonZero<usize>,
    /// How many states of one depth make another OS thread worth its while.
    pub(crate) states_per_thread: usize,
    /// The shard of the interleavings that [`Search::Dpor`] explores.
    pub(crate) shard: Shard,
    /// Seed of shuttle's random schedulers.
    pub(crate) seed: u64,
    /// When the search has to end, and after how long that is.
    pub(crate) deadline: Option<(Instant, Duration)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            search: Search::default(),
            executions: None,
            operations: 10_000,
            memory: 4 << 30,
            jobs: NonZero::<usize>::MIN,
            states_per_thread: 2_000,
            shard: Shard::WHOLE,
            seed: 0x5E1F_ED6E,
            deadline: None,
        }
    }
}

impl Limits {
    /// Returns the number of executions of the native engine before it gives up.
    pub(crate) fn native_executions(&self) -> u64 {
        self.executions.unwrap_or(50_000_000)
    }

    /// Returns the reason to stop if the time is up.
    pub(crate) fn time_is_up(&self) -> Option<Incomplete> {
        let (deadline, limit) = self.deadline?;
        (Instant::now() >= deadline).then_some(Incomplete::Time { limit })
    }
}

/// How far an exploration has got. What an engine does not know is absent.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Executions so far.
    pub executions: u64,
    /// States so far.
    pub states: Option<u64>,
    /// States that have not been expanded yet, or points of the present interleaving with branches
    /// that have not been explored.
    pub frontier: Option<u64>,
    /// Operations from the beginning to where the search is.
    pub depth: Option<usize>,
    /// The explored part, from 0 to 1: of the states that are known so far, or of an estimate of
    /// the interleavings.
    pub explored: Option<f64>,
    /// Bytes of states in memory.
    pub memory: Option<u64>,
    /// The reason why the search stops now, if it does. What the listener returns this time is
    /// ignored, but it can still take a checkpoint.
    pub stopping: Option<&'a Incomplete>,
    pub(crate) checkpoint: Option<&'a dyn Fn() -> Checkpoint>,
}

impl Progress<'_> {
    pub(crate) fn executions(executions: u64) -> Self {
        Self { executions, ..Self::default() }
    }

    /// Returns the search as it is now, to be resumed later; `None` if the engine cannot.
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

/// A function that is called with the progress of a search, and may stop it.
pub(crate) type Listener<'a> = dyn FnMut(Progress<'_>) -> ControlFlow<Incomplete> + 'a;
