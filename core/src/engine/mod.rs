//! What runs a scenario over schedules.
//!
//! | engine | runs threads on | explores | a proof means |
//! |---|---|---|---|
//! | [`Native`](Engine::Native) | coroutines of its own | every state, breadth first | every ordering, sequentially consistent |
//! | [`Loom`](Engine::Loom) | loom 0.7 | loom's own search | loom completed its search |
//! | [`Shuttle`](Engine::Shuttle) | shuttle 0.9 | every trace by source-DPOR, if they are few enough; or else random and PCT schedules | every ordering, sequentially consistent |
//!
//! shuttle's search is the native engine's [`Search::Dpor`](crate::Search::Dpor) on other threads: an ordering that one
//! of them runs wrongly shows as a difference of the two. All of them take the same scenarios,
//! report violations by the same names, and write schedules that the native engine replays.

#[cfg(feature = "loom")]
mod loom;
pub(crate) mod native;
#[cfg(feature = "shuttle")]
mod shuttle;

use std::ops::ControlFlow;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::limits::{Limits, Listener};
use crate::observe::Trace;
use crate::observe::findings::Counterexample;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::search::Engine;

use native::ReplayError;

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
    /// [`Search::SleepSets`](crate::Search::SleepSets). [`Search::Dpor`](crate::Search::Dpor) gives up at 64.
    pub fn verify_with(
        &self,
        engine: Engine,
        limits: &Limits,
        listener: &mut Listener<'_>,
    ) -> Report {
        match engine {
            Engine::Native => native::verify(self, limits, listener),
            _ if self.starvation_free() => {
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
