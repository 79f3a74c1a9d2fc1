//! A scenario: a closed concurrent program, its source, and what is expected of it.

mod builder;
mod threads;

use std::fmt;
use std::sync::Arc;

use crate::expectation::{Claim, Expectation};
use crate::program::Program;
use crate::search::Engine;
use crate::violation::sorted_classes;

pub use builder::ScenarioBuilder;
pub use threads::Calls;

/// A closed concurrent program with an expectation.
///
/// ```
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Engine, Scenario, ViolationKind};
///
/// let scenario = Scenario::builder("example/abba", || (Mutex::new("A", ()), Mutex::new("B", ())))
///     .thread("ab", |(a, b)| {
///         let _a = a.lock();
///         let _b = b.lock();
///     })
///     .thread("ba", |(a, b)| {
///         let _b = b.lock();
///         let _a = a.lock();
///     })
///     .expect_violations([ViolationKind::deadlock(["A", "B"])]);
///
/// scenario.assert_as_expected(Engine::Native);
/// ```
#[derive(Clone)]
pub struct Scenario {
    name: String,
    about: String,
    source: String,
    threads: Vec<Arc<str>>,
    /// For each thread, the number of the first that does the same.
    alike: Arc<[usize]>,
    program: Program,
    expected: Expectation,
    /// The engines with another expectation, and which.
    exceptions: Vec<(Engine, Expectation)>,
    inversions: Vec<Vec<String>>,
    loom_executions: Option<u64>,
    starvation_free: bool,
    /// The functions that any number of threads run.
    clients: Option<Clients>,
    /// Makes the scenario in which any number of threads do what each thread does.
    generalised: Arc<dyn Fn() -> Scenario + Send + Sync>,
}

/// The functions of a scenario that any number of threads run.
#[derive(Clone)]
pub(crate) struct Clients {
    /// Their names.
    pub(crate) names: Arc<[Arc<str>]>,
    /// Makes the scenario whose threads make these calls of them, by a name and the calls of each.
    instance: Arc<Instantiate>,
}

type Instantiate = dyn Fn(&str, &[Vec<usize>]) -> Scenario + Send + Sync;

impl Clients {
    /// Returns the scenario in which so many threads run each of the functions, after the threads
    /// that have a name of their own.
    pub(crate) fn instance(&self, counts: &[usize]) -> Scenario {
        let counted = counts.iter().enumerate();
        let calls = counted.flat_map(|(client, count)| vec![vec![client]; *count]);
        let name: Vec<String> = counts.iter().map(usize::to_string).collect();
        (self.instance)(&name.join(","), &calls.collect::<Vec<_>>())
    }

    /// Returns the scenario in which each thread makes these calls, after the threads that have a
    /// name of their own.
    fn calling(&self, calls: &[Vec<usize>]) -> Scenario {
        let numbers = |thread: &Vec<usize>| {
            let numbers: Vec<String> = thread.iter().map(|call| (call + 1).to_string()).collect();
            numbers.join(".")
        };
        let name: Vec<String> = calls.iter().map(numbers).collect();
        (self.instance)(&name.join("-"), calls)
    }
}

