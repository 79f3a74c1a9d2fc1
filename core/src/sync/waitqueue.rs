//! `wait_queue_head_t`: sleep until woken, with spurious wake-ups.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::declare;
use crate::name::Name;
use crate::op::{Op, Place, RECHECKS, RECHECKS_LOCKED};
use crate::operations::OpKind;
use crate::runtime::object::Object;
use crate::runtime::{self, Task};
use crate::sync::data::Value;
use crate::sync::{Interrupted, Mutex, MutexGuard};

use super::waiters::{CUT_SHORT, REPLIES_TIME, Waiters};

/// The observation of a thread that has slept and carries over nothing else from its wait.
const SLEPT: u64 = u64::MAX;

/// The kernel's `wait_queue_head_t`.
///
/// A sleeper may wake spuriously, without a wake-up. No thread may rely on that, so a state from
/// which only a spurious wake-up leads on is a deadlock. It is explored nevertheless, which finds a
/// waiter that does not check its condition again.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Mutex, WaitQueue};
/// let busy = Mutex::new("matrix_dev->lock", false);
/// let wait = WaitQueue::new("kvm_busy");
/// wait.wait_event(|| !*busy.lock());
/// wait.wake_up_all();
/// # });
/// ```
///
/// # Which waiters are woken
///
/// The rules are those of `kernel/sched/wait.c` and `include/linux/wait.h`, v6.6. An *exclusive*
/// waiter is one that is to be woken alone. It is queued at the tail, and the others are queued at
/// the head (`prepare_to_wait`, `prepare_to_wait_exclusive`); a waiter that is queued already keeps
/// its place. A wake-up walks the queue from the head and wakes each waiter, until it has woken its
/// number of exclusive waiters (`__wake_up_common`): one for `wake_up`, the argument for
/// `wake_up_nr`, all for `wake_up_all`. A waiter that is woken leaves the queue
/// (`autoremove_wake_function`). A waiter that does not sleep any more, because it woke for another
/// reason, is not woken: it stays in the queue and does not count. One such reason is that it is a
/// [`Kthread`](super::Kthread) that was stopped, parked or woken.
///
/// # Which threads may not wait
///
/// `wait_event` and its variants, except `wait_event_cmd`, declare that they may sleep before they
/// first evaluate the condition. With a spinlock held they are therefore a violation even if the
/// condition holds.
///
/// # What is left out
///
/// - In the kernel `wait_event` and its variants evaluate the condition before they queue the
///   thread. Here they do so if the queue lives in memory that can be released
///   ([`Tracked::with`](super::Tracked::with)), and for an exclusive waiter. Elsewhere only
///   `waitqueue_active` shows the difference: it may see a thread whose condition has held all the
///   time.
/// - In the kernel a thread sleeps or runs, whatever it waits for. Here it sleeps on one queue and
///   may run on another. After `prepare_to_wait` on two queues, as in `poll`, only a wake-up on the
///   queue that `schedule` names ends the sleep.
/// - In the kernel, a condition that itself sleeps, on a contended mutex, makes the thread evaluate
///   it once more. Here it does not.
/// - There is no time: a timeout may expire at any moment, and outside of any engine it expires at
///   once.
/// - A signal arrives while the thread sleeps. A signal that was pending before has the same
///   effect.
pub struct WaitQueue {
    class: Name,
    object: Object,
    /// Whether it is that of a kernel thread on which no other sleeps.
    of_task: bool,
}

/// The way in which a waiter sleeps.
#[derive(Clone, Copy)]
struct Manner {
    prepare: OpKind,
    sleep: OpKind,
}

impl Manner {
    const PLAIN: Self = Self { prepare: OpKind::PrepareToWait, sleep: OpKind::Sleep };
}

impl WaitQueue {
    /// Creates an empty wait queue, named after the event that is waited for.
    #[doc(alias = "init_waitqueue_head")]
    pub fn new(class: impl Into<Name>) -> Self {
        let class = class.into();
        let object = Object::new(class, Box::new(Waiters::default()));
        Self { class, object, of_task: false }
    }

    /// Creates the queue on which a kernel thread sleeps that waits for no other queue. Who wakes
    /// the thread wakes this queue.
    pub(super) fn of_task(class: Name) -> Self {
        Self { of_task: true, ..Self::new(format!("{class} (asleep)")) }
    }

    /// If the running thread is a kernel thread, lets others know that it may sleep here. In the
    /// kernel that is a part of `prepare_to_wait`. Here it comes before: a thread that is woken in
    /// between evaluates its condition after that.
    fn set_current_state(&self, at: Place) -> Option<Arc<dyn Task>> {
        let task = runtime::task().filter(|_| !self.of_task)?;
        task.sets_state(&self.object, at);
        Some(task)
    }

