//! `struct work_struct`: a function that a worker runs later, and the wait for it.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::declare;
use crate::name::Name;
use crate::op::{Op, Place};
use crate::operations::OpKind;
use crate::runtime::object::Object;

use super::again::{Stage, spawn_again};
use super::outside::Outside;
use super::works::{
    DRAINED, NOT_QUEUED, QUEUED_WITHOUT_WORKER, UNBALANCED, WAS_PENDING, Works, do_and_wait,
};

/// The kernel's `struct work_struct`, on a queue of its own or on a
/// [`Workqueue`](super::Workqueue).
///
/// A work is queued at most once, may be queued again while it runs, and never runs twice at a
/// time. A thread that flushes or cancels it waits for it, so that deadlocks if the thread holds a
/// lock that the work takes. lockdep predicts that, as the kernel's does. The worker is a thread
/// that is named after the work. It begins when the work is first queued and idles between two
/// runs; it may idle when the world ends.
///
/// The function may free the memory that the `work_struct` is in, and so may another thread once
/// the function has accessed it for the last time (`process_one_work` in `kernel/workqueue.c`).
///
/// # What is left out
///
/// There is no time: a delay may end at once. There is always a worker: a work runs as soon as its
/// queue permits.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Mutex, Work};
/// use std::sync::Arc;
/// let resets = Arc::new(Mutex::new("q->lock", 0));
/// let count = Arc::clone(&resets);
/// let work = Work::new("reset_work", move |_| *count.lock() += 1);
/// assert!(work.queue_work());
/// work.flush_work();
/// assert_eq!(*resets.lock(), 1);
/// # });
/// ```
#[doc(alias("struct work_struct", "struct delayed_work"))]
pub struct Work {
    inner: Arc<Inner>,
}

struct Inner {
    class: Name,
    /// The works that are queued, and those that run.
    queue: Arc<Object>,
    /// The object that represents the work, if the queue has other works.
    own: Option<Object>,
    /// Whether the queue runs one work at a time.
    ordered: bool,
    /// The place where the work was initialised, which is where its function is.
    at: Place,
    function: Box<dyn Fn(&Work) + Send + Sync>,
}

impl Work {
    /// `INIT_WORK`: creates a work of lock class `class` that is not queued and runs `function`.
    ///
    /// `function` receives the work, to queue it again. It must be a function of the world alone,
    /// and carries nothing over from one run to the next. [`in_world`](crate::in_world) makes one
    /// of a function of the world. One that needs another object that contains the work stores a
    /// [`Weak`](std::sync::Weak) to that:
    /// ```
    /// # selvedge_core::check(|| {
    /// use selvedge_core::sync::{Mutex, Work};
    /// use std::sync::{Arc, Weak};
    /// struct Queue {
    ///     lock: Mutex<u32>,
    ///     reset: Work,
    /// }
    /// let queue = Arc::new_cyclic(|queue: &Weak<Queue>| {
    ///     let queue = Weak::clone(queue);
    ///     let reset = move |_: &Work| {
    ///         let queue = queue.upgrade().expect("the work is cancelled before");
    ///         *queue.lock.lock() += 1;
    ///     };
    ///     Queue { lock: Mutex::new("q->lock", 0), reset: Work::new("reset_work", reset) }
    /// });
    /// queue.reset.queue_work();
    /// queue.reset.cancel_work_sync();
    /// # });
    /// ```
    ///
    /// The work has a queue of its own, as on `system_wq` without its limit on the number of works
    /// that run at a time.
    #[doc(alias = "INIT_WORK")]
    #[track_caller]
    pub fn new(class: impl Into<Name>, function: impl Fn(&Self) + Send + Sync + 'static) -> Self {
        let class = class.into();
        let queue = Arc::new(Object::new(class, Box::new(Works::new(1))));
        let (at, function) = (Location::caller(), Box::new(function));
        Self { inner: Arc::new(Inner { class, queue, own: None, ordered: false, at, function }) }
    }

    /// Creates a work of `queue`.
    #[track_caller]
    pub(super) fn on(
        queue: &Arc<Object>,
        ordered: bool,
        class: impl Into<Name>,
        function: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        let (at, queue, function) = (Location::caller(), Arc::clone(queue), Box::new(function));
        let class = class.into();
        let own = Some(Object::new(class, Box::new(Outside { value: 0 })));
        Self { inner: Arc::new(Inner { class, queue, own, ordered, at, function }) }
    }

    /// Returns whether the work belongs to `queue`.
    pub(super) fn is_on(&self, queue: &Arc<Object>) -> bool {
        Arc::ptr_eq(&self.inner.queue, queue)
    }

    /// `queue_work`, `schedule_work`: queues the work, and returns whether it was not queued yet. A
    /// world may be created with queued work.
    ///
    /// # Violations
    ///
    /// See [`Workqueue::queue_work`](super::Workqueue::queue_work).
    #[doc(alias = "schedule_work")]
    #[track_caller]
    pub fn queue_work(&self) -> bool {
        let at = Location::caller();
        let queued = self.perform(OpKind::QueueWork, at);
        if queued == DRAINED {
            self.is_drained(at);
            return false;
        }
        self.start_worker(queued);
        queued != NOT_QUEUED
    }

    /// Starts the worker of the work, if it has been queued without one.
    fn start_worker(&self, queued: u64) {
        if queued == QUEUED_WITHOUT_WORKER {
            let (steps, work) = (self.handle(), self.handle());
            let report = move |stage| {
                let kind = match stage {
                    Stage::Begins => OpKind::WorkBegins,
                    Stage::Returns => OpKind::WorkReturns,
                };
                steps.perform(kind, steps.inner.at)
            };
            let number = self.inner.own.as_ref().unwrap_or(&self.inner.queue).number();
            spawn_again(self.inner.class.as_str(), number, report, move || {
                (work.inner.function)(&work)
            });
        }
    }