impl Scenario {
    /// Begins a scenario named `name`, a path such as `vfio-ap/ap-perms/p11/two-threads`.
    ///
    /// `world` makes what the threads share. It runs for every execution, so everything that
    /// threads can change must be made in it.
    pub fn builder<W: Send + Sync + 'static>(
        name: impl Into<String>,
        world: impl Fn() -> W + Send + Sync + 'static,
    ) -> ScenarioBuilder<W> {
        ScenarioBuilder::new(name.into(), Arc::new(world))
    }

    /// Returns the path of the scenario.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path without its last part.
    pub fn family(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(family, _)| family)
    }

    /// Returns one line that says what the scenario shows.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Returns the source: a mail by subject and date, or a commit and kernel version.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the names of the threads.
    pub fn threads(&self) -> impl Iterator<Item = &str> {
        self.threads.iter().map(|name| &**name)
    }

    /// Returns what a result of an engine must match.
    pub fn claim_on(&self, engine: Engine) -> Claim {
        Claim {
            of_engine: self.expected(engine).clone(),
            of_scenario: self.expected.clone(),
            inversions: self.inversions.clone(),
        }
    }

    /// Returns the scenario in which any number of threads do what each thread of this one does:
    /// see [`ScenarioBuilder::any_number_of`]. Nothing is expected of it.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Engine, Scenario, Verdict};
    ///
    /// let two = Scenario::builder("example/two", || Mutex::new("lock", 0))
    ///     .thread("add", |lock| *lock.lock() = 1)
    ///     .thread("clear", |lock| *lock.lock() = 0)
    ///     .expect_proof();
    /// let report = two.any_number_of_each().verify(Engine::Native);
    /// assert!(matches!(report.verdict, Verdict::Proved(_)));
    /// ```
    #[must_use]
    pub fn any_number_of_each(&self) -> Self {
        (self.generalised)()
    }

    /// Returns the names of the functions that any number of threads run.
    pub fn any_number_names(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().flat_map(|clients| clients.names.iter().map(|name| &**name))
    }

    /// Returns the ordinary scenario in which so many threads run each function of
    /// [`any_number_of`](ScenarioBuilder::any_number_of), in order. Its name ends with `@` and the
    /// numbers. `None` if there are not as many such functions, or none.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Checker, Scenario};
    ///
    /// let scenario = Scenario::builder("example/twice", || Mutex::new("A", ()))
    ///     .any_number_of("T", |a: &Mutex| {
    ///         let _a = a.lock();
    ///         a.lock().unlock();
    ///     })
    ///     .build();
    /// let report = Checker::native().run(&scenario);
    /// let instance = report.instance().expect("one thread deadlocks");
    /// assert_eq!(instance.name(), "example/twice@1");
    /// let found = &report.verdict.counterexamples()[0];
    /// assert!(scenario.with_numbers(&[1]).unwrap().replay(&found.schedule).is_ok());
    /// ```
    pub fn with_numbers(&self, numbers: &[usize]) -> Option<Self> {
        let clients = self.clients.as_ref()?;
        (clients.names.len() == numbers.len()).then(|| clients.instance(numbers))
    }

    /// Returns the ordinary scenario in which each thread calls these functions of
    /// [`any_number_of`](ScenarioBuilder::any_number_of), one after the other. They are numbered
    /// from 0, in order. Its name ends with `@` and their numbers from 1: `@1.2-3` has a thread
    /// that calls the first and then the second, and one that calls the third. `None` if there is
    /// no function of such a number.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Engine, Scenario, Verdict};
    ///
    /// let driver = Scenario::builder("example/driver", || Mutex::new("lock", 0))
    ///     .any_number_of("open", |lock: &Mutex<u32>| *lock.lock() += 1)
    ///     .any_number_of("close", |lock| *lock.lock() -= 1)
    ///     .build();
    /// let client = driver.with_calls(&[vec![0, 1], vec![0]]).expect("there are two functions");
    /// assert_eq!(client.name(), "example/driver@1.2-1");
    /// assert!(matches!(client.verify(Engine::Native).verdict, Verdict::Proved(_)));
    /// ```
    pub fn with_calls(&self, calls: &[Vec<usize>]) -> Option<Self> {
        let clients = self.clients.as_ref()?;
        let known = calls.iter().flatten().all(|call| *call < clients.names.len());
        known.then(|| clients.calling(calls))
    }

    /// Returns the functions that any number of threads run, if there are any.
    pub(crate) fn clients(&self) -> Option<&Clients> {
        self.clients.as_ref()
    }

    /// Whether starvation freedom is asked for.
    pub(crate) fn starvation_free(&self) -> bool {
        self.starvation_free
    }

    /// Returns the expectation of an engine. Only the native engine decides starvation freedom, and
    /// a scenario with any number of threads.
    pub fn expected(&self, engine: Engine) -> &Expectation {
        let native_only = self.starvation_free || self.clients.is_some();
        if native_only && engine != Engine::Native {
            return &Expectation::Inconclusive;
        }
        let exception = self.exceptions.iter().find(|(at, _)| *at == engine);
        exception.map_or(&self.expected, |(_, expected)| expected)
    }

    /// Returns the lock-order inversions that are expected to be predicted, each by its classes.
    pub fn expected_inversions(&self) -> &[Vec<String>] {
        &self.inversions
    }

    /// Returns the limit of executions on loom, if the scenario has its own.
    pub fn loom_executions(&self) -> Option<u64> {
        self.loom_executions
    }

    /// Sets another expectation for one engine.
    #[must_use]
    pub fn on(mut self, engine: Engine, expected: Expectation) -> Self {
        self.exceptions.retain(|(at, _)| *at != engine);
        self.exceptions.push((engine, expected));
        self
    }

    /// Expects that a lock-order inversion on these classes is predicted, in addition to those that
    /// deadlock: an inversion that no interleaving of the scenario deadlocks on.
    #[must_use]
    pub fn expect_inversion<'a>(mut self, classes: impl IntoIterator<Item = &'a str>) -> Self {
        self.inversions.push(sorted_classes(classes.into_iter().map(str::to_owned)));
        self
    }

    /// Sets the limit of executions on loom.
    #[must_use]
    pub fn loom_executions_max(mut self, executions: u64) -> Self {
        self.loom_executions = Some(executions);
        self
    }

    /// Returns, for each thread, the number of the first that does the same.
    pub(crate) fn alike(&self) -> &Arc<[usize]> {
        &self.alike
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .field("threads", &self.threads)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}
