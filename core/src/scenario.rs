//! A scenario: a closed concurrent program, where it comes from, and what is claimed of it.

use std::fmt;
use std::sync::Arc;

use crate::declare;
use crate::expectation::{Claim, Expectation};
use crate::program::{Body, Instance, Program};
use crate::search::Engine;
use crate::violation::{ViolationKind, sorted_classes};

type Action<W> = Arc<dyn Fn(&W) + Send + Sync>;

/// A closed concurrent program with a claim about it.
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
    program: Program,
    expected: Expectation,
    /// Engines that come to another verdict than the claim, and to which.
    exceptions: Vec<(Engine, Expectation)>,
    inversions: Vec<Vec<String>>,
    loom_executions: Option<u64>,
    starvation_free: bool,
}

impl Scenario {
    /// Begins a scenario called `name`, a path such as `vfio-ap/ap-perms/p11/two-threads`.
    ///
    /// `world` makes what the threads share. It runs anew for every execution, so everything
    /// that threads can change must be made in it.
    pub fn builder<W: Send + Sync + 'static>(
        name: impl Into<String>,
        world: impl Fn() -> W + Send + Sync + 'static,
    ) -> ScenarioBuilder<W> {
        ScenarioBuilder {
            name: name.into(),
            about: String::new(),
            source: String::new(),
            world: Arc::new(world),
            threads: Vec::new(),
            finally: Arc::new(|_| {}),
            starvation_free: false,
        }
    }

    /// The scenario's path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path without its last part, under which a table groups it.
    pub fn family(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(family, _)| family)
    }

    /// One line: what the scenario shows.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Where it comes from: a mail by subject and date, or a commit and kernel version.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of its threads.
    pub fn threads(&self) -> impl Iterator<Item = &str> {
        self.threads.iter().map(|name| &**name)
    }

    /// What is claimed of it, as one engine is held to it.
    pub fn claim_on(&self, engine: Engine) -> Claim {
        Claim {
            of_engine: self.expected(engine).clone(),
            of_scenario: self.expected.clone(),
            inversions: self.inversions.clone(),
        }
    }

    /// Whether it is claimed, too, that nobody waits for ever while others go on.
    pub(crate) fn starvation_free(&self) -> bool {
        self.starvation_free
    }

    /// The verdict that `engine` is expected to come to. Who starves only the native engine can
    /// tell.
    pub fn expected(&self, engine: Engine) -> &Expectation {
        if self.starvation_free && engine != Engine::Native {
            return &Expectation::Inconclusive;
        }
        let exception = self.exceptions.iter().find(|(at, _)| *at == engine);
        exception.map_or(&self.expected, |(_, expected)| expected)
    }

    /// The lock-order inversions that are expected to be predicted, each by its classes.
    pub fn expected_inversions(&self) -> &[Vec<String>] {
        &self.inversions
    }

    /// How many executions loom is given, if the scenario needs another number than the rest.
    pub fn loom_executions(&self) -> Option<u64> {
        self.loom_executions
    }

    /// Expects another verdict of one engine, for a reason that belongs into a comment there.
    #[must_use]
    pub fn on(mut self, engine: Engine, expected: Expectation) -> Self {
        self.exceptions.retain(|(at, _)| *at != engine);
        self.exceptions.push((engine, expected));
        self
    }

    /// Expects that a lock-order inversion on these classes is predicted besides those that
    /// deadlock: an inversion that this scenario cannot reach.
    #[must_use]
    pub fn expect_inversion<'a>(mut self, classes: impl IntoIterator<Item = &'a str>) -> Self {
        self.inversions.push(sorted_classes(classes.into_iter().map(str::to_owned)));
        self
    }

    /// Gives loom this many executions instead of the engine's own limit.
    #[must_use]
    pub fn loom_executions_max(mut self, executions: u64) -> Self {
        self.loom_executions = Some(executions);
        self
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

/// A scenario in the making. It ends with the claim: [`expect_proof`](Self::expect_proof) or
/// [`expect_violations`](Self::expect_violations).
#[must_use = "a scenario ends with its claim: `.expect_proof()` or `.expect_violations(..)`"]
pub struct ScenarioBuilder<W> {
    name: String,
    about: String,
    source: String,
    world: Arc<dyn Fn() -> W + Send + Sync>,
    threads: Vec<(Arc<str>, Action<W>)>,
    finally: Action<W>,
    starvation_free: bool,
}

/// What a thread calls, in order: see [`ScenarioBuilder::calls`].
#[must_use = "the calls are those of a thread: `.calls(name, |calls| calls.then(..))`"]
pub struct Calls<W>(Vec<Action<W>>);

impl<W> Calls<W> {
    /// Adds a call, which begins when the one before has returned.
    pub fn then(mut self, call: impl Fn(&W) + Send + Sync + 'static) -> Self {
        self.0.push(Arc::new(call));
        self
    }
}

impl<W> fmt::Debug for Calls<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calls").field(&self.0.len()).finish()
    }
}

