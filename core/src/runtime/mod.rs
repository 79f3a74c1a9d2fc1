//! Runtimes, to which objects belong.
//!
//! One build has every engine. An engine that runs a scenario enters its runtime, and all objects
//! that are created meanwhile on this OS thread belong to that execution. Outside of any engine,
//! objects work on plain `std` threads. In a build with `--cfg loom` they work on loom, so that
//! models can be used inside the caller's own `loom::model(..)`.

#[cfg_attr(
    not(all(any(loom, feature = "loom"), feature = "shuttle")),
    expect(dead_code, reason = "each engine uses a part of it")
)]
mod choices;
#[cfg_attr(
    not(all(any(loom, feature = "loom"), feature = "shuttle")),
    expect(dead_code, reason = "each engine uses a part of it")
)]
mod host;
pub(crate) mod interrupts;
#[macro_use]
mod monitor;
pub(crate) mod native;
pub(crate) mod object;
pub(crate) mod setting;
#[cfg(any(loom, feature = "loom"))]
pub(crate) use choices::ChoicePoint;
#[cfg(any(loom, feature = "loom", feature = "shuttle"))]
pub(crate) use choices::ChoiceSource;
pub(crate) use host::Host;
#[cfg(feature = "shuttle")]
pub(crate) use host::PendingOp;

