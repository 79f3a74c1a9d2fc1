//! How to verify a scenario: which engine, which search, which limits.

use std::fmt;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::engine::{self, native};
use crate::incomplete::Incomplete;
use crate::limits::{Limits, Progress};
use crate::observe::Trace;
use crate::observe::findings::Counterexample;
use crate::observe::lockdep::Inversion;
use crate::report::{Report, Verdict};
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::search::{Engine, Search};
use crate::shard::Shard;
use crate::wait::{LongestWait, Obstacle};
use native::ReplayError;

type OnProgress<'a> = Box<dyn FnMut(&Progress<'_>) -> ControlFlow<String> + 'a>;

/// A verification in the making: an engine, a search and limits.
///
/// A limit that is reached makes the verdict inconclusive, never a proof.
///
/// ```
/// use std::time::Duration;
///
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Checker, Scenario, Search};
///
/// let scenario = Scenario::builder("example/one", || Mutex::new("A", 0))
///     .thread("T1", |a| *a.lock() += 1)
///     .thread("T2", |a| *a.lock() += 1)
///     .expect_proof();
/// let report = Checker::native()
///     .search(Search::Dpor)
///     .threads(2)
///     .time_limit(Duration::from_secs(10))
///     .run(&scenario);
/// assert!(report.as_expected());
/// assert_eq!(report.fingerprint.traces, Some(2));
/// ```
#[must_use = "a checker does nothing until it runs"]
pub struct Checker<'a> {
    engine: Engine,
    limits: Limits,
    time: Option<Duration>,
    on_progress: Option<OnProgress<'a>>,
}

impl<'a> Checker<'a> {
    /// Creates a checker that runs on `engine`, with its default limits.
    pub fn new(engine: Engine) -> Self {
        Self { engine, limits: Limits::default(), time: None, on_progress: None }
    }

    /// Creates a checker that runs on the native engine.
    pub fn native() -> Self {
        Self::new(Engine::Native)
    }

    /// Creates a checker that runs on loom. Without the feature `loom` its verdict is inconclusive.
    pub fn loom() -> Self {
        Self::new(Engine::Loom)
    }

    /// Creates a checker that runs on shuttle. Without the feature `shuttle` its verdict is
    /// inconclusive.
    pub fn shuttle() -> Self {
        Self::new(Engine::Shuttle)
    }

    /// Sets how the native engine searches; [`Search::Auto`] if this is not called.
    pub fn search(mut self, search: Search) -> Self {
        self.limits.search = search;
        self
    }

