//! What a thread of a scenario says beside its operations: which kernel function it is in, that it
//! may sleep, that it polls, what is broken.

use std::convert::Infallible;
use std::panic::Location;

use crate::op::Place;
use crate::runtime::object::unwinding;
use crate::runtime::{self, Runtime};

/// One of several calls of the running thread has returned; the next one begins anew.
pub(crate) fn call_returns() {
    match runtime::current() {
        Runtime::Native(execution) => execution.note_calls(),
        _ => runtime::host().into_iter().for_each(|host| host.note_calls()),
    }
    begin_anew();
}

/// Declares that the running thread carries nothing over from what it has done so far: what it does
/// next depends on this place in the program, and on how often it has begun anew, but on nothing
/// that it has learnt.
#[track_caller]
pub(crate) fn begin_anew() {
    if let Runtime::Native(execution) = runtime::current() {
        execution.forget(Location::caller());
    }
}

/// Polls for `what`: runs `round` again and again until it yields something, such as a flag that is
/// looked at every 20 ms.
///
/// Each round starts from what was known before the first; one that yields nothing carries nothing
/// over. So any number of them leads back to a state that was seen before. A thread that polls
/// counts as one that waits. That it can poll for good is a deadlock, named after `what`; that it may
/// look at the wrong time for ever is a starvation
/// ([`starvation_free`](crate::ScenarioBuilder::starvation_free)). A poll is told from an endless loop
/// whose rounds each get somewhere by what comes after; so something must, before the thread polls
/// again.
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
    let start = runtime::round();
    loop {
        if let Some(result) = round() {
            return result;
        }
        runtime::come_round(start);
    }
}

/// Declares what the running thread polls for, and yields what it did before.
fn polls(what: Option<&'static str>) -> Option<&'static str> {
    match runtime::current() {
        Runtime::Native(execution) => execution.polls(what),
        other => runtime::host()?.polls(runtime::me(&other), what),
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
///     .expect_violations([ViolationKind::invariant("INV-24")]);
/// scenario.assert_as_expected(Engine::Native);
/// ```
#[track_caller]
pub fn invariant_broken(id: &str, message: impl Into<String>) {
    broken_at(id, message.into(), Location::caller());
}

pub(crate) fn broken_at(id: &str, message: String, at: Place) {
    match runtime::current() {
        Runtime::Native(execution) => execution.invariant_broken(id, &message, at),
        other => match runtime::host() {
            Some(host) => host.invariant_broken(runtime::me(&other), id, &message, at),
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
///     .expect_violations([ViolationKind::sleep_in_atomic("vfree", "list_lock")]);
/// scenario.assert_as_expected(Engine::Native);
/// ```
#[track_caller]
pub fn might_sleep(what: &str) {
    might_sleep_at(what, Location::caller());
}

pub(crate) fn might_sleep_at(what: &str, at: Place) {
    match runtime::current() {
        Runtime::Native(execution) => execution.might_sleep(what, at),
        other => {
            if let Some(host) = runtime::host() {
                host.might_sleep(runtime::me(&other), what, at);
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
/// # selvedge_core::check(|| vfio_ap_mdev_resource_in_use(&Mutex::new("matrix_dev->lock", ())));
/// ```
pub fn function(name: &'static str) -> Function {
    match runtime::current() {
        Runtime::Native(execution) => execution.enter_function(name),
        other => {
            if let Some(host) = runtime::host() {
                host.enter_function(runtime::me(&other), name);
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
        match runtime::current() {
            Runtime::Native(execution) => execution.leave_function(),
            other => {
                if let Some(host) = runtime::host() {
                    host.leave_function(runtime::me(&other));
                }
            }
        }
    }
}