    /// `queue_delayed_work`, `schedule_delayed_work`: queues the work at some later moment, unless
    /// it is cancelled before. Returns whether it was not pending yet. Until then it is on no
    /// queue, so no flush waits for it.
    ///
    /// # Violations
    ///
    /// See [`Workqueue::queue_work`](super::Workqueue::queue_work), at the later moment.
    #[doc(alias = "schedule_delayed_work")]
    #[track_caller]
    pub fn queue_delayed_work(&self) -> bool {
        let reply = self.perform(OpKind::QueueDelayedWork, Location::caller());
        self.start_timer(reply);
        reply != NOT_QUEUED
    }

    /// `mod_delayed_work`: as [`queue_delayed_work`](Self::queue_delayed_work), and a work that is
    /// pending begins its delay again. Returns whether it was pending.
    #[track_caller]
    pub fn mod_delayed_work(&self) -> bool {
        let reply = self.perform(OpKind::ModDelayedWork, Location::caller());
        self.start_timer(reply & !WAS_PENDING);
        reply & WAS_PENDING != 0
    }

    /// Starts the thread of the delay of the work, if it is delayed without one.
    fn start_timer(&self, delayed: u64) {
        if delayed != QUEUED_WITHOUT_WORKER {
            return;
        }
        let work = self.handle();
        let report = move |stage| match stage {
            Stage::Begins => work.delay_ends(OpKind::DelayEnds, work.inner.at),
            Stage::Returns => NOT_QUEUED,
        };
        // The thread is another than the worker, which the number of the work stands for.
        let number = !self.inner.own.as_ref().unwrap_or(&self.inner.queue).number();
        let name = Name::from(format!("{} (delay)", self.inner.class));
        spawn_again(name.as_str(), number, report, || ());
    }

    /// Ends the delay of the work, which is queued then.
    fn delay_ends(&self, kind: OpKind, at: Place) -> u64 {
        let queued = self.perform(kind, at);
        if queued == DRAINED {
            self.is_drained(at);
        }
        self.start_worker(queued);
        queued
    }

    fn is_drained(&self, at: Place) {
        let what = format!("{} is queued on a workqueue that is drained", self.inner.class);
        declare::broken_at("drain_workqueue", what, at);
    }

    /// `flush_delayed_work`: ends the delay of the work, if it has one, and then as
    /// [`flush_work`](Self::flush_work).
    #[track_caller]
    pub fn flush_delayed_work(&self) {
        self.delay_ends(OpKind::FlushDelayedWork, Location::caller());
        self.flush_work();
    }

    /// `disable_work`: as [`cancel_work`](Self::cancel_work), and the work cannot be queued until
    /// it is enabled. Disables nest.
    #[doc(alias = "disable_delayed_work")]
    #[track_caller]
    pub fn disable_work(&self) -> bool {
        self.perform(OpKind::DisableWork, Location::caller()) > 0
    }

    /// `disable_work_sync`: the same, as [`cancel_work_sync`](Self::cancel_work_sync).
    #[doc(alias = "disable_delayed_work_sync")]
    #[track_caller]
    pub fn disable_work_sync(&self) -> bool {
        let at = Location::caller();
        do_and_wait(|kind| self.perform(kind, at), OpKind::DisableWorkSync, OpKind::AwaitCancel)
    }

    /// `enable_work`: undoes one disable, and returns whether the work can be queued again.
    ///
    /// # Violations
    ///
    /// The invariant `enable_work` if the work is not disabled, for which the kernel warns.
    #[doc(alias = "enable_delayed_work")]
    #[track_caller]
    pub fn enable_work(&self) -> bool {
        let at = Location::caller();
        let reply = self.perform(OpKind::EnableWork, at);
        if reply == UNBALANCED {
            declare::broken_at("enable_work", "unbalanced enable".to_owned(), at);
        }
        reply == 1
    }

    /// `flush_work`: waits until the work has returned, if it is queued or runs now.
    #[track_caller]
    pub fn flush_work(&self) {
        let at = Location::caller();
        do_and_wait(|kind| self.perform(kind, at), OpKind::FlushWork, OpKind::AwaitWork);
    }

    /// `cancel_work`, `cancel_delayed_work`: takes the work off its queue or its timer, and returns
    /// whether it was on it. "The work callback function may still be running on return"
    /// (`kernel/workqueue.c`).
    #[doc(alias = "cancel_delayed_work")]
    #[track_caller]
    pub fn cancel_work(&self) -> bool {
        self.perform(OpKind::CancelWork, Location::caller()) > 0
    }

    /// `cancel_work_sync`: takes the work off its queue, waits until it does not run, and returns
    /// whether it was on the queue. It cannot be queued meanwhile.
    #[doc(alias = "cancel_delayed_work_sync")]
    #[track_caller]
    pub fn cancel_work_sync(&self) -> bool {
        let at = Location::caller();
        do_and_wait(|kind| self.perform(kind, at), OpKind::CancelWorkSync, OpKind::AwaitCancel)
    }

    fn handle(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }

    fn perform(&self, kind: OpKind, at: Place) -> u64 {
        let a = u64::from(kind == OpKind::FlushWork && self.inner.ordered);
        let b = self.inner.own.as_ref().map_or(0, |own| own.number() + 1);
        self.inner.queue.perform(Op::with_two(kind, a, b), at)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.inner.own.as_ref().unwrap_or(&self.inner.queue);
        f.debug_struct("Work").field("object", object).finish_non_exhaustive()
    }
}