impl<W: Send + Sync + 'static> ScenarioBuilder<W> {
    /// One line: what the scenario shows.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// Where it comes from.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Adds a thread. Threads may share the world only through the primitives in
    /// [`sync`](crate::sync): what they learn in another way the search does not know of.
    pub fn thread(mut self, name: &str, body: impl Fn(&W) + Send + Sync + 'static) -> Self {
        self.threads.push((name.into(), Arc::new(body)));
        self
    }

    /// Adds a thread that makes one call after the other and carries nothing over: an administrator who
    /// writes to several files, a CPU that unmaps one page and then another.
    ///
    /// A thread's state is what it has been told, so a thread that makes many calls has one for
    /// everything that came before. Here each call begins with nothing, and there are fewer states by
    /// a factor for each call. The calls are made before any execution, so there is nowhere to keep
    /// what one has learnt for the next but in the world, where the search sees it.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Engine, Scenario};
    ///
    /// let scenario = || Scenario::builder("example/calls", || Mutex::new("mask", 0));
    /// let store = |bit: u32| move |mask: &Mutex<u32>| *mask.lock() ^= 1 << bit;
    /// let all = move |mask: &Mutex<u32>| (0..4).for_each(|bit| store(bit)(mask));
    /// let at_once = scenario().thread("T1", all).thread("T2", all).expect_proof();
    /// let apart = ["T1", "T2"].into_iter().fold(scenario(), |scenario, name| {
    ///     scenario.calls(name, |calls| (0..4).fold(calls, |calls, bit| calls.then(store(bit))))
    /// });
    /// let states = |scenario: &Scenario| scenario.verify(Engine::Native).fingerprint.states;
    /// assert!(states(&apart.expect_proof()) < states(&at_once));
    /// ```
    pub fn calls(self, name: &str, calls: impl FnOnce(Calls<W>) -> Calls<W>) -> Self {
        let Calls(calls) = calls(Calls(Vec::new()));
        self.thread(name, move |world| {
            for call in &calls {
                call(world);
                declare::call_returns();
            }
        })
    }

    /// Judges the world when every thread has ended; the thread of a work or a timer may idle instead.
    pub fn finally(mut self, check: impl Fn(&W) + Send + Sync + 'static) -> Self {
        self.finally = Arc::new(check);
        self
    }

    /// Asks, too, whether anybody waits for ever while others go on. It is a question only where
    /// some thread never ends ([`forever`](crate::forever)).
    ///
    /// That nobody waits for good, because nothing can help it any more, belongs to every proof.
    /// This asks for more. Somebody starves if there is a cycle of states in each of which it waits,
    /// or polls ([`poll`](crate::poll)) for what it does not see there, and which is fair: whoever can
    /// go on somewhere on it takes a step on it. Luck counts for nothing: a thread that only a signal or
    /// a spurious wake-up can help waits, and a cycle has no step that needs one. No such cycle is
    /// a proof. Only the native engine can tell, by a [`Search::Full`](crate::Search::Full).
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Engine, Scenario, forever};
    ///
    /// Scenario::builder("example/contention", || Mutex::new("matrix_dev->lock", ()))
    ///     .thread("PQAP 1", |lock| forever(|| drop(lock.lock())))
    ///     .thread("PQAP 2", |lock| forever(|| drop(lock.lock())))
    ///     .thread("assign", |lock| drop(lock.lock()))
    ///     .starvation_free()
    ///     .expect_proof()
    ///     .assert_as_expected(Engine::Native);
    /// ```
    pub fn starvation_free(mut self) -> Self {
        self.starvation_free = true;
        self
    }

    /// Claims that no ordering deadlocks, breaks an invariant or violates anything else.
    pub fn expect_proof(self) -> Scenario {
        self.claim(Expectation::Proved)
    }

    /// Claims that exactly these violations are reachable.
    pub fn expect_violations(self, kinds: impl IntoIterator<Item = ViolationKind>) -> Scenario {
        let mut kinds: Vec<ViolationKind> = kinds.into_iter().collect();
        kinds.sort();
        kinds.dedup();
        self.claim(Expectation::Refuted(kinds))
    }

    fn claim(self, expected: Expectation) -> Scenario {
        let Self { name, about, source, world, threads, finally, starvation_free } = self;
        let names = threads.iter().map(|(name, _)| Arc::clone(name)).collect();
        let program = move || {
            let shared = Arc::new(world());
            let body = |action: &Action<W>| -> Body {
                let (shared, action) = (Arc::clone(&shared), Arc::clone(action));
                Box::new(move || action(&shared))
            };
            let finally = body(&finally);
            let threads = threads.iter().map(|(name, action)| (Arc::clone(name), body(action)));
            Instance { threads: threads.collect(), finally }
        };
        Scenario {
            name,
            about,
            source,
            threads: names,
            program: Arc::new(program),
            expected,
            exceptions: Vec::new(),
            inversions: Vec::new(),
            loom_executions: None,
            starvation_free,
        }
    }
}

impl<W> fmt::Debug for ScenarioBuilder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScenarioBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