    /// `wait_event`: sleeps until `condition` holds. The condition is evaluated before the first
    /// sleep and after each wake-up, and must be a function of the world alone.
    #[track_caller]
    pub fn wait_event(&self, condition: impl Fn() -> bool) {
        self.wait_until(Manner::PLAIN, condition, Location::caller());
    }

    /// `wait_event` of an exclusive waiter: `wait_event_interruptible_exclusive` without the
    /// signal.
    ///
    /// Only this waiter has been woken. If it makes the condition false without using what it was
    /// woken for, it has to pass the wake-up on.
    ///
    /// ```
    /// # selvedge_core::check(|| {
    /// use selvedge_core::sync::{Atomic, WaitQueue};
    /// let tokens = Atomic::new("tokens", 1);
    /// let wait = WaitQueue::new("token_wait");
    /// wait.wait_event_exclusive(|| tokens.load() > 0);
    /// # });
    /// ```
    #[doc(alias = "wait_event_interruptible_exclusive")]
    #[track_caller]
    pub fn wait_event_exclusive(&self, condition: impl Fn() -> bool) {
        let manner = Manner { prepare: OpKind::PrepareToWaitExclusive, ..Manner::PLAIN };
        self.wait_until(manner, condition, Location::caller());
    }

    /// `wait_event_timeout`: as [`wait_event`](Self::wait_event), but with a timeout. Returns
    /// whether the condition held in the end: it is evaluated once more when the timeout has
    /// expired (`___wait_cond_timeout`).
    ///
    /// ```
    /// # selvedge_core::check(|| {
    /// use selvedge_core::sync::{Atomic, WaitQueue};
    /// let reset = Atomic::new("reset_done", 0);
    /// let wait = WaitQueue::new("reset_wait");
    /// assert!(!wait.wait_event_timeout(|| reset.load() == 1));
    /// # });
    /// ```
    #[track_caller]
    pub fn wait_event_timeout(&self, condition: impl Fn() -> bool) -> bool {
        let manner = Manner { sleep: OpKind::SleepTimeout, ..Manner::PLAIN };
        let at = Location::caller();
        if self.wait_until(manner, &condition, at) {
            return true;
        }
        self.object.perform(Op::new(OpKind::PrepareToWait), at);
        let holds = condition();
        self.object.perform(Op::new(OpKind::FinishWait), at);
        holds
    }

    /// `wait_event_interruptible`: as [`wait_event`](Self::wait_event), but a signal ends the wait
    /// too.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if a signal arrived and the condition does not hold even then. The kernel's
    /// callers return `-ERESTARTSYS` for it.
    #[track_caller]
    pub fn wait_event_interruptible(
        &self,
        condition: impl Fn() -> bool,
    ) -> Result<(), Interrupted> {
        self.wait_for_signal(OpKind::SleepInterruptible, condition, Location::caller())
    }

    /// `wait_event_killable`: as [`wait_event`](Self::wait_event), but a fatal signal ends the wait
    /// too.
    ///
    /// # Errors
    ///
    /// [`Interrupted`], as for [`wait_event_interruptible`](Self::wait_event_interruptible).
    #[track_caller]
    pub fn wait_event_killable(&self, condition: impl Fn() -> bool) -> Result<(), Interrupted> {
        self.wait_for_signal(OpKind::SleepKillable, condition, Location::caller())
    }

    fn wait_for_signal(
        &self,
        sleep: OpKind,
        condition: impl Fn() -> bool,
        at: Place,
    ) -> Result<(), Interrupted> {
        if self.wait_until(Manner { sleep, ..Manner::PLAIN }, &condition, at) {
            return Ok(());
        }
        // A thread with a signal leaves the queue first and evaluates the condition then, so that
        // no wake-up goes to a thread that stops waiting (`prepare_to_wait_event`).
        self.object.perform(Op::new(OpKind::FinishWait), at);
        if condition() { Ok(()) } else { Err(Interrupted) }
    }

    /// The kernel evaluates the condition once before it queues the thread. The difference is
    /// visible only where an exclusive waiter would consume the only wake-up in vain, and where the
    /// queue may be freed by the time the condition holds.
    fn looks_first(&self, manner: Manner) -> bool {
        manner.prepare == OpKind::PrepareToWaitExclusive || self.object.lives_in_memory()
    }

