//! Declarations of a thread apart from its operations: the kernel function it models, that it may
//! sleep, that it polls, a broken invariant.

use std::any::type_name;
use std::panic::Location;

use crate::name::Name;
use crate::observe::Seen;
use crate::observe::lockdep::Line;
use crate::op::Place;
use crate::runtime::object::unwinding;
use crate::runtime::{self, Runtime};

/// Notes that one of several calls of the running thread has returned; the next one begins anew.
pub(crate) fn call_returns() {
    runtime::note_seen(Seen::note_calls);
    begin_anew();
}

/// Declares that the running thread carries nothing over: what it does next depends on which thread
/// it is and on how often it has begun anew, but on none of its observations.
pub(crate) fn begin_anew() {
    if let Runtime::Native(execution) = runtime::current() {
        execution.forget();
    }
}

/// Polls for `what`: runs `round` repeatedly until it returns a value, such as a flag that a driver
/// reads every 20 ms.
///
/// Each round starts from what the thread had observed before the first; one that returns `None`
/// carries nothing over. Any number of rounds therefore leads back to a known state. A thread that
/// polls counts as one that waits. If it can poll for good, that is a deadlock, named after `what`.
/// If it can always look at the wrong time, that is a starvation
/// ([`starvation_free`](crate::ScenarioBuilder::starvation_free)). The operations after a poll
/// distinguish it from an endless loop, so the thread has to perform one before it polls again.
///
/// # Panics
///
/// Under the native engine, if a round performs no visible operation.
pub fn poll<R>(what: &'static str, round: impl Fn() -> Option<R>) -> R {
    let before = polls(Some(what));
    let result = rounds(round);
    polls(before);
    result
}

/// Runs `round` for ever, as a guest that executes PQAP in a loop.
///
/// Each round starts from what the thread had observed before the first and carries nothing over,
/// so that an endless program has finitely many states. The world has no final check then, and no
/// leaks, since it has no end.
///
/// # Panics
///
/// Under the native engine, if a round performs no visible operation.
pub fn forever(round: impl Fn()) -> ! {
    rounds(|| {
        round();
        None
    })
}

/// Runs `round` repeatedly until it returns a value, as [`poll`] does, for a thread that works in
/// each round, such as `while (!kthread_should_stop())`. It does not count as one that waits, so it
/// may go round for good.
///
/// ```
/// use selvedge_core::sync::{Kthread, Mutex};
/// use selvedge_core::{Engine, Scenario, in_world, rounds};
///
/// struct World {
///     requests: Mutex,
///     server: Kthread,
/// }
/// fn serve(w: &World) {
///     rounds(|| {
///         if w.server.kthread_should_stop() {
///             return Some(());
///         }
///         w.requests.lock().unlock();
///         None
///     });
/// }
/// let world = || World {
///     requests: Mutex::new("requests", ()),
///     server: Kthread::new("server", in_world(serve)),
/// };
/// Scenario::builder("example/rounds", world)
///     .thread("driver", |w| w.server.kthread_run())
///     .expect_proof()
///     .assert_as_expected(Engine::Native);
/// ```
///
/// # Panics
///
/// Under the native engine, if a round performs no visible operation.
pub fn rounds<R>(round: impl Fn() -> Option<R>) -> R {
    let start = runtime::round();
    loop {
        if let Some(result) = round() {
            return result;
        }
        runtime::come_round(start);
    }
}

/// Declares what the running thread polls for, and returns the previous declaration.
fn polls(what: Option<&'static str>) -> Option<&'static str> {
    match runtime::current() {
        Runtime::Native(execution) => execution.polls(what),
        other => runtime::host()?.polls(runtime::me(&other), what),
    }
}

/// Returns the function of a timer, a work, an interrupt or a thread that calls `function` with the
/// world of the scenario.
///
/// The objects of a world are made before the world is, so a function that is given to one of them
/// cannot refer to it. This makes one that looks the world up when it runs:
///
/// ```
/// use selvedge_core::sync::{Mutex, Work};
/// use selvedge_core::{Engine, Scenario, in_world};
///
/// struct World {
///     resets: Mutex<u32>,
///     reset_work: Work,
/// }
/// fn reset(world: &World) {
///     *world.resets.lock() += 1;
/// }
/// let world = || World {
///     resets: Mutex::new("q->lock", 0),
///     reset_work: Work::new("reset_work", in_world(reset)),
/// };
/// Scenario::builder("example/reset", world)
///     .thread("T", |w| {
///         w.reset_work.queue_work();
///         w.reset_work.flush_work();
///         assert_eq!(*w.resets.lock(), 1);
///     })
///     .expect_proof()
///     .assert_as_expected(Engine::Native);
/// ```
///
/// # Panics
///
/// The function panics outside of a scenario, and in one whose world is not a `W`.
pub fn in_world<W: Send + Sync + 'static, T: ?Sized>(
    function: impl Fn(&W) + Send + Sync + 'static,
) -> impl Fn(&T) + Send + Sync + 'static {
    move |_| world_of(&function)
}

