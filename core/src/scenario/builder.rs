//! A scenario in the making.

use std::any::{Any, TypeId};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::declare;
use crate::expectation::Expectation;
use crate::program::{Body, Instance};
use crate::runtime;
use crate::violation::ViolationKind;

use super::threads::{Action, BuilderThread, Calls, Does};
use super::{Clients, Scenario};

/// A scenario in the making. It ends with what is expected: [`expect_proof`](Self::expect_proof),
/// [`expect_violations`](Self::expect_violations), [`expect_at_least`](Self::expect_at_least), or
/// [`build`](Self::build) to look first.
#[must_use = "a scenario ends with `.expect_proof()`, `.expect_violations(..)` or `.build()`"]
pub struct ScenarioBuilder<W> {
    name: String,
    about: String,
    source: String,
    world: Arc<dyn Fn() -> W + Send + Sync>,
    threads: Vec<BuilderThread<W>>,
    finally: Action<W>,
    starvation_free: bool,
    preempt_rt: bool,
    /// The functions that any number of threads run.
    clients: Vec<BuilderThread<W>>,
}

impl<W: Send + Sync + 'static> ScenarioBuilder<W> {
    pub(super) fn new(name: String, world: Arc<dyn Fn() -> W + Send + Sync>) -> Self {
        Self {
            name,
            about: String::new(),
            source: String::new(),
            world,
            threads: Vec::new(),
            finally: Arc::new(|_| {}),
            starvation_free: false,
            preempt_rt: false,
            clients: Vec::new(),
        }
    }

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
    pub fn thread<F: Fn(&W) + Send + Sync + 'static>(self, name: impl AsRef<str>, body: F) -> Self {
        let does = Does::function::<F>().map(Does::Function);
        self.thread_that_does(name.as_ref(), Arc::new(body), does)
    }

    /// Adds a thread. What it does is unlike any other thread if it is not said.
    fn thread_that_does(mut self, name: &str, body: Action<W>, does: Option<Does>) -> Self {
        let does = does.unwrap_or(Does::SameAs(self.threads.len()));
        self.threads.push(BuilderThread { name: name.into(), body, does });
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

    /// Adds `count` threads that do exactly the same, each with its name.
    ///
    /// The engine [searches](crate::Search) only one of the states that differ in which of these
    /// threads is where. It does so too for threads that were added one by one with the same
    /// function, if the function has captured nothing.
    ///
    /// `body` must not tell its threads apart, by a counter of its own for example.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Checker, Scenario, Search};
    ///
    /// let scenario = Scenario::builder("example/identical", || Mutex::new("lock", ()))
    ///     .identical_threads(6, |i| format!("T{i}"), |lock| lock.lock().unlock())
    ///     .expect_proof();
    /// let count = |search| Checker::native().search(search).run(&scenario).fingerprint;
    /// let (every, one_of_each) = (count(Search::Full), count(Search::Symmetric));
    /// assert!(one_of_each.states < every.states);
    /// assert_eq!(one_of_each.unreduced_states, every.states);
    /// ```
    pub fn identical_threads(
        mut self,
        count: usize,
        name: impl Fn(usize) -> String,
        body: impl Fn(&W) + Send + Sync + 'static,
    ) -> Self {
        let (body, does): (Action<W>, _) = (Arc::new(body), Does::SameAs(self.threads.len()));
        for number in 0..count {
            let body = Arc::clone(&body);
            self = self.thread_that_does(&name(number), body, Some(does.clone()));
        }
        self
    }

    /// Adds any number of threads, each of which runs `body` once: none, one, or as many as one
    /// likes, beside those that have a name of their own.
    ///
    /// The verdict is about every number. A proof for any number comes from *views*: what a few of
    /// the threads see of each other, of the objects, and of the others only whether some of them
    /// hold a lock or wait for it (P. A. Abdulla, F. Haziza and L. Holik, "All for the price of
    /// few", VMCAI 2013). A refutation has the smallest number of threads that was found, and its
    /// schedule is that of an ordinary scenario. Where the views cannot tell, the verdict is
    /// inconclusive and says why. What is checked at the end of an execution,
    /// [`finally`](Self::finally) and leaks, is checked for the small numbers that are explored one
    /// by one.
    ///
    /// A thread that makes one call is enough: what many threads do with one call each, few threads
    /// do with many calls.
    ///
    /// ```
    /// use selvedge_core::sync::Mutex;
    /// use selvedge_core::{Engine, Scenario, ViolationKind};
    ///
    /// type World = (Mutex, Mutex);
    /// fn world() -> World {
    ///     (Mutex::new("matrix_dev->lock", ()), Mutex::new("kvm->lock", ()))
    /// }
    /// fn set_kvm((matrix_dev_lock, kvm_lock): &World) {
    ///     let _matrix_dev = matrix_dev_lock.lock();
    ///     kvm_lock.lock().unlock();
    /// }
    /// fn ioctl((matrix_dev_lock, kvm_lock): &World) {
    ///     let _kvm = kvm_lock.lock();
    ///     matrix_dev_lock.lock().unlock();
    /// }
    /// Scenario::builder("example/any-number", world)
    ///     .any_number_of("set_kvm", set_kvm)
    ///     .expect_proof()
    ///     .assert_as_expected(Engine::Native);
    /// Scenario::builder("example/any-number", world)
    ///     .any_number_of("set_kvm", set_kvm)
    ///     .any_number_of("ioctl", ioctl)
    ///     .expect_violations([ViolationKind::deadlock(["matrix_dev->lock", "kvm->lock"])])
    ///     .assert_as_expected(Engine::Native);
    /// ```
    pub fn any_number_of(
        mut self,
        name: impl AsRef<str>,
        body: impl Fn(&W) + Send + Sync + 'static,
    ) -> Self {
        // No other thread does the same: a client has a group of its own in each instance.
        let does = Does::Clients(vec![self.clients.len()]);
        let (name, body) = (name.as_ref().into(), Arc::new(body));
        self.clients.push(BuilderThread { name, body, does });
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
        let functions: Option<Vec<TypeId>> = calls.iter().map(|(_, function)| *function).collect();
        let body = move |world: &W| {
            for (call, _) in &calls {
                call(world);
                declare::call_returns();
            }
        };
        self.thread_that_does(name.as_ref(), Arc::new(body), functions.map(Does::Calls))
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
    ///         in_world(|keys: &Keys| keys.event_lock.spin_lock().unlock()),
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

    /// Returns the same without clients, and with threads that make these calls of them instead.
    fn instance(&self, name: &str, calls: &[Vec<usize>]) -> Self {
        let mut threads = self.threads.clone();
        for (place, thread) in calls.iter().enumerate() {
            let before = calls[..place].iter().filter(|earlier| *earlier == thread).count();
            threads.push(self.thread_with_calls(thread, before + 1));
        }
        let name = format!("{}@{name}", self.name);
        Self { name, threads, clients: Vec::new(), ..self.clone() }
    }

    /// Returns the thread with this number of those that make these calls.
    fn thread_with_calls(&self, calls: &[usize], number: usize) -> BuilderThread<W> {
        let names: Vec<&str> = calls.iter().map(|call| &*self.clients[*call].name).collect();
        let name = format!("{} {number}", names.join("; ")).into();
        let bodies: Vec<Action<W>> =
            calls.iter().map(|call| Arc::clone(&self.clients[*call].body)).collect();
        let body: Action<W> = match bodies.as_slice() {
            [only] => Arc::clone(only),
            _ => Arc::new(move |world| {
                for call in &bodies {
                    call(world);
                    declare::call_returns();
                }
            }),
        };
        BuilderThread { name, body, does: Does::Clients(calls.to_vec()) }
    }

    /// Returns the scenario in which any number of threads do what each thread does.
    fn generalised(&self) -> Scenario {
        let mut clients: Vec<BuilderThread<W>> = self.clients.clone();
        for thread in &self.threads {
            if clients.iter().all(|client| client.does != thread.does) {
                clients.push(thread.clone());
            }
        }
        Self { clients, threads: Vec::new(), ..self.clone() }.expect(Expectation::Unstated)
    }

    fn expect(self, expected: Expectation) -> Scenario {
        if self.clients.is_empty() {
            return self.into_scenario(expected);
        }
        let name = self.name.clone();
        // What an engine without an answer would run, and what names the threads.
        let calls: Vec<Vec<usize>> = (0..self.clients.len()).map(|client| vec![client]).collect();
        let one_of_each = self.instance("1", &calls);
        let names = self.clients.iter().map(|client| Arc::clone(&client.name)).collect();
        let instance = {
            let expected = expected.clone();
            move |name: &str, calls: &[Vec<usize>]| {
                self.instance(name, calls).into_scenario(expected.clone())
            }
        };
        let clients = Some(Clients { names, instance: Arc::new(instance) });
        Scenario { name, clients, ..one_of_each.into_scenario(expected) }
    }

    fn into_scenario(self, expected: Expectation) -> Scenario {
        let generalised = {
            let builder = self.clone();
            Arc::new(move || builder.generalised())
        };
        let Self {
            name, about, source, world, threads, finally, starvation_free, preempt_rt, ..
        } = self;
        let names = threads.iter().map(|thread| Arc::clone(&thread.name)).collect();
        let first = |this: &BuilderThread<W>| {
            let first = threads.iter().position(|thread| thread.does == this.does);
            first.expect("every thread does what it does itself")
        };
        let alike = threads.iter().map(first).collect();
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
            let threads = threads.iter();
            let threads = threads.map(|thread| (Arc::clone(&thread.name), body(&thread.body)));
            Instance { threads: threads.collect(), finally }
        };
        Scenario {
            name,
            about,
            source,
            threads: names,
            alike,
            program: Arc::new(program),
            expected,
            exceptions: Vec::new(),
            inversions: Vec::new(),
            loom_executions: None,
            starvation_free,
            clients: None,
            generalised,
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

impl<W> Clone for ScenarioBuilder<W> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            about: self.about.clone(),
            source: self.source.clone(),
            world: Arc::clone(&self.world),
            threads: self.threads.clone(),
            finally: Arc::clone(&self.finally),
            starvation_free: self.starvation_free,
            preempt_rt: self.preempt_rt,
            clients: self.clients.clone(),
        }
    }
}

impl<W> fmt::Debug for ScenarioBuilder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScenarioBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
