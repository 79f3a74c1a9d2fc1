//! A kernel thread that others stop and park.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::declare;
use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::runtime;
use crate::runtime::object::Object;

use super::WaitQueue;

/// A kernel thread, as in `kernel/kthread.c`, v6.6.
///
/// [`kthread_run`](Self::kthread_run) starts it. Its function looks at
/// [`kthread_should_stop`](Self::kthread_should_stop) and sleeps by
/// [`wait_event`](Self::wait_event), from which [`wake_up_process`](Self::wake_up_process) and
/// [`kthread_stop`](Self::kthread_stop) wake it. `kthread_stop` waits for the end of the thread, so
/// it deadlocks if the caller holds a lock that the thread takes; lockdep predicts that. A thread
/// that ends by itself is freed then, so a later `kthread_stop` is a use after release, unless
/// [`get_task_struct`](Self::get_task_struct) has kept it.
///
/// # What is left out
///
/// `kthread_stop` and `kthread_park` wake the thread where it sleeps in this type only, and not on
/// a [`WaitQueue`]; in the kernel `wake_up_process` does, so `wait_event_interruptible(q, cond ||
/// kthread_should_stop())` ends there and is a deadlock here, whose report says so. Such a thread
/// waits by [`wait_event`](Self::wait_event) in the model, and who wakes `q` calls
/// [`wake_up_process`](Self::wake_up_process) too. There are no per-CPU threads and no
/// `kthread_worker`.
///
/// ```
/// use selvedge_core::sync::{Atomic, Kthread};
/// use selvedge_core::{Engine, Scenario, in_world};
///
/// struct World {
///     requests: Atomic,
///     thread: Kthread,
/// }
/// fn serve(w: &World) {
///     while !w.thread.kthread_should_stop() {
///         w.thread.wait_event(|| w.requests.load() > 0 || w.thread.kthread_should_stop());
///         w.requests.store(0);
///     }
/// }
/// let world = || World {
///     requests: Atomic::new("requests", 0),
///     thread: Kthread::new("server", in_world(serve)),
/// };
/// Scenario::builder("example/kthread", world)
///     .thread("driver", |w| {
///         w.thread.kthread_run();
///         w.requests.store(1);
///         w.thread.wake_up_process();
///         w.thread.kthread_stop();
///     })
///     .expect_proof()
///     .assert_as_expected(Engine::Native);
/// ```
pub struct Kthread {
    inner: Arc<Inner>,
}

struct Inner {
    class: Name,
    object: Object,
    /// Where the thread sleeps.
    task: WaitQueue,
    /// The place where the function was given.
    at: Place,
    function: Box<dyn Fn(&Kthread) + Send + Sync>,
}

impl Kthread {
    /// `kthread_create`: creates a thread of lock class `class` that is to run `function`.
    ///
    /// `function` receives the thread; [`in_world`](crate::in_world) makes one of a function of the
    /// world.
    #[doc(alias = "kthread_create")]
    #[track_caller]
    pub fn new(class: impl Into<Name>, function: impl Fn(&Self) + Send + Sync + 'static) -> Self {
        let class = class.into();
        let object = Object::new(class, Box::new(State::default()));
        let task = WaitQueue::new(format!("{class} (asleep)"));
        let (at, function) = (Location::caller(), Box::new(function));
        Self { inner: Arc::new(Inner { class, object, task, at, function }) }
    }

    /// `kthread_run`, `wake_up_process` of a new thread: starts the thread. A world may be created
    /// with running threads.
    ///
    /// # Violations
    ///
    /// The invariant `kthread_run` if it was started before.
    #[track_caller]
    pub fn kthread_run(&self) {
        let at = Location::caller();
        if self.perform(OpKind::KthreadRun, at) == 0 {
            declare::broken_at("kthread_run", "the thread was started before".to_owned(), at);
            return;
        }
        let thread = Self { inner: Arc::clone(&self.inner) };
        let body = move || {
            let at = thread.inner.at;
            if thread.perform(OpKind::KthreadBegins, at) != REFUSED {
                (thread.inner.function)(&thread);
            }
            thread.perform(OpKind::KthreadExits, at);
        };
        runtime::spawn_unjoined(self.inner.class.as_str(), Box::new(body));
    }

    /// `kthread_should_stop`: returns whether the thread is to return.
    #[track_caller]
    pub fn kthread_should_stop(&self) -> bool {
        self.perform(OpKind::KthreadShouldStop, Location::caller()) == 1
    }

    /// `kthread_stop`: asks the thread to return, wakes it, and waits until it has. A thread that
    /// has not begun yet never runs its function.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::UseAfterRelease`](crate::ViolationKind::UseAfterRelease) if the thread has
    /// returned by itself, and was not kept.
    #[track_caller]
    pub fn kthread_stop(&self) {
        let at = Location::caller();
        self.perform(OpKind::KthreadStop, at);
        self.inner.task.wake_up_all();
        self.perform(OpKind::AwaitKthread, at);
    }

    /// `kthread_should_park`: returns whether the thread is to park.
    #[track_caller]
    pub fn kthread_should_park(&self) -> bool {
        self.perform(OpKind::KthreadShouldPark, Location::caller()) == 1
    }

