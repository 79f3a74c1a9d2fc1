//! The seam: which runtime a new object belongs to.
//!
//! One build holds every engine. An engine that runs a scenario enters its runtime, and whatever
//! is made meanwhile on this OS thread belongs to that execution. Outside of any engine, objects
//! work on plain `std` threads; in a build with `--cfg loom` they work on loom, so that models
//! can be used inside anybody's own `loom::model(..)`.

#[macro_use]
#[cfg_attr(
    not(all(feature = "loom", feature = "shuttle")),
    expect(dead_code, reason = "each engine uses a part of it")
)]
mod host;
#[cfg(any(feature = "loom", feature = "shuttle"))]
pub(crate) use host::Chooser;
pub(crate) use host::Host;
#[cfg(feature = "loom")]
pub(crate) use host::Question;
#[cfg(feature = "shuttle")]
pub(crate) use host::Wish;

use std::cell::RefCell;
use std::convert::Infallible;
use std::hash::Hash;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use crate::engine::native::{self, History};
use crate::object::{Object, Place, unwinding};
use crate::op::ThreadId;
use crate::scenario::Body;

monitor!(
    /// Objects on plain threads.
    std_host, std
);
#[cfg(feature = "loom")]
monitor!(
    /// Objects on loom: nothing but its `Mutex` and its `Condvar` in a predicate loop, which
    /// loom 0.7.2 explores completely.
    loom_host, ::loom
);
#[cfg(feature = "loom")]
pub(crate) mod loom_word;
#[cfg(feature = "shuttle")]
monitor!(
    /// Objects on shuttle.
    shuttle_host, ::shuttle
);

/// A runtime, with the execution it runs if an engine started it.
#[derive(Clone)]
pub(crate) enum Runtime {
    Native(Rc<native::Execution>),
    #[cfg_attr(all(loom, feature = "loom"), expect(dead_code, reason = "loom stands in for it"))]
    Std,
    #[cfg(feature = "loom")]
    Loom(Option<Arc<Host>>),
    #[cfg(feature = "shuttle")]
    Shuttle(Option<Arc<Host>>),
}

thread_local! {
    static CURRENT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// The runtime in charge on this OS thread.
pub(crate) fn current() -> Runtime {
    CURRENT.with_borrow(Clone::clone).unwrap_or(default_runtime())
}

#[cfg(all(loom, feature = "loom"))]
fn default_runtime() -> Runtime {
    Runtime::Loom(None)
}

#[cfg(not(all(loom, feature = "loom")))]
fn default_runtime() -> Runtime {
    Runtime::Std
}

/// Puts `runtime` in charge until the result is dropped.
pub(crate) fn enter(runtime: Runtime) -> InCharge {
    InCharge { outer: CURRENT.replace(Some(runtime)) }
}

/// Restores the runtime that was in charge before.
#[must_use]
pub(crate) struct InCharge {
    outer: Option<Runtime>,
}

impl Drop for InCharge {
    fn drop(&mut self) {
        CURRENT.set(self.outer.take());
    }
}

/// Why an object of another execution, or of none, does not work in this one.
pub(crate) const OUTSIDE: &str = "an object was used outside of the execution it was made in: \
                                  what threads share is made in the scenario's world";

/// Why the set-up and the final check cannot wait.
pub(crate) const ALONE: &str = "would wait for ever: no other thread runs now";

/// Whether an engine runs a scenario on this OS thread.
fn engine_in_charge() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// The native execution in charge.
///
/// # Panics
///
/// If none is: an object outlived the execution it was made in.
pub(crate) fn native() -> Rc<native::Execution> {
    CURRENT.with_borrow(|runtime| match runtime {
        Some(Runtime::Native(execution)) => Rc::clone(execution),
        _ => panic!("{OUTSIDE}"),
    })
}

fn host() -> Option<Arc<Host>> {
    match current() {
        Runtime::Native(_) | Runtime::Std => None,
        #[cfg(feature = "loom")]
        Runtime::Loom(host) => host,
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(host) => host,
    }
}

/// The identity of a value, for engines that compare states.
pub(crate) fn value_id<T: Hash>(value: &T) -> u64 {
    match current() {
        Runtime::Native(execution) => execution.value_id(value),
        _ => 0,
    }
}

/// Declares that an access asks for less than sequential consistency.
pub(crate) fn note_weak() {
    match current() {
        Runtime::Native(execution) => execution.note_weak(),
        _ => host().into_iter().for_each(|host| host.note_weak()),
    }
}

/// Declares that a value has been seen that has no identity.
pub(crate) fn note_opaque() {
    if let Runtime::Native(execution) = current() {
        execution.note_opaque();
    }
}

/// What the running thread has been told so far.
pub(crate) fn history() -> History {
    match current() {
        Runtime::Native(execution) => execution.history(),
        _ => 0,
    }
}

/// Declares that the running thread has learnt something by its last operation, beside the reply.
pub(crate) fn learnt(value: u64) {
    if let Runtime::Native(execution) = current() {
        execution.learnt(value);
    }
}

/// Declares that the running thread knows no more than at `history`.
pub(crate) fn rewind(history: History) {
    if let Runtime::Native(execution) = current() {
        execution.rewind(history);
    }
}

/// Declares that the running thread carries nothing over from what it has done so far: what it
/// does next depends on this place in the program, and on how often the thread has forgotten
/// before, but on nothing it has learnt.
///
/// It belongs between two system calls of one thread. Otherwise an engine that compares states
/// tells them apart by everything that came before, and has more of them by a factor for each
/// call. A thread that does carry something over is noticed if it shows in its operations.
///
/// ```
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Engine, Scenario, Verdict, forget};
///
/// let states = |forgets: bool| {
///     let store = move |mask: &Mutex<u32>| {
///         for bit in 0..4 {
///             *mask.lock() ^= 1 << bit;
///             if forgets {
///                 forget();
///             }
///         }
///     };
///     let scenario = Scenario::builder("example/forget", || Mutex::new("mask", 0))
///         .thread("T1", store)
///         .thread("T2", store)
///         .proved();
///     scenario.verify(Engine::Native).certificate.states.unwrap()
/// };
/// assert!(states(true) < states(false));
/// ```
#[track_caller]
pub fn forget() {
    if let Runtime::Native(execution) = current() {
        execution.forget(Location::caller());
    }
}

