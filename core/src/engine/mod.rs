//! What runs a scenario over schedules.
//!
//! | engine | runs threads on | explores | a proof means |
//! |---|---|---|---|
//! | [`Native`](Engine::Native) | coroutines of its own | every state, breadth first | every ordering, sequentially consistent |
//! | [`Loom`](Engine::Loom) | loom 0.7 | loom's own search | loom completed its search |
//! | [`Shuttle`](Engine::Shuttle) | shuttle 0.9 | every trace by source-DPOR, if they are few enough; or else random and PCT schedules | every ordering, sequentially consistent |
//!
//! shuttle's search is the native engine's [`Search::Dpor`] on other threads: an ordering that one
//! of them runs wrongly shows as a difference of the two. All of them take the same scenarios,
//! report violations by the same names, and write schedules that the native engine replays.

#[cfg(feature = "loom")]
mod loom;
pub(crate) mod native;
pub(crate) mod panics;
#[cfg(feature = "shuttle")]
mod shuttle;

use std::fmt;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::explore::{Schedule, Shard};
use crate::observe::Trace;
use crate::scenario::Scenario;
use crate::verdict::{Counterexample, Report};

/// An engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Engine {
    /// Selvedge's own explorer.
    Native,
    /// loom, in builds with the feature `loom`.
    Loom,
    /// shuttle, in builds with the feature `shuttle`.
    Shuttle,
}

impl Engine {
    /// Every engine of this build.
    pub const ALL: &'static [Self] = &[
        Self::Native,
        #[cfg(feature = "loom")]
        Self::Loom,
        #[cfg(feature = "shuttle")]
        Self::Shuttle,
    ];

    /// `native`, `loom` or `shuttle`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
        }
    }

    /// Whether accesses that ask for less than sequential consistency can get less.
    pub(crate) fn has_weak_memory(self) -> bool {
        self == Self::Loom
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no engine's or no search's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownName {
    name: String,
    what: &'static str,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no {}; this build has {}", self.name, self.what, self.known.join(", "))
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for Engine {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let engine = Self::ALL.iter().copied().find(|engine| engine.as_str() == name);
        engine.ok_or_else(|| UnknownName {
            name: name.to_owned(),
            what: "engine",
            known: Self::ALL.iter().map(|engine| engine.as_str()).collect(),
        })
    }
}

impl FromStr for Search {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let search = Self::ALL.iter().copied().find(|search| search.as_str() == name);
        search.ok_or_else(|| UnknownName {
            name: name.to_owned(),
            what: "search",
            known: Self::ALL.iter().map(|search| search.as_str()).collect(),
        })
    }
}

/// How the native engine searches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Search {
    /// [`Reduced`](Self::Reduced), and if that refutes, [`Census`](Self::Census), so that every
    /// kind of violation is found.
    #[default]
    Stateful,
    /// Every reachable state that matters, by state matching with one reduction; quick where
    /// threads share locks. It finds every deadlock and every final state, and a violation if
    /// there is one, but not every kind of violation.
    Reduced,
    /// Every reachable state, and every transition of it.
    Census,
    /// Every reachable state, until the first violation: its schedule is a shortest of all that
    /// violate anything.
    Shortest,
    /// Every Mazurkiewicz trace once, by sleep sets alone: the reference for [`Dpor`](Self::Dpor).
    SleepSets,
    /// Every Mazurkiewicz trace once, by source-DPOR. Compares no states and remembers nothing but
    /// the present execution, so it is an independent second opinion; for programs that have
    /// fewer traces than states. If a violation stops it, [`Census`](Self::Census) finds the rest.
    Dpor,
}

impl Search {
    /// Every search.
    pub const ALL: &'static [Self] =
        &[Self::Stateful, Self::Reduced, Self::Census, Self::Shortest, Self::SleepSets, Self::Dpor];

    /// `stateful`, `reduced`, `census`, `shortest`, `sleep-sets` or `dpor`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stateful => "stateful",
            Self::Reduced => "reduced",
            Self::Census => "census",
            Self::Shortest => "shortest",
            Self::SleepSets => "sleep-sets",
            Self::Dpor => "dpor",
        }
    }
}

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
    /// scenario's own ([`Scenario::loom_executions_max`]) or else 100,000.
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
    checkpoint: Option<&'a dyn Fn() -> Checkpoint>,
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

