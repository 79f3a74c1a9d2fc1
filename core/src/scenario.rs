//! A scenario: a closed concurrent program, its source, and what is expected of it.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::declare;
use crate::expectation::{Claim, Expectation};
use crate::program::{Body, Instance, Program};
use crate::runtime;
use crate::search::Engine;
use crate::violation::{ViolationKind, sorted_classes};

type Action<W> = Arc<dyn Fn(&W) + Send + Sync>;

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
    program: Program,
    expected: Expectation,
    /// The engines with another expectation, and which.
    exceptions: Vec<(Engine, Expectation)>,
    inversions: Vec<Vec<String>>,
    loom_executions: Option<u64>,
    starvation_free: bool,
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
        ScenarioBuilder {
            name: name.into(),
            about: String::new(),
            source: String::new(),
            world: Arc::new(world),
            threads: Vec::new(),
            finally: Arc::new(|_| {}),
            starvation_free: false,
            preempt_rt: false,
        }
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

    /// Whether starvation freedom is asked for.
    pub(crate) fn starvation_free(&self) -> bool {
        self.starvation_free
    }

    /// Returns the expectation of an engine. Only the native engine decides starvation freedom.
    pub fn expected(&self, engine: Engine) -> &Expectation {
        if self.starvation_free && engine != Engine::Native {
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

/// A scenario in the making. It ends with what is expected: [`expect_proof`](Self::expect_proof),
/// [`expect_violations`](Self::expect_violations), [`expect_at_least`](Self::expect_at_least), or
/// [`build`](Self::build) to look first.
#[must_use = "a scenario ends with `.expect_proof()`, `.expect_violations(..)` or `.build()`"]
pub struct ScenarioBuilder<W> {
    name: String,
    about: String,
    source: String,
    world: Arc<dyn Fn() -> W + Send + Sync>,
    threads: Vec<(Arc<str>, Action<W>)>,
    finally: Action<W>,
    starvation_free: bool,
    preempt_rt: bool,
}

/// The calls of a thread, in order: see [`ScenarioBuilder::calls`].
#[must_use = "the calls are those of a thread: `.calls(name, |calls| calls.then(..))`"]
pub struct Calls<W>(Vec<Action<W>>);

impl<W> Calls<W> {
    /// Adds a call, which begins when the one before it has returned.
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
    /// Sets the line that says what the scenario shows.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// Sets the source.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Adds a thread. Threads may share the world only through the primitives in
    /// [`sync`](crate::sync): what they learn otherwise is not part of the state.
    ///
    /// The closure takes the world by reference and returns nothing. A thread whose result is
    /// needed is started with [`thread::spawn`](crate::thread::spawn).
    pub fn thread(
        mut self,
        name: impl AsRef<str>,
        body: impl Fn(&W) + Send + Sync + 'static,
    ) -> Self {
        self.threads.push((name.as_ref().into(), Arc::new(body)));
        self
    }

    /// Adds `count` threads that do the same, each with its number from 0.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Engine, Scenario};
    ///
    /// let forks = || ["a", "b", "c"].map(|name| Mutex::new(name, ()));
    /// Scenario::builder("example/philosophers", forks)
    ///     .threads(3, |i| format!("philosopher {i}"), |forks, i| {
    ///         let (low, high) = if i < 2 { (i, i + 1) } else { (0, 2) };
    ///         let _low = forks[low].lock();
    ///         forks[high].lock().unlock();
    ///     })
    ///     .expect_proof()
    ///     .assert_as_expected(Engine::Native);
    /// ```
    pub fn threads(
        mut self,
        count: usize,
        name: impl Fn(usize) -> String,
        body: impl Fn(&W, usize) + Send + Sync + 'static,
    ) -> Self {
        let body = Arc::new(body);
        for number in 0..count {
            let body = Arc::clone(&body);
            self = self.thread(name(number), move |world| body(world, number));
        }
        self
    }

    /// Adds a thread that makes calls which carry nothing over from one to the next: an
    /// administrator that writes to several files, a CPU that unmaps one page and then another.
    ///
    /// The local state of a thread is the sequence of its observations, so a thread that makes many
    /// calls has a state for each history. Here each call begins without one, which saves a factor
    /// of states for each call. The closures are made before any execution, so they can keep
    /// nothing for the next call outside of the world, where the search sees it.
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
    pub fn calls(self, name: impl AsRef<str>, calls: impl FnOnce(Calls<W>) -> Calls<W>) -> Self {
        let Calls(calls) = calls(Calls(Vec::new()));
        self.thread(name, move |world| {
            for call in &calls {
                call(world);
                declare::call_returns();
            }
        })
    }

    /// Sets a check of the world that runs when every thread has ended or idles, and so has every
    /// work, timer and interrupt. It may perform operations, and sleep: nothing runs beside it but
    /// what it starts.
    pub fn finally(mut self, check: impl Fn(&W) + Send + Sync + 'static) -> Self {
        self.finally = Arc::new(check);
        self
    }

    /// Runs the scenario on a kernel with PREEMPT_RT (`Documentation/locking/locktypes.rst`).
    ///
    /// There a `spinlock_t` and a `rwlock_t` sleep, and leave interrupts enabled. They must not be
    /// taken with a `raw_spinlock_t` held, with interrupts or preemption disabled, or in a hard
    /// interrupt; a read section of RCU and disabled bottom halves are no obstacle. Interrupts,
    /// timers and tasklets run in threads, except for
    /// [`Irq::request_irq_no_thread`](crate::sync::Irq::request_irq_no_thread) and
    /// [`Timer::hrtimer_hard`](crate::sync::Timer::hrtimer_hard).
    ///
    /// ```
    /// use selvedge_core::sync::{SpinLock, Timer};
    /// use selvedge_core::{Engine, Scenario, ViolationKind, in_world};
    ///
    /// struct Keys {
    ///     event_lock: SpinLock,
    ///     release_timer: Timer,
    /// }
    /// let world = || Keys {
    ///     event_lock: SpinLock::new("event_lock", ()),
    ///     release_timer: Timer::hrtimer_hard(
    ///         "release_timer",
    ///         in_world(|keys: &Keys| keys.event_lock.lock().unlock()),
    ///     ),
    /// };
    /// Scenario::builder("example/rt", world)
    ///     .thread("T", |keys| keys.release_timer.mod_timer())
    ///     .preempt_rt()
    ///     .expect_violations([ViolationKind::sleep_in_atomic("event_lock", "release_timer")])
    ///     .assert_as_expected(Engine::Native);
    /// ```
    #[doc(alias = "CONFIG_PREEMPT_RT")]
    pub fn preempt_rt(mut self) -> Self {
        self.preempt_rt = true;
        self
    }

    /// Asks for starvation freedom: no thread waits for ever while others continue. The question
    /// arises only if some thread never ends ([`forever`](crate::forever)).
    ///
    /// That no thread waits for good, because no step can help it any more, is part of every proof.
    /// Starvation is different: a thread starves on a cycle of states in each of which it waits, or
    /// polls ([`poll`](crate::poll)) in vain, if the cycle is fair, that is, if each thread that
    /// can run somewhere on it takes a step on it (strong fairness). Optional outcomes do not
    /// count: a thread that only a signal or a spurious wake-up could wake is waiting, and no step
    /// of a fair cycle is optional. Only the native engine decides this, by
    /// [`Search::Full`](crate::Search::Full).
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

    /// Expects that no interleaving violates anything.
    pub fn expect_proof(self) -> Scenario {
        self.expect(Expectation::Proved)
    }

    /// Expects that exactly these violations are reachable, and no other. [`ViolationKind`] has a
    /// function for each kind. The predictions of lockdep are not among them.
    ///
    /// # Panics
    ///
    /// If there are none, which is [`expect_proof`](Self::expect_proof).
    #[track_caller]
    pub fn expect_violations(self, kinds: impl IntoIterator<Item = ViolationKind>) -> Scenario {
        self.expect(Expectation::Refuted(sorted(kinds)))
    }

    /// Expects that these violations are reachable, whatever others are.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[track_caller]
    pub fn expect_at_least(self, kinds: impl IntoIterator<Item = ViolationKind>) -> Scenario {
        self.expect(Expectation::RefutedAtLeast(sorted(kinds)))
    }

    /// Expects nothing: to look at the report first.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Engine, Scenario};
    ///
    /// let scenario = Scenario::builder("example/look", || Mutex::new("A", ()))
    ///     .thread("T", |a| {
    ///         let _a = a.lock();
    ///         let _again = a.lock();
    ///     })
    ///     .build();
    /// let report = scenario.verify(Engine::Native);
    /// assert!(report.to_string().starts_with("refuted\n  deadlock(A): deadlock: T holds A"));
    /// ```
    pub fn build(self) -> Scenario {
        self.expect(Expectation::Unstated)
    }

    fn expect(self, expected: Expectation) -> Scenario {
        let Self { name, about, source, world, threads, finally, starvation_free, preempt_rt } =
            self;
        let names = threads.iter().map(|(name, _)| Arc::clone(name)).collect();
        let program = move || {
            if preempt_rt {
                runtime::setting::set_preempt_rt();
            }
            let shared = Arc::new(world());
            runtime::setting::set_world(&(Arc::clone(&shared) as Arc<dyn Any + Send + Sync>));
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

/// Sorts the violations, each once.
#[track_caller]
fn sorted(kinds: impl IntoIterator<Item = ViolationKind>) -> Vec<ViolationKind> {
    let kinds: BTreeSet<ViolationKind> = kinds.into_iter().collect();
    assert!(!kinds.is_empty(), "a scenario without violations expects a proof: `.expect_proof()`");
    kinds.into_iter().collect()
}

impl<W> fmt::Debug for ScenarioBuilder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScenarioBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