/// Polls for `what`: runs `round` again and again until it yields something, such as a flag that is
/// looked at every 20 ms.
///
/// Each round starts from what was known before the first; one that yields nothing carries nothing
/// over. So any number of them leads back to a state that was seen before. Whoever polls never
/// waits, so that it does so for ever is no deadlock, but a starvation: see
/// [`nobody_starves`](crate::ScenarioBuilder::nobody_starves). It is told from an endless loop whose
/// rounds each get somewhere by what comes after; so something must, before the thread polls again.
///
/// # Panics
///
/// Under the native engine, if a round does nothing that others can see.
pub fn poll<R>(what: &'static str, round: impl Fn() -> Option<R>) -> R {
    let before = polls(Some(what));
    let result = rounds(round);
    polls(before);
    result
}

/// Runs `round` again and again: a guest that executes PQAP for ever.
///
/// Each round starts from what was known before the first and carries nothing over, so that an
/// endless program has finitely many states. The world has no final check then, and nothing is
/// left behind at an end that never comes.
///
/// # Panics
///
/// Under the native engine, if a round does nothing that others can see.
pub fn forever(round: impl Fn()) -> ! {
    match rounds(|| {
        round();
        None::<Infallible>
    }) {}
}

fn rounds<R>(round: impl Fn() -> Option<R>) -> R {
    let start = history();
    loop {
        if let Some(result) = round() {
            return result;
        }
        if let Runtime::Native(execution) = current() {
            assert!(execution.history() != start, "a round has no operation, so it never ends");
            execution.rewind(start);
        }
    }
}

