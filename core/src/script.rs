//! An interleaving written by hand, step by step.

use crate::engine::native::ReplayError;
use crate::observe::Trace;
use crate::observe::findings::Counterexample;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::violation::ViolationKind;

/// An interleaving of a scenario in the making: which thread runs up to which operation.
///
/// It reads like the mail that it encodes:
///
/// ```
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Scenario, ViolationKind};
///
/// let scenario = Scenario::builder("example/abba", || (Mutex::new("A", ()), Mutex::new("B", ())))
///     .thread("ab", |(a, b)| {
///         let _a = a.lock();
///         b.lock().unlock();
///     })
///     .thread("ba", |(a, b)| {
///         let _b = b.lock();
///         a.lock().unlock();
///     })
///     .build();
/// scenario
///     .script()
///     .then("ab", "mutex_lock(A)")
///     .then("ba", "mutex_lock(B)")
///     .then_all_threads()
///     .assert_violates(&ViolationKind::deadlock(["A", "B"]));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a script ends with an assertion or with its trace"]
pub struct Script<'a> {
    scenario: &'a Scenario,
    /// The position of the thread of each step.
    threads: Vec<usize>,
}

impl Scenario {
    /// Begins to write an interleaving by hand.
    pub fn script(&self) -> Script<'_> {
        Script { scenario: self, threads: Vec::new() }
    }
}

impl Script<'_> {
    /// Lets `thread` run until it has done `operation`, such as `mutex_lock(matrix_dev->lock)`.
    ///
    /// # Panics
    ///
    /// If the scenario has no such thread, or the thread waits or ends before the operation.
    #[track_caller]
    pub fn then(mut self, thread: &str, operation: &str) -> Self {
        let number = self.scenario.threads().position(|name| name == thread);
        let number = number.unwrap_or_else(|| panic!("the scenario has no thread {thread}"));
        loop {
            self.threads.push(number);
            let trace = match self.scenario.follow(&self.schedule()) {
                Ok(trace) => trace,
                Err(error) => panic!("{thread} does not get to {operation}: {error}"),
            };
            if trace.steps.last().is_some_and(|step| step.what == operation) {
                return self;
            }
        }
    }

    /// Lets each thread run for as long as it can, one after the other. No thread wakes spuriously.
    pub fn then_all_threads(mut self) -> Self {
        for thread in 0..self.scenario.threads().count() {
            loop {
                self.threads.push(thread);
                let trace = self.scenario.follow(&self.schedule());
                let last = trace.as_ref().ok().and_then(|trace| trace.steps.last());
                if last.is_none_or(|step| step.what.starts_with("schedule(")) {
                    self.threads.pop();
                    break;
                }
            }
        }
        self
    }

    /// Asserts what the last operation returned, such as `busy`.
    ///
    /// # Panics
    ///
    /// If it returned something else, or there is no operation.
    #[track_caller]
    pub fn which_returns(self, result: &str) -> Self {
        let last = self.trace().steps.pop().expect("the script has an operation");
        assert_eq!(last.result.as_deref(), Some(result), "{}", last.what);
        self
    }

    /// Returns the interleaving as a schedule.
    pub fn schedule(&self) -> Schedule {
        let steps: Vec<String> = self.threads.iter().map(usize::to_string).collect();
        steps.join(".").parse().expect("positions and dots are a schedule")
    }

    /// Returns the operations so far.
    pub fn trace(&self) -> Trace {
        self.scenario.follow(&self.schedule()).expect("each step was possible")
    }

    /// Asserts that the interleaving is complete and violates nothing, and returns its operations.
    ///
    /// # Panics
    ///
    /// If it is not complete, or violates something.
    #[track_caller]
    pub fn assert_no_violation(self) -> Trace {
        let nothing = self.scenario.replay(&self.schedule());
        assert!(matches!(nothing, Err(ReplayError::NoViolation)), "{nothing:?}");
        self.trace()
    }

    /// Asserts that the interleaving violates this and nothing else. Returns the counterexample.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn assert_violates(self, kind: &ViolationKind) -> Counterexample {
        let name = self.scenario.name();
        match self.scenario.replay(&self.schedule()).as_deref() {
            Ok([found]) if found.violation.kind == *kind => found.clone(),
            Ok(found) => {
                let kinds: Vec<String> =
                    found.iter().map(|f| f.violation.kind.to_string()).collect();
                panic!("{name}: the script violates {}, not {kind}", kinds.join(" and "));
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}