    /// Sets the number of OS threads that the native engine explores with; 1 if this is not called.
    /// The verdict and the fingerprint do not depend on it. 0 is taken as 1.
    pub fn threads(mut self, threads: usize) -> Self {
        self.limits.jobs = NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN);
        self
    }

    /// Sets the limit of executions. The default is 50,000,000 on the native engine, 100,000 on
    /// loom and 20,000 on shuttle, which has as many again for its random schedulers.
    pub fn executions(mut self, limit: u64) -> Self {
        self.limits.executions = Some(limit);
        self
    }

    /// Sets the limit of operations in one execution of the native engine; 10,000 if this is not
    /// called. A program that never ends reaches it.
    pub fn operations(mut self, limit: usize) -> Self {
        self.limits.operations = limit;
        self
    }

    /// Sets the limit of memory for the states of the native engine, in bytes; 4 GiB if this is not
    /// called, whatever the machine has, so that the tests of a crate give the same verdicts on
    /// every machine.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Sets the limit of time. There is none if this is not called. It is looked at between
    /// executions, or after some 100,000 states.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// Explores one shard of the interleavings, by [`Search::Dpor`] on the native engine.
    pub fn shard(mut self, shard: Shard) -> Self {
        self.limits.shard = shard;
        self
    }

    /// Sets the seed of shuttle's random schedulers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.limits.seed = seed;
        self
    }

    /// Sets how many states of one depth make another OS thread worth its while.
    #[doc(hidden)]
    pub fn states_per_thread(mut self, states: usize) -> Self {
        self.limits.states_per_thread = states;
        self
    }

    /// Calls `listener` with the progress of the search, every few hundred executions or some
    /// 100,000 states; on loom and for shuttle's random schedulers, between their runs. If it
    /// returns [`ControlFlow::Break`], the search stops and the verdict has this reason.
    pub fn on_progress(
        mut self,
        listener: impl FnMut(&Progress<'_>) -> ControlFlow<String> + 'a,
    ) -> Self {
        self.on_progress = Some(Box::new(listener));
        self
    }

    /// Explores the scenario.
    pub fn run(mut self, scenario: &Scenario) -> Report {
        let (engine, limits) = (self.engine, self.start());
        engine::verify(scenario, engine, &limits, &mut |progress| self.listen(&limits, &progress))
    }

    /// Resumes a search of the native engine. It ends as if it had never been stopped. How to
    /// search is in the checkpoint; the limits are those of this checker.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] if the checkpoint is of another scenario, or of this one before it was
    /// changed.
    pub fn resume(
        mut self,
        scenario: &Scenario,
        checkpoint: &Checkpoint,
    ) -> Result<Report, CheckpointError> {
        let limits = self.start();
        let mut listener = |progress: Progress<'_>| self.listen(&limits, &progress);
        native::resume(scenario, checkpoint, &limits, &mut listener)
    }

    /// Explores every state of the scenario on the native engine, and returns the longest wait of
    /// each thread, in the order of the threads. Engine and search of this checker do not matter.
    ///
    /// A wait ends where the thread can continue; how long it then waits for a CPU is not counted.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Checker, Length, Scenario};
    ///
    /// let world = || (Mutex::new("A", ()), Mutex::new("B", ()));
    /// let scenario = Scenario::builder("example/waits", world)
    ///     .thread("T1", |(a, b)| {
    ///         let a = a.lock();
    ///         b.lock().unlock();
    ///         a.unlock();
    ///     })
    ///     .thread("T2", |(a, _)| a.lock().unlock())
    ///     .expect_proof();
    /// let waits = Checker::native().longest_waits(&scenario)?;
    /// // T1 waits while T2 unlocks A. T2 waits while T1 locks and unlocks B, and unlocks A.
    /// assert_eq!(waits[0].length, Length::Bounded { required: 1, possible: Some(1) });
    /// assert_eq!(waits[1].length, Length::Bounded { required: 3, possible: Some(3) });
    /// # Ok::<(), selvedge_core::Incomplete>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The reason why not every state was explored.
    pub fn longest_waits(mut self, scenario: &Scenario) -> Result<Vec<LongestWait>, Incomplete> {
        let limits = self.start();
        let mut listener = |progress: Progress<'_>| self.listen(&limits, &progress);
        native::longest_waits(scenario, &limits, &mut listener)
    }

    /// Explores every state of the scenario on the native engine, and returns why no threads
    /// deadlock on a predicted inversion that is infeasible: for neighbours on its cycle, where the
    /// one is in every state in which the other is between its two locks. Engine and search of this
    /// checker do not matter.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Checker, Scenario};
    ///
    /// let world = || ["gate", "A", "B"].map(|name| Mutex::new(name, ()));
    /// let scenario = Scenario::builder("example/gate", world)
    ///     .thread("T1", |[gate, a, b]| {
    ///         let _gate = gate.lock();
    ///         let _a = a.lock();
    ///         b.lock().unlock();
    ///     })
    ///     .thread("T2", |[gate, a, b]| {
    ///         let _gate = gate.lock();
    ///         let _b = b.lock();
    ///         a.lock().unlock();
    ///     })
    ///     .expect_proof()
    ///     .expect_inversion(["A", "B"]);
    /// let report = Checker::native().run(&scenario);
    /// let inversion = &report.predictions[0].inversion;
    /// let obstacles = Checker::native().obstacles(&scenario, inversion)?;
    /// assert_eq!(obstacles[0].gates, ["gate"]);
    /// # Ok::<(), selvedge_core::Incomplete>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The reason why not every state was explored.
    pub fn obstacles(
        mut self,
        scenario: &Scenario,
        inversion: &Inversion,
    ) -> Result<Vec<Obstacle>, Incomplete> {
        let limits = self.start();
        let mut listener = |progress: Progress<'_>| self.listen(&limits, &progress);
        native::obstacles(scenario, inversion, &limits, &mut listener)
    }

    /// Explores every state of the scenario on the native engine. If that is a proof, returns it as
    /// text that another program can check: the program as tables, and the states. The command has
    /// such a program, `selvedge-recheck`. Engine and search of this checker do not matter.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Checker, Scenario};
    ///
    /// let scenario = Scenario::builder("example/certificate", || Mutex::new("A", ()))
    ///     .thread("T1", |a| a.lock().unlock())
    ///     .thread("T2", |a| a.lock().unlock())
    ///     .expect_proof();
    /// let certificate = Checker::native().certificate(&scenario).expect("it is proved");
    /// assert!(certificate.starts_with("selvedge certificate 1\n"));
    /// ```
    ///
    /// # Errors
    ///
    /// The verdict, if it is not a proof. It is inconclusive for a scenario with any number of
    /// threads, and for one that asks for starvation freedom: states alone do not prove that.
    pub fn certificate(mut self, scenario: &Scenario) -> Result<String, Verdict> {
        let limits = self.start();
        let mut listener = |progress: Progress<'_>| self.listen(&limits, &progress);
        native::certificate(scenario, &limits, &mut listener)
    }

    /// The limits, with the time running from now on.
    fn start(&self) -> Limits {
        let deadline = |limit| Some((Instant::now().checked_add(limit)?, limit));
        Limits { deadline: self.time.and_then(deadline), ..self.limits }
    }

    fn listen(&mut self, limits: &Limits, progress: &Progress<'_>) -> ControlFlow<Incomplete> {
        let said = self.on_progress.as_mut().map(|listener| listener(progress));
        match (said, limits.time_is_up()) {
            (Some(ControlFlow::Break(reason)), _) => {
                ControlFlow::Break(Incomplete::Stopped(reason))
            }
            (_, Some(reason)) => ControlFlow::Break(reason),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl fmt::Debug for Checker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker")
            .field("engine", &self.engine)
            .field("limits", &self.limits)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl Scenario {
    /// Explores the scenario with `engine` under its default limits; a [`Checker`] sets others.
    pub fn verify(&self, engine: Engine) -> Report {
        Checker::new(engine).run(self)
    }

    /// Explores the scenario and asserts the expected verdict: the one line that a test needs.
    ///
    /// # Panics
    ///
    /// If the verdict is another, with the verdict, every counterexample operation by operation,
    /// and the expectation that would have held, as code.
    #[track_caller]
    pub fn assert_as_expected(&self, engine: Engine) {
        let report = self.verify(engine);
        assert!(report.as_expected(), "{} on {engine}: {report}", self.name());
    }

    /// Runs one schedule on the native engine and returns everything that it violates at its end:
    /// several violations if two cycles of threads wait there, or two objects are leaked.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the schedule is not one of this scenario, or violates nothing.
    pub fn replay(&self, schedule: &Schedule) -> Result<Vec<Counterexample>, ReplayError> {
        native::replay(self, schedule)
    }

    /// Runs one schedule on the native engine and returns the operations that happen.
    ///
    /// ```
    /// # use selvedge_core::Scenario;
    /// # use selvedge_core::sync::Mutex;
    /// let scenario = Scenario::builder("example/two", || Mutex::new("A", ()))
    ///     .thread("T1", |a| a.lock().unlock())
    ///     .thread("T2", |a| a.lock().unlock())
    ///     .expect_proof();
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

/// Explores every interleaving of `program`, which starts its threads with
/// [`thread::spawn`](crate::thread::spawn), and asserts that none violates anything.
///
/// ```
/// use std::sync::Arc;
///
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::thread;
///
/// selvedge_core::check(|| {
///     let count = Arc::new(Mutex::new("count", 0));
///     let other = Arc::clone(&count);
///     let thread = thread::spawn("T2", move || *other.lock() += 1);
///     *count.lock() += 1;
///     thread.join();
///     assert_eq!(*count.lock(), 2);
/// });
/// ```
///
/// # Panics
///
/// If some interleaving violates something, with its operations, or if not every interleaving could
/// be explored, with the reason.
#[track_caller]
pub fn check(program: impl Fn() + Send + Sync + 'static) {
    let scenario = Scenario::builder("check", || ()).thread("main", move |()| program());
    scenario.expect_proof().assert_as_expected(Engine::Native);
}