/// Declares what the running thread polls for, and yields what it did before.
fn polls(what: Option<&'static str>) -> Option<&'static str> {
    match current() {
        Runtime::Native(execution) => execution.polls(what),
        _ => None,
    }
}

/// Reports that invariant `id`, such as `"INV-24"`, is broken. Under an engine this ends the
/// execution and is its result.
///
/// # Panics
///
/// Outside of any engine.
///
/// ```
/// use selvedge_core::{Engine, Scenario, ViolationKind, invariant_broken};
/// let scenario = Scenario::builder("example/broken", || ())
///     .thread("T", |()| invariant_broken("INV-24", "-EBUSY for nothing"))
///     .refuted([ViolationKind::invariant("INV-24")]);
/// scenario.assert_as_expected(Engine::Native);
/// ```
#[track_caller]
pub fn invariant_broken(id: &str, message: impl Into<String>) {
    broken_at(id, message.into(), Location::caller());
}

pub(crate) fn broken_at(id: &str, message: String, at: Place) {
    match current() {
        Runtime::Native(execution) => execution.invariant_broken(id, &message, at),
        other => match host() {
            Some(host) => host.invariant_broken(me(&other), id, &message, at),
            None => panic!("{id}: {message}"),
        },
    }
}

/// Declares that the running thread is about to do something that may sleep: `vfree`, an
/// instruction that is repeated after a pause. Whether it does sleep makes no difference.
///
/// The kernel says so with `might_sleep()`. Objects that wait say so themselves.
///
/// # Violations
///
/// [`ViolationKind::SleepInAtomic`](crate::ViolationKind::SleepInAtomic) if the thread has a
/// spinlock, is in a read section of RCU, or runs the function of a timer.
///
/// ```
/// use selvedge_core::sync::SpinLock;
/// use selvedge_core::{Engine, Scenario, ViolationKind, might_sleep};
/// let scenario = Scenario::builder("example/vfree", || SpinLock::new("list_lock", ()))
///     .thread("T", |list_lock| {
///         let _held = list_lock.lock();
///         might_sleep("vfree");
///     })
///     .refuted([ViolationKind::sleep_in_atomic("vfree", "list_lock")]);
/// scenario.assert_as_expected(Engine::Native);
/// ```
#[track_caller]
pub fn might_sleep(what: &str) {
    let at = Location::caller();
    match current() {
        Runtime::Native(execution) => execution.might_sleep(what, at),
        other => {
            if let Some(host) = host() {
                host.might_sleep(me(&other), what, at);
            }
        }
    }
}

/// Names the kernel function that the running thread models, until the result is dropped.
///
/// The names show in traces and reports, beside the line of the model.
///
/// ```
/// # use selvedge_core::{function, sync::Mutex};
/// fn vfio_ap_mdev_resource_in_use(matrix_dev_lock: &Mutex) {
///     let _function = function("vfio_ap_mdev_resource_in_use");
///     let _matrix_dev = matrix_dev_lock.lock();
/// }
/// # selvedge_core::doctest(|| vfio_ap_mdev_resource_in_use(&Mutex::new("matrix_dev->lock", ())));
/// ```
pub fn function(name: &'static str) -> Function {
    match current() {
        Runtime::Native(execution) => execution.enter_function(name),
        other => {
            if let Some(host) = host() {
                host.enter_function(me(&other), name);
            }
        }
    }
    Function(())
}

/// The modelled function runs until this is dropped. See [`function`].
#[derive(Debug)]
#[must_use = "the function is left when this is dropped"]
pub struct Function(());

impl Drop for Function {
    fn drop(&mut self) {
        // A host that is taking its threads down does not answer any more.
        if unwinding() {
            return;
        }
        match current() {
            Runtime::Native(execution) => execution.leave_function(),
            other => {
                if let Some(host) = host() {
                    host.leave_function(me(&other));
                }
            }
        }
    }
}

fn me(runtime: &Runtime) -> ThreadId {
    match runtime {
        Runtime::Native(_) | Runtime::Std => std_host::me(),
        #[cfg(feature = "loom")]
        Runtime::Loom(_) => loom_host::me(),
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(_) => shuttle_host::me(),
    }
}

/// Starts a thread of the runtime in charge; `end` is set when it has ended.
pub(crate) fn spawn(name: &'static str, end: Arc<Object>, body: Body) -> ThreadId {
    match current() {
        Runtime::Native(execution) => execution.spawn_joinable(name.into(), &end, body),
        Runtime::Std => {
            let me = std_host::new_thread(name.into(), None);
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread
                .spawn(std_host::hosted(me, Some(end), None, body))
                .expect("the operating system has no thread left");
            me
        }
        #[cfg(feature = "loom")]
        Runtime::Loom(host) => {
            let me = loom_host::new_thread(name.into(), host.as_deref());
            ::loom::thread::spawn(loom_host::hosted(me, Some(end), host, body));
            me
        }
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(host) => {
            let me = shuttle_host::new_thread(name.into(), host.as_deref());
            ::shuttle::thread::spawn(shuttle_host::hosted(me, Some(end), host, body));
            me
        }
    }
}