    /// Sleeps in this manner until `condition` holds, and leaves the queue, or until the sleep is
    /// cut short. Returns whether the condition held.
    fn wait_until(&self, manner: Manner, condition: impl Fn() -> bool, at: Place) -> bool {
        // `wait_event` and its variants begin with `might_sleep()`, in include/linux/wait.h, except
        // for `wait_event_cmd`.
        declare::might_sleep_at(self.class.as_str(), Some("wait_event"), at);
        if self.looks_first(manner) {
            let before = runtime::round();
            if condition() {
                return true;
            }
            runtime::come_round(before);
            runtime::observed(SLEPT);
        }
        let task = self.set_current_state(at);
        let has_signal = || {
            let interruptible = manner.sleep == OpKind::SleepInterruptible;
            interruptible && task.as_ref().is_some_and(|task| task.has_signal(at))
        };
        // Each round starts from what the thread had observed before the first, since `condition`
        // carries nothing over. Any number of wake-ups in vain therefore leads back to a known
        // state.
        let start = runtime::round();
        loop {
            self.object.perform(Op::new(manner.prepare), at);
            if condition() {
                break;
            }
            // While an exclusive waiter is awake, a wake-up goes to another, so a spurious wake-up
            // has an effect.
            let b = if manner.prepare == OpKind::PrepareToWait { RECHECKS } else { 0 };
            let sleep = Op::with_two(manner.sleep, 0, b);
            let cut_short = has_signal() || self.object.perform(sleep, at) == CUT_SHORT;
            runtime::come_round(start);
            if cut_short {
                runtime::observed(SLEPT);
                return false;
            }
        }
        self.object.perform(Op::new(OpKind::FinishWait), at);
        true
    }

