//! Checks a program under every interleaving of its threads.

use std::time::Duration;

use crate::checker::Checker;
use crate::report::Verdict;
use crate::scenario::Scenario;
use crate::search::Engine;

use super::own;

/// Explores every interleaving of `program`, which starts its threads with
/// [`spawn`](super::thread::spawn).
///
/// ```should_panic
/// use selvedge_core::std::sync::{Arc, Mutex};
/// use selvedge_core::std::thread;
///
/// selvedge_core::model(|| {
///     let (a, b) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
///     let (a2, b2) = (Arc::clone(&a), Arc::clone(&b));
///     let other = thread::spawn(move || *a2.lock().unwrap() += *b2.lock().unwrap());
///     *b.lock().unwrap() += *a.lock().unwrap();
///     other.join().unwrap();
/// });
/// ```
///
/// # Panics
///
/// If some interleaving violates something (a panic, a deadlock, a data race, a leak), with its
/// operations, or if not every interleaving could be explored, with the reason.
#[track_caller]
pub fn model(program: impl Fn() + Send + Sync + 'static) {
    Builder::new().check(program);
}

/// How to explore a program. `model` uses the default.
///
/// ```
/// use selvedge_core::std::model::Builder;
/// use selvedge_core::std::thread;
///
/// let mut builder = Builder::new();
/// builder.max_branches = 100;
/// builder.check(|| thread::spawn(|| ()).join().unwrap());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Builder {
    /// The limit of operations in one execution.
    pub max_branches: usize,
    /// The limit of executions, if there is one.
    pub max_permutations: Option<usize>,
    /// The limit of time, if there is one.
    pub max_duration: Option<Duration>,
    /// The engine. Only the native one has all of memory and waits as this module describes them.
    pub engine: Engine,
}

impl Builder {
    /// Creates a builder with the limits of a [`Checker`].
    pub fn new() -> Self {
        Self {
            max_branches: 10_000,
            max_permutations: None,
            max_duration: None,
            engine: Engine::Native,
        }
    }

    /// Explores every interleaving of `program`, as [`model()`] does.
    ///
    /// # Panics
    ///
    /// As [`model()`] does.
    #[track_caller]
    pub fn check(&self, program: impl Fn() + Send + Sync + 'static) {
        let mut checker = Checker::new(self.engine).operations(self.max_branches);
        if let Some(limit) = self.max_permutations {
            checker = checker.executions(limit as u64);
        }
        if let Some(limit) = self.max_duration {
            checker = checker.time_limit(limit);
        }
        let report = checker.run(&scenario("model", program));
        assert!(matches!(report.verdict, Verdict::Proved(_)), "model on {}: {report}", self.engine);
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a scenario whose one thread runs `program`, for a [`Checker`], a report or a harness.
///
/// ```
/// use selvedge_core::std::{model, thread};
/// use selvedge_core::{Checker, Verdict};
///
/// let scenario = model::scenario("join", || thread::spawn(|| ()).join().unwrap());
/// assert!(matches!(Checker::native().run(&scenario).verdict, Verdict::Proved(_)));
/// ```
pub fn scenario(name: impl Into<String>, program: impl Fn() + Send + Sync + 'static) -> Scenario {
    let main = move |(): &()| {
        let _own = own::begin(None);
        program();
    };
    Scenario::builder(name, || ()).thread("main", main).expect_proof()
}