    /// `kthread_parkme`: if the thread is to park, sleeps until it is unparked or stopped.
    #[track_caller]
    pub fn kthread_parkme(&self) {
        let at = Location::caller();
        if self.perform(OpKind::KthreadParkme, at) == 1 {
            self.perform(OpKind::AwaitUnpark, at);
        }
    }

    /// `kthread_park`: asks the thread to park, wakes it, and waits until it has.
    #[track_caller]
    pub fn kthread_park(&self) {
        let at = Location::caller();
        self.perform(OpKind::KthreadPark, at);
        self.inner.task.wake_up_all();
        self.perform(OpKind::AwaitParked, at);
    }

    /// `kthread_unpark`: lets the thread continue.
    #[track_caller]
    pub fn kthread_unpark(&self) {
        self.perform(OpKind::KthreadUnpark, Location::caller());
    }

    /// `wake_up_process`: wakes the thread from [`wait_event`](Self::wait_event).
    ///
    /// # Violations
    ///
    /// As for [`kthread_stop`](Self::kthread_stop).
    #[track_caller]
    pub fn wake_up_process(&self) {
        self.perform(OpKind::WakeUpProcess, Location::caller());
        self.inner.task.wake_up_all();
    }

    /// The loop of a thread that sets its state and looks at a condition before `schedule`: sleeps
    /// until `condition` holds. See [`WaitQueue::wait_event`].
    #[doc(alias("set_current_state", "schedule"))]
    #[track_caller]
    pub fn wait_event(&self, condition: impl Fn() -> bool) {
        self.inner.task.wait_event(condition);
    }

    /// `get_task_struct`: keeps the thread after its end, so that it can still be stopped. A caller
    /// that does not know whether the thread has ended calls it before it starts the thread.
    ///
    /// # Violations
    ///
    /// As for [`kthread_stop`](Self::kthread_stop).
    #[track_caller]
    pub fn get_task_struct(&self) {
        self.perform(OpKind::GetTaskStruct, Location::caller());
    }

    fn perform(&self, kind: OpKind, at: Place) -> u64 {
        self.inner.object.perform(Op::new(kind), at)
    }
}

impl fmt::Debug for Kthread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kthread").field("object", &self.inner.object).finish_non_exhaustive()
    }
}

/// The state of a thread, as others see it.
#[derive(Clone, Default)]
struct State {
    started: bool,
    thread: Option<ThreadId>,
    should_stop: bool,
    should_park: bool,
    parked: bool,
    exited: bool,
    /// Whether the thread is kept after its end.
    kept: bool,
}

impl State {
    /// Returns whether the thread is freed: it has ended, and no thread has a reference to it.
    fn freed(&self) -> bool {
        self.exited && !self.kept
    }
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(match op.kind {
            OpKind::AwaitKthread => self.exited || !self.started,
            OpKind::AwaitParked => self.parked || self.exited,
            OpKind::AwaitUnpark => !self.should_park,
            _ => true,
        })
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let gone = self.freed();
        match op.kind {
            OpKind::KthreadStop
            | OpKind::KthreadPark
            | OpKind::KthreadUnpark
            | OpKind::WakeUpProcess
            | OpKind::GetTaskStruct
                if gone =>
            {
                return Err(Fault::UseAfterRelease);
            }
            OpKind::KthreadRun => {
                return Ok(u64::from(!std::mem::replace(&mut self.started, true)));
            }
            OpKind::KthreadBegins => {
                self.thread = Some(me);
                // kthread(): the function of a thread that is to stop is not called.
                return Ok(if self.should_stop { REFUSED } else { 0 });
            }
            OpKind::KthreadExits => self.exited = true,
            OpKind::KthreadShouldStop => return Ok(u64::from(self.should_stop)),
            OpKind::KthreadShouldPark => return Ok(u64::from(self.should_park)),
            // kthread_stop takes a reference, and unparks.
            OpKind::KthreadStop => {
                (self.should_stop, self.should_park, self.kept) = (true, false, true);
            }
            OpKind::KthreadPark => self.should_park = true,
            OpKind::KthreadUnpark => self.should_park = false,
            OpKind::KthreadParkme => {
                self.parked = self.should_park;
                return Ok(u64::from(self.should_park));
            }
            OpKind::AwaitUnpark => self.parked = false,
            OpKind::GetTaskStruct => self.kept = true,
            OpKind::AwaitKthread | OpKind::AwaitParked | OpKind::WakeUpProcess => {}
            other => unreachable!("{other} is not an operation of a kernel thread"),
        }
        Ok(0)
    }

    fn blockers(&self, _me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        let waits_for_it = matches!(op.kind, OpKind::AwaitKthread | OpKind::AwaitParked);
        self.thread.filter(|_| waits_for_it && !self.exited).into_iter().collect()
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let flags = [self.started, self.should_stop, self.should_park, self.parked];
        key.extend(flags.map(u64::from));
        key.extend([u64::from(self.exited), u64::from(self.kept)]);
        key.push(self.thread.map_or(0, |thread| thread.index() as u64 + 1));
    }
}