/// Returns what `function` returns of the world of the scenario.
pub(crate) fn world_of<W: Send + Sync + 'static, R>(function: impl FnOnce(&W) -> R) -> R {
    let world = runtime::setting::world().expect("the function runs in a scenario");
    let of_this_type = format!("the world of the scenario is a `{}`", type_name::<W>());
    function(world.downcast_ref().expect(&of_this_type))
}

/// Reports that invariant `id`, such as `"INV-24"`, is violated. Under an engine this ends the
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

/// Declares that the running thread performs an operation that may sleep: `vfree`, or an
/// instruction that is repeated after a pause. Whether it actually sleeps makes no difference.
///
/// It corresponds to the kernel's `might_sleep()`. Objects that wait declare it themselves.
///
/// # Violations
///
/// [`ViolationKind::SleepInAtomic`](crate::ViolationKind::SleepInAtomic) if the thread holds a
/// spinlock, is in a read section of RCU, runs the function of an interrupt or a timer, or has
/// disabled interrupts, bottom halves or preemption.
///
/// ```
/// use selvedge_core::sync::SpinLock;
/// use selvedge_core::{Engine, Scenario, ViolationKind, might_sleep};
/// let scenario = Scenario::builder("example/vfree", || SpinLock::new("list_lock", ()))
///     .thread("T", |list_lock| {
///         let _held = list_lock.spin_lock();
///         might_sleep("vfree");
///     })
///     .expect_violations([ViolationKind::sleep_in_atomic("vfree", "list_lock")]);
/// scenario.assert_as_expected(Engine::Native);
/// ```
#[track_caller]
pub fn might_sleep(what: &str) {
    might_sleep_at(what, None, Location::caller());
}

/// Declares that `what` may sleep, or this function of the kernel on it.
pub(crate) fn might_sleep_at(what: &str, function: Option<&str>, at: Place) {
    match runtime::current() {
        Runtime::Native(execution) => execution.might_sleep(what, function, at),
        other => {
            if let Some(host) = runtime::host() {
                host.might_sleep(runtime::me(&other), what, function, at);
            }
        }
    }
}

/// Names the kernel function that the running thread models, until the result is dropped.
///
/// The names appear in traces and reports, next to the line of the model.
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

/// A modelled function, which lasts until this is dropped. See [`function`].
#[derive(Debug)]
#[must_use = "the function is left when this is dropped"]
pub struct Function(());

impl Drop for Function {
    fn drop(&mut self) {
        // A host that is unwinding its threads does not answer any more.
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

/// Names the line of a text that the running thread carries out, until the result is dropped.
///
/// An interpreter runs a program that is no Rust. Traces and reports then name this line instead of
/// the interpreter's own. An object that is created meanwhile, with the world, was declared in the
/// line.
///
/// ```
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Engine, Scenario, Verdict, source_line};
/// let scenario = Scenario::builder("example/line", || Mutex::new("A", ()))
///     .thread("T", |a| {
///         let _line = source_line("two-locks.txt", 7);
///         a.raw_lock();
///     })
///     .build();
/// let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else { panic!() };
/// assert_eq!(found[0].trace.steps[0].place(), "two-locks.txt:7");
/// ```
pub fn source_line(file: impl Into<Name>, number: u32) -> SourceLine {
    SourceLine(set_line(Some(Line { file: file.into().as_str(), number })))
}

/// A line of a text, which lasts until this is dropped. See [`source_line`].
#[derive(Debug)]
#[must_use = "the line is left when this is dropped"]
pub struct SourceLine(Option<Line>);

impl Drop for SourceLine {
    fn drop(&mut self) {
        // A host that is unwinding its threads does not answer any more.
        if !unwinding() {
            set_line(self.0);
        }
    }
}

fn set_line(line: Option<Line>) -> Option<Line> {
    match runtime::current() {
        Runtime::Native(execution) => execution.set_line(line),
        other => runtime::host()?.set_line(runtime::me(&other), line),
    }
}
