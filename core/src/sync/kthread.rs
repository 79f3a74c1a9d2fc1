//! A kernel thread that others stop and park.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::declare;
use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;
use crate::runtime::{self, Task};

use super::WaitQueue;

/// A kernel thread, as in `kernel/kthread.c`, v6.6.
///
/// [`kthread_run`](Self::kthread_run) starts it. Its function looks at
/// [`kthread_should_stop`](Self::kthread_should_stop) and sleeps on a [`WaitQueue`], or by
/// [`wait_event`](Self::wait_event) if it is on none. [`kthread_stop`](Self::kthread_stop),
/// [`kthread_park`](Self::kthread_park) and [`wake_up_process`](Self::wake_up_process) wake it
/// there, and it evaluates its condition again. `kthread_stop` waits for the end of the thread, so
/// it deadlocks if the caller holds a lock that the thread takes; lockdep predicts that. A thread
/// that ends by itself is freed then, so a later `kthread_stop` is a use after release, unless
/// [`get_task_struct`](Self::get_task_struct) has kept it.
///
/// # Where the thread is woken
///
/// A thread sleeps or runs, wherever it is queued (`try_to_wake_up`, `kernel/sched/core.c`, v6.6).
/// One that is woken by name stays in the wait queue and is awake, so a `wake_up` of the queue goes
/// to another exclusive waiter. A wake-up before `prepare_to_wait` has no effect, and the thread
/// evaluates its condition after that (`set_current_state`, `include/linux/sched.h`).
///
/// `kthread_stop` sets `TIF_NOTIFY_SIGNAL` since v6.0. A thread that is to stop therefore does not
/// sleep in [`wait_event_interruptible`](WaitQueue::wait_event_interruptible), which returns
/// [`Interrupted`](super::Interrupted) unless its condition holds. In an older kernel the thread
/// sleeps on there if the condition does not look at `kthread_should_stop`: write
/// [`wait_event`](WaitQueue::wait_event), which is a deadlock here too.
///
/// # What is left out
///
/// The signal of `kthread_stop` does not end the interruptible waits for other objects, such as a
/// completion. There are no per-CPU threads and no `kthread_worker`.
///
/// ```
/// use selvedge_core::sync::{Atomic, Kthread, WaitQueue};
/// use selvedge_core::{Engine, Scenario, in_world};
///
/// struct World {
///     requests: Atomic,
///     queue: WaitQueue,
///     thread: Kthread,
/// }
/// fn serve(w: &World) {
///     while !w.thread.kthread_should_stop() {
///         w.queue.wait_event(|| w.requests.load() > 0 || w.thread.kthread_should_stop());
///         w.requests.store(0);
///     }
/// }
/// let world = || World {
///     requests: Atomic::new("requests", 0),
///     queue: WaitQueue::new("queue"),
///     thread: Kthread::new("server", in_world(serve)),
/// };
/// Scenario::builder("example/kthread", world)
///     .thread("driver", |w| {
///         w.thread.kthread_run();
///         w.requests.store(1);
///         w.queue.wake_up();
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
    /// Where the thread sleeps that waits for no queue.
    own: WaitQueue,
    /// The queues on which it has slept.
    queues: Mutex<Vec<Object>>,
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
        let (own, queues) = (WaitQueue::of_task(class), Mutex::default());
        let (at, function) = (Location::caller(), Box::new(function));
        Self { inner: Arc::new(Inner { class, object, own, queues, at, function }) }
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
            runtime::set_task(Arc::clone(&thread.inner) as Arc<dyn Task>);
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
        let asleep = self.perform(OpKind::KthreadStop, at);
        self.wake(asleep, at);
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
        let asleep = self.perform(OpKind::KthreadPark, at);
        self.wake(asleep, at);
        self.perform(OpKind::AwaitParked, at);
    }

    /// `kthread_unpark`: lets the thread continue.
    #[track_caller]
    pub fn kthread_unpark(&self) {
        self.perform(OpKind::KthreadUnpark, Location::caller());
    }

    /// `wake_up_process`: wakes the thread from its sleep on any queue.
    ///
    /// # Violations
    ///
    /// As for [`kthread_stop`](Self::kthread_stop).
    #[track_caller]
    pub fn wake_up_process(&self) {
        let at = Location::caller();
        let asleep = self.perform(OpKind::WakeUpProcess, at);
        self.wake(asleep, at);
    }

    /// Wakes the thread wherever it sleeps: on its own queue, at `asleep`, and on the other queues
    /// on which it has slept. One step for each is enough. A thread that leaves one of them for
    /// another meanwhile runs in between, and evaluates its condition after that.
    #[track_caller]
    fn wake(&self, mut asleep: u64, at: Place) {
        self.inner.own.wake_up_all();
        let mut place = 0;
        while let Some(Asleep { thread, queue, is_last }) = Asleep::from_word(asleep) {
            let queue = self.inner.queues().iter().find(|known| known.number() == queue).cloned();
            let queue = queue.expect("the thread has joined it");
            queue.perform(Op::with(OpKind::TryToWakeUp, thread.index() as u64), at);
            if is_last {
                break;
            }
            place += 1;
            asleep = self.inner.object.perform(Op::with(OpKind::WakeUpProcess, place), at);
        }
    }

    /// The loop of a thread that is on no queue, and sets its state and looks at a condition before
    /// `schedule`: sleeps until `condition` holds. See [`WaitQueue::wait_event`].
    #[doc(alias("set_current_state", "schedule"))]
    #[track_caller]
    pub fn wait_event(&self, condition: impl Fn() -> bool) {
        self.inner.own.wait_event(condition);
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

impl Inner {
    fn queues(&self) -> MutexGuard<'_, Vec<Object>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Inner {
    fn sets_state(&self, queue: &Object, at: Place) {
        let number = queue.number();
        if self.queues().iter().all(|known| known.number() != number) {
            self.queues().push(queue.clone());
        }
        self.object.perform(Op::with(OpKind::SetCurrentState, number), at);
    }

    /// `kthread_stop` sets `TIF_NOTIFY_SIGNAL`, since v6.0.
    fn has_signal(&self, at: Place) -> bool {
        self.object.perform(Op::new(OpKind::SignalPending), at) == 1
    }
}

/// A queue on which the thread may sleep.
struct Asleep {
    thread: ThreadId,
    queue: u64,
    /// Whether it has slept on no other after this one.
    is_last: bool,
}

impl Asleep {
    const IS_LAST: u64 = 1 << 31;

    /// Returns the word of a reply, which is not 0.
    fn to_word(&self) -> u64 {
        let is_last = if self.is_last { Self::IS_LAST } else { 0 };
        (self.thread.index() as u64) << 32 | is_last | (self.queue + 1)
    }

    fn from_word(word: u64) -> Option<Self> {
        let queue = (word & (Self::IS_LAST - 1)).checked_sub(1)?;
        let thread = ThreadId::new((word >> 32) as usize);
        Some(Self { thread, queue, is_last: word & Self::IS_LAST > 0 })
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
    /// The numbers of the queues on which it has slept.
    queues: SmallVec<[u64; 2]>,
}

impl State {
    /// Returns whether the thread is freed: it has ended, and no thread has a reference to it.
    fn freed(&self) -> bool {
        self.exited && !self.kept
    }

    /// Returns the queue at this place among those on which the thread has slept, or 0.
    fn asleep(&self, place: u64) -> u64 {
        let queue = self.queues.get(place as usize).copied().zip(self.thread);
        queue.map_or(0, |(queue, thread)| {
            let is_last = place + 1 == self.queues.len() as u64;
            Asleep { thread, queue, is_last }.to_word()
        })
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
                if gone && op.a == 0 =>
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
            OpKind::KthreadShouldStop | OpKind::SignalPending => {
                return Ok(u64::from(self.should_stop));
            }
            OpKind::KthreadShouldPark => return Ok(u64::from(self.should_park)),
            // kthread_stop takes a reference, and unparks.
            OpKind::KthreadStop => {
                (self.should_stop, self.should_park, self.kept) = (true, false, true);
                return Ok(self.asleep(0));
            }
            OpKind::KthreadPark => {
                self.should_park = true;
                return Ok(self.asleep(0));
            }
            OpKind::WakeUpProcess => return Ok(self.asleep(op.a)),
            OpKind::SetCurrentState => {
                let is_new = !self.queues.contains(&op.a);
                self.queues.extend(is_new.then_some(op.a));
                return Ok(u64::from(is_new));
            }
            OpKind::KthreadUnpark => self.should_park = false,
            OpKind::KthreadParkme => {
                self.parked = self.should_park;
                return Ok(u64::from(self.should_park));
            }
            OpKind::AwaitUnpark => self.parked = false,
            OpKind::GetTaskStruct => self.kept = true,
            OpKind::AwaitKthread | OpKind::AwaitParked => {}
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
        key.push(self.queues.len() as u64);
        key.extend(&self.queues);
    }
}