impl Scenario {
    /// Explores the scenario with `engine` under the default [`Limits`].
    pub fn verify(&self, engine: Engine) -> Report {
        self.verify_with(engine, &Limits::default(), &mut |_| ControlFlow::Continue(()))
    }

    /// Explores the scenario with `engine`. `listener` hears how far it has come, every few
    /// hundred executions of the native engine and of shuttle in search of a proof, and between
    /// the runs otherwise; a reason to stop that it returns becomes the verdict's.
    ///
    /// # Panics
    ///
    /// If an execution has 4,096 threads, or more than 64 on [`Engine::Shuttle`] or by
    /// [`Search::SleepSets`]. [`Search::Dpor`] gives up at 64.
    pub fn verify_with(
        &self,
        engine: Engine,
        limits: &Limits,
        listener: &mut Listener<'_>,
    ) -> Report {
        match engine {
            Engine::Native => native::verify(self, limits, listener),
            _ if self.nobody_starves() => {
                let reason = format!("{engine} has no states, so it cannot tell who starves");
                Report::untried(self, engine, reason)
            }
            #[cfg(feature = "loom")]
            Engine::Loom => loom::verify(self, limits, listener),
            #[cfg(feature = "shuttle")]
            Engine::Shuttle => shuttle::verify(self, limits, listener),
            #[cfg(not(all(feature = "loom", feature = "shuttle")))]
            absent => Report::untried(self, absent, format!("this build is without {absent}")),
        }
    }

    /// Goes on with a search of the native engine that was put aside. It ends as if it had never
    /// been; how to search is in the checkpoint, `limits` say when to give up.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] if the checkpoint is of another scenario, or of this one before it
    /// was changed.
    pub fn resume(
        &self,
        checkpoint: &Checkpoint,
        limits: &Limits,
        listener: &mut Listener<'_>,
    ) -> Result<Report, CheckpointError> {
        native::resume(self, checkpoint, limits, listener)
    }

    /// Explores the scenario and insists on the expected verdict: the one line that a test needs.
    ///
    /// # Panics
    ///
    /// If the verdict is another, with the verdict and every counterexample, operation by operation.
    #[track_caller]
    pub fn assert_as_expected(&self, engine: Engine) {
        let report = self.verify(engine);
        assert!(report.as_expected(), "{} on {engine}: {report}", self.name());
    }

    /// Runs one schedule on the native engine: everything that it violates at its end, which is
    /// more than one thing where two cycles of threads are stuck or two objects leak.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the schedule is not one of this scenario, or violates nothing.
    pub fn replay(&self, schedule: &Schedule) -> Result<Vec<Counterexample>, ReplayError> {
        native::replay(self, schedule)
    }

    /// Runs one schedule on the native engine, whatever comes of it: the operations that happen.
    /// With it an interleaving can be written by hand, step by step.
    ///
    /// ```
    /// # use selvedge_core::Scenario;
    /// # use selvedge_core::sync::Mutex;
    /// let scenario = Scenario::builder("example/two", || Mutex::new("A", ()))
    ///     .thread("T1", |a| a.lock().unlock())
    ///     .thread("T2", |a| a.lock().unlock())
    ///     .proved();
    /// let trace = scenario.follow(&"1.1.0".parse()?)?;
    /// assert_eq!(trace.steps[2].what, "mutex_lock(A)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the schedule is not one of this scenario.
    pub fn follow(&self, schedule: &Schedule) -> Result<Trace, ReplayError> {
        native::follow(self, schedule)
    }
}

/// Why a schedule has no counterexample to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplayError {
    /// A step that is not possible: its position from 0, and what was possible.
    Impossible {
        /// Position of the step, from 0.
        step: usize,
        /// The threads that could have moved there.
        possible: Vec<String>,
    },
    /// The schedule stops before its end is reached, without a violation.
    TooShort,
    /// The execution is over before the schedule is.
    TooLong {
        /// How many steps of the schedule happened.
        followed: usize,
    },
    /// The execution ended without a violation.
    NoViolation,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Impossible { step, possible } => {
                write!(f, "step {step} of the schedule is not possible there; possible would be ")?;
                f.write_str(&possible.join(" or "))
            }
            Self::TooShort => f.write_str("the schedule ends before anything is violated"),
            Self::TooLong { followed } => {
                write!(f, "the execution is over after {followed} steps, the schedule is longer")
            }
            Self::NoViolation => f.write_str("the schedule violates nothing"),
        }
    }
}

impl std::error::Error for ReplayError {}