use std::cell::RefCell;
use std::hash::{BuildHasher, Hash, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::observe::Seen;
use crate::op::{Place, ThreadId};
use crate::operations::Assumption;
use crate::program::Body;
use crate::runtime::native::History;
use crate::runtime::object::Object;

monitor!(
    /// Objects on plain threads.
    std_host, std
);
#[cfg(any(loom, feature = "loom"))]
monitor!(
    /// Objects on loom, which use only its `Mutex` and its `Condvar` in a predicate loop. loom
    /// 0.7.2 explores these completely.
    loom_host, ::loom
);
#[cfg(any(loom, feature = "loom"))]
mod loom_checker;
#[cfg(any(loom, feature = "loom"))]
pub(crate) mod loom_word;
#[cfg(feature = "shuttle")]
monitor!(
    /// Objects on shuttle.
    shuttle_host, ::shuttle
);

/// A runtime, with its execution if an engine started it.
#[derive(Clone)]
pub(crate) enum Runtime {
    Native(Rc<native::Execution>),
    #[cfg_attr(loom, expect(dead_code, reason = "loom stands in for it"))]
    Std,
    #[cfg(any(loom, feature = "loom"))]
    Loom(Option<Arc<Host>>),
    #[cfg(feature = "shuttle")]
    Shuttle(Option<Arc<Host>>),
}

thread_local! {
    static CURRENT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// Returns the runtime in charge on this OS thread.
pub(crate) fn current() -> Runtime {
    CURRENT.with_borrow(Clone::clone).unwrap_or(default_runtime())
}

#[cfg(loom)]
fn default_runtime() -> Runtime {
    Runtime::Loom(None)
}

#[cfg(not(loom))]
fn default_runtime() -> Runtime {
    Runtime::Std
}

/// Puts `runtime` in charge until the result is dropped.
pub(crate) fn enter(runtime: Runtime) -> InCharge {
    InCharge { outer: CURRENT.replace(Some(runtime)) }
}

/// A guard that restores the previous runtime.
#[must_use]
pub(crate) struct InCharge {
    outer: Option<Runtime>,
}

impl Drop for InCharge {
    fn drop(&mut self) {
        CURRENT.set(self.outer.take());
    }
}

/// The message for an object that is used outside of the execution that it belongs to.
pub(crate) const OUTSIDE: &str = "an object was used outside of the execution it was made in: \
                                  what threads share is made in the scenario's world";

/// The message for a round without a visible operation.
pub(crate) const EMPTY_ROUND: &str = "a round has no operation, so it never ends";

/// The message for a wait in the set-up or the final check.
pub(crate) const ALONE: &str = "would wait for ever: no other thread runs now";

/// Returns whether an engine runs a scenario on this OS thread.
fn engine_in_charge() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Returns the native execution in charge.
///
/// # Panics
///
/// If there is none: an object outlived the execution in which it was created.
pub(crate) fn native() -> Rc<native::Execution> {
    CURRENT.with_borrow(|runtime| match runtime {
        Some(Runtime::Native(execution)) => Rc::clone(execution),
        _ => panic!("{OUTSIDE}"),
    })
}

/// Returns the execution in charge, if it runs on hosted threads.
pub(crate) fn host() -> Option<Arc<Host>> {
    match current() {
        Runtime::Native(_) | Runtime::Std => None,
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(host) => host,
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(host) => host,
    }
}

/// Chooses one of `outcomes`, for a thread that runs without an engine. loom requires the same
/// choice every time, so inside the caller's own `loom::model(..)` it is the first.
pub(crate) fn draw(outcomes: u8) -> u8 {
    match current() {
        Runtime::Std => (RandomState::new().hash_one(()) % u64::from(outcomes)) as u8,
        _ => 0,
    }
}

/// Returns the identity of a value, for engines that compare states.
pub(crate) fn value_id<T: Hash>(value: &T) -> u64 {
    match current() {
        Runtime::Native(execution) => execution.value_id(value),
        _ => 0,
    }
}

/// Declares the ordering that an access of a word asks for.
pub(crate) fn note_ordering(ordering: Ordering) {
    if let Runtime::Native(execution) = current() {
        execution.note_ordering(ordering, true);
    }
    if ordering != Ordering::SeqCst {
        note_seen(Seen::note_weak);
    }
}

/// Performs a fence of the running thread.
pub(crate) fn fence(ordering: Ordering, at: Place) {
    match current() {
        Runtime::Native(execution) if !std::thread::panicking() => execution.fence(ordering, at),
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(_) => ::loom::sync::atomic::fence(ordering),
        _ => {}
    }
}

/// Declares that there is a value without an identity.
pub(crate) fn note_opaque() {
    if let Runtime::Native(execution) = current() {
        execution.note_opaque();
    }
}

/// Notes what is to be known of all executions together.
pub(crate) fn note_seen(note: impl FnOnce(&mut Seen)) {
    match current() {
        Runtime::Native(execution) => execution.note_seen(note),
        _ => {
            if let Some(host) = host() {
                host.note_seen(note);
            }
        }
    }
}

/// Returns the observations of the running thread so far.
fn history() -> History {
    match current() {
        Runtime::Native(execution) => execution.history(),
        _ => 0,
    }
}

/// Declares that the running thread has observed something in its last operation, apart from the
/// reply.
pub(crate) fn observed(value: u64) {
    if let Runtime::Native(execution) = current() {
        execution.observed(value);
    }
}

/// The local state of a thread when it began a round, or an operation in several steps.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    history: History,
    /// The number of its operations, if that is counted.
    operations: usize,
}

/// Declares that the running thread begins a round.
pub(crate) fn round() -> Round {
    let operations = match current() {
        Runtime::Native(execution) => execution.operations(),
        other => host().map_or(0, |host| host.operations(me(&other))),
    };
    Round { history: history(), operations }
}

/// Declares that the running thread has returned to the local state in which it began `round`, and
/// carries nothing over.
///
/// # Panics
///
/// Under an engine, if it has performed no visible operation in the meantime.
pub(crate) fn come_round(round: Round) {
    count_from(round);
    if let Runtime::Native(execution) = current() {
        execution.rewind(round.history);
    }
}

/// Counts the operations of the running thread as if it were where it began `round`.
fn count_from(round: Round) {
    match current() {
        Runtime::Native(execution) => execution.come_round(round.operations),
        other => {
            if let Some(host) = host() {
                let me = me(&other);
                assert!(host.operations(me) > round.operations, "{EMPTY_ROUND}");
                host.come_round(me, round.operations);
            }
        }
    }
}

/// Declares that the running thread has come back to where it was at `since`, in a loop that
/// yields or waits. If it `polls`, it does not progress unless it sees something else than the last
/// time. The engine compares no states then, since the loop may carry something over.
pub(crate) fn loops(since: Round, polls: Option<&'static str>) {
    note_opaque();
    note_seen(|seen| seen.assume(Assumption::Loops));
    if round().operations <= since.operations {
        return;
    }
    if let Some(what) = polls {
        match current() {
            Runtime::Native(execution) => execution.spins_for(what),
            other => host().into_iter().for_each(|host| host.spins_for(me(&other), what)),
        }
    }
    // Its observations stay: it is not where it was for a search that compares states.
    count_from(since);
}

/// Lets other threads run, where the engine does not choose among all that can.
pub(crate) fn yield_now() {
    match current() {
        Runtime::Native(_) => {}
        Runtime::Std => std::thread::yield_now(),
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(_) => ::loom::thread::yield_now(),
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(_) => ::shuttle::thread::yield_now(),
    }
}

/// Puts the running thread into the local state that it would have if it had performed one
/// operation since `before` and had observed `reply`: it keeps none of its actual observations.
pub(crate) fn as_if_observed(before: Round, reply: u64) {
    if let Runtime::Native(execution) = current() {
        execution.as_if_observed(before.history, before.operations, reply);
    }
}

/// A thread that others wake wherever it sleeps.
pub(crate) trait Task: Send + Sync {
    /// Declares that the thread is about to join a queue on which it sleeps.
    fn sets_state(&self, queue: &Object, at: Place);

    /// Returns whether a signal is pending, which keeps the thread from an interruptible sleep.
    fn has_signal(&self, at: Place) -> bool;
}

/// Makes the running thread a task.
pub(crate) fn set_task(task: Arc<dyn Task>) {
    match current() {
        Runtime::Native(execution) => execution.set_task(task),
        Runtime::Std => std_host::set_task(task),
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(_) => loom_host::set_task(task),
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(_) => shuttle_host::set_task(task),
    }
}

/// Returns the running thread, if it is a task.
pub(crate) fn task() -> Option<Arc<dyn Task>> {
    match current() {
        Runtime::Native(execution) => execution.task(),
        Runtime::Std => std_host::task(),
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(_) => loom_host::task(),
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(_) => shuttle_host::task(),
    }
}

/// Returns the running thread.
pub(crate) fn me(runtime: &Runtime) -> ThreadId {
    match runtime {
        Runtime::Native(_) | Runtime::Std => std_host::me(),
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(_) => loom_host::me(),
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(_) => shuttle_host::me(),
    }
}

/// Starts a thread of the runtime in charge that is not joined. A thread that is started while the
/// world is created follows the scenario's own.
pub(crate) fn spawn_unjoined(name: &'static str, body: Body) {
    let body = match (current(), host()) {
        (Runtime::Native(execution), _) => execution.defer(name, body),
        (_, Some(host)) => host.defer(name, body),
        _ => Some(body),
    };
    if let Some(body) = body {
        spawn(name, None, body);
    }
}

/// Starts a thread of the runtime in charge; `end` is set when it has ended.
pub(crate) fn spawn(name: &'static str, end: Option<Arc<Object>>, body: Body) -> ThreadId {
    match current() {
        Runtime::Native(execution) => {
            let me = execution.spawn(name.into(), body);
            end.into_iter().for_each(|end| execution.set_end(me, &end));
            me
        }
        Runtime::Std => {
            let me = std_host::new_thread(name.into(), None);
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread
                .spawn(std_host::hosted(me, end, None, body))
                .expect("the operating system has no thread left");
            me
        }
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(host) => {
            let me = loom_host::new_thread(name.into(), host.as_deref());
            ::loom::thread::spawn(loom_host::hosted(me, end, host, body));
            me
        }
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(host) => {
            let me = shuttle_host::new_thread(name.into(), host.as_deref());
            ::shuttle::thread::spawn(shuttle_host::hosted(me, end, host, body));
            me
        }
    }
}