    /// `wait_event_cmd` with a mutex that is released while the thread sleeps, and held again at
    /// the end. `condition` must be a function of the world alone.
    #[track_caller]
    pub fn wait_event_cmd<'a, T: Value>(
        &self,
        mutex: &'a Mutex<T>,
        mut guard: MutexGuard<'a, T>,
        condition: impl Fn(&T) -> bool,
    ) -> MutexGuard<'a, T> {
        let at = Location::caller();
        // With the lock held the evaluation is not a step.
        if condition(&guard) {
            return guard;
        }
        self.set_current_state(at);
        let start = runtime::round();
        loop {
            self.object.perform(Op::new(OpKind::PrepareToWait), at);
            if condition(&guard) {
                break;
            }
            guard.unlock();
            self.object.perform(Op::with_two(OpKind::Sleep, 0, RECHECKS_LOCKED), at);
            // As in `wait_event`, but a thread that has slept continues with the lock.
            runtime::come_round(start);
            runtime::observed(SLEPT);
            guard = mutex.lock();
        }
        self.object.perform(Op::new(OpKind::FinishWait), at);
        guard
    }

    /// `prepare_to_wait`: joins the queue. A wake-up from now on ends the next
    /// [`schedule`](Self::schedule) at once.
    ///
    /// The loop around it is one of [`rounds`](crate::rounds), so that any number of wake-ups in
    /// vain leads back to a known state:
    ///
    /// ```
    /// use selvedge_core::sync::{Atomic, WaitQueue};
    /// use selvedge_core::{Engine, Scenario, rounds};
    ///
    /// type World = (Atomic<bool>, WaitQueue);
    /// fn wait((done, queue): &World) {
    ///     rounds(|| {
    ///         queue.prepare_to_wait();
    ///         if done.load() {
    ///             return Some(());
    ///         }
    ///         queue.schedule();
    ///         None
    ///     });
    ///     queue.finish_wait();
    /// }
    /// Scenario::builder("example/loop", || (Atomic::new("done", false), WaitQueue::new("queue")))
    ///     .thread("waker", |(done, queue)| {
    ///         done.store(true);
    ///         queue.wake_up();
    ///     })
    ///     .threads(2, |i| format!("waiter {i}"), |world, _| wait(world))
    ///     .expect_proof()
    ///     .assert_as_expected(Engine::Native);
    /// ```
    ///
    /// A round carries nothing over to the next. What the first round finds out and the later ones
    /// use is found out before them: the first round is written once more, in front of `rounds`,
    /// whose closure captures the variable.
    ///
    /// ```
    /// # use selvedge_core::sync::{Atomic, WaitQueue};
    /// # use selvedge_core::rounds;
    /// // for (first = 1;; first = 0) { prepare_to_wait(..); if (first) before = seq; ..; }
    /// fn wait(seq: &Atomic, queue: &WaitQueue) {
    ///     queue.prepare_to_wait();
    ///     let before = seq.load();
    ///     queue.schedule();
    ///     rounds(|| {
    ///         queue.prepare_to_wait();
    ///         if seq.load() != before {
    ///             return Some(());
    ///         }
    ///         queue.schedule();
    ///         None
    ///     });
    ///     queue.finish_wait();
    /// }
    /// ```
    #[track_caller]
    pub fn prepare_to_wait(&self) {
        self.prepare(OpKind::PrepareToWait, Location::caller());
    }

    /// `prepare_to_wait_exclusive`: joins the queue as a waiter that is to be woken alone.
    #[track_caller]
    pub fn prepare_to_wait_exclusive(&self) {
        self.prepare(OpKind::PrepareToWaitExclusive, Location::caller());
    }

    fn prepare(&self, kind: OpKind, at: Place) {
        self.set_current_state(at);
        self.object.perform(Op::new(kind), at);
    }

    /// `schedule` after [`prepare_to_wait`](Self::prepare_to_wait): sleeps until woken, or until a
    /// spurious wake-up. A thread that has not prepared, or has been woken since, does not sleep.
    /// The loop around it is that of [`prepare_to_wait`](Self::prepare_to_wait).
    #[track_caller]
    pub fn schedule(&self) {
        self.object.perform(Op::new(OpKind::Sleep), Location::caller());
    }

    /// `schedule_timeout`: as [`schedule`](Self::schedule), and the sleep may end by itself at any
    /// moment. Returns whether there was time left; the kernel returns how much. Of a thread that
    /// was woken there may be none either: it is computed when the thread runs again
    /// (`kernel/time/timer.c`, v6.6).
    ///
    /// ```
    /// # selvedge_core::check(|| {
    /// use selvedge_core::sync::{Atomic, WaitQueue};
    /// let (done, wait) = (Atomic::new("done", false), WaitQueue::new("wait"));
    /// wait.prepare_to_wait();
    /// if !done.load() {
    ///     wait.schedule_timeout();
    /// }
    /// wait.finish_wait();
    /// # });
    /// ```
    #[doc(alias("schedule_timeout_interruptible", "schedule_timeout_uninterruptible"))]
    #[track_caller]
    pub fn schedule_timeout(&self) -> bool {
        let sleep = Op::with(OpKind::SleepTimeout, REPLIES_TIME);
        self.object.perform(sleep, Location::caller()) != CUT_SHORT
    }

    /// `finish_wait`: leaves the queue, after the loop of
    /// [`prepare_to_wait`](Self::prepare_to_wait).
    #[track_caller]
    pub fn finish_wait(&self) {
        self.object.perform(Op::new(OpKind::FinishWait), Location::caller());
    }

    /// `wake_up`: wakes every waiter that is not exclusive, and the first exclusive one that
    /// sleeps.
    #[track_caller]
    pub fn wake_up(&self) {
        self.object.perform(Op::new(OpKind::WakeOne), Location::caller());
    }

    /// `wake_up_nr`: wakes every waiter that is not exclusive, and `nr` exclusive ones. As in the
    /// kernel, 0 wakes all.
    #[track_caller]
    pub fn wake_up_nr(&self, nr: u32) {
        self.object.perform(Op::with(OpKind::WakeNr, u64::from(nr)), Location::caller());
    }

    /// `wake_up_all`: wakes every waiter.
    #[track_caller]
    pub fn wake_up_all(&self) {
        self.object.perform(Op::new(OpKind::WakeAll), Location::caller());
    }

    /// `waitqueue_active`: returns whether a thread is queued. Memory is sequentially consistent
    /// here, so the absence of the barrier that the kernel requires before it has no effect, and
    /// `wq_has_sleeper`, which has that barrier, is the same.
    #[doc(alias = "wq_has_sleeper")]
    #[track_caller]
    pub fn waitqueue_active(&self) -> bool {
        self.object.perform(Op::new(OpKind::WaitqueueActive), Location::caller()) == 1
    }

    /// Declares that this thread will wake the sleepers: it sets the flag they wait for.
    ///
    /// This has no effect on what can happen. It tells the observers which thread is waited for, so
    /// that a deadlock over a flag names its whole cycle and the lock-order check treats the flag
    /// as a lock. The kernel's lockdep cannot, and therefore did not report the `kvm_busy` scheme
    /// of v5.13.
    #[track_caller]
    pub fn promise(&self) {
        self.object.observe_promise(true, Location::caller());
    }

    /// Declares that the promise is kept: the flag is clear.
    #[track_caller]
    pub fn fulfil(&self) {
        self.object.observe_promise(false, Location::caller());
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").field("object", &self.object).finish_non_exhaustive()
    }
}
