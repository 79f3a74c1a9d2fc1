//! `struct workqueue_struct`: works that run in the order in which they were queued, with a bound
//! on how many run at a time.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::name::Name;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime::object::Object;

use super::Work;
use super::works::{Works, do_and_wait};

/// The kernel's `struct workqueue_struct`.
///
/// The rules are those of `kernel/workqueue.c` and `Documentation/core-api/workqueue.rst`, v6.6.
/// The first works on the queue are active, so that at most `max_active` run at a time. Any of the
/// active works may begin first. On an ordered queue (`alloc_ordered_workqueue`) `max_active` is 1:
/// works run one after the other, in the order in which they were queued. For lockdep, a worker
/// that runs a work holds the queue, and within it the work. A thread that flushes the queue waits
/// for the queue, and so does a thread that flushes a work of an ordered queue.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Mutex, Workqueue};
/// use std::sync::Arc;
/// let log = Arc::new(Mutex::new("log", Vec::new()));
/// let queue = Workqueue::ordered("events");
/// let note = |n: u32| {
///     let log = Arc::clone(&log);
///     queue.init_work("note", move |_| log.lock().push(n))
/// };
/// let (one, two) = (note(1), note(2));
/// queue.queue_work(&one);
/// queue.queue_work(&two);
/// queue.destroy_workqueue();
/// assert_eq!(*log.lock(), [1, 2]);
/// # });
/// ```
///
/// # What is left out
///
/// - A work belongs to one queue, and each work has its own worker. In the kernel workers are
///   shared, and there may be no memory for another one (`WQ_MEM_RECLAIM`); neither delays a work
///   here.
/// - An operation on a work happens at its queue, so it touches no memory that the work lives in
///   ([`Tracked::with`](super::Tracked::with)). An operation on a [`Work`] with a queue of its own
///   does.
pub struct Workqueue {
    queue: Arc<Object>,
    ordered: bool,
}

impl Workqueue {
    /// `alloc_workqueue`: creates a queue of lock class `class` that runs at most `max_active`
    /// works at a time.
    ///
    /// # Panics
    ///
    /// If `max_active` is 0, which in the kernel stands for a default of 256.
    #[doc(alias = "alloc_workqueue")]
    pub fn new(class: impl Into<Name>, max_active: usize) -> Self {
        Self::of(class, max_active, Works::new(max_active))
    }

    /// `alloc_workqueue` with `WQ_FREEZABLE`: creates a queue that
    /// [`freeze_workqueues_begin`](Self::freeze_workqueues_begin) freezes.
    ///
    /// # Panics
    ///
    /// As for [`new`](Self::new).
    #[doc(alias("alloc_workqueue", "WQ_FREEZABLE"))]
    pub fn freezable(class: impl Into<Name>, max_active: usize) -> Self {
        Self::of(class, max_active, Works::new(max_active).freezable())
    }

    fn of(class: impl Into<Name>, max_active: usize, works: Works) -> Self {
        assert!(max_active > 0, "a workqueue that runs nothing");
        let queue = Arc::new(Object::new(class, Box::new(works)));
        Self { queue, ordered: max_active == 1 }
    }

    /// `alloc_ordered_workqueue`: creates a queue that runs one work at a time.
    #[doc(alias = "alloc_ordered_workqueue")]
    pub fn ordered(class: impl Into<Name>) -> Self {
        Self::new(class, 1)
    }

    /// `INIT_WORK`: creates a work that is queued only here. See [`Work::new`].
    #[doc(alias = "INIT_WORK")]
    #[track_caller]
    pub fn init_work(
        &self,
        class: impl Into<Name>,
        function: impl Fn(&Work) + Send + Sync + 'static,
    ) -> Work {
        Work::on(&self.queue, self.ordered, class, function)
    }

    /// `queue_work`: queues the work, and returns whether it was not queued yet. A world may be
    /// created with queued work.
    ///
    /// # Panics
    ///
    /// If the work belongs to another queue.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::UseAfterRelease`](crate::ViolationKind::UseAfterRelease) if the queue is
    /// being destroyed or has been. The invariant `drain_workqueue` if the queue is being drained,
    /// for which the kernel warns (`__queue_work`); only works of the queue may still queue others
    /// then.
    #[track_caller]
    pub fn queue_work(&self, work: &Work) -> bool {
        assert!(work.is_on(&self.queue), "the work is of another queue: see `init_work`");
        work.queue_work()
    }

    /// `flush_workqueue`: waits until every work that is queued or runs now has returned.
    #[track_caller]
    pub fn flush_workqueue(&self) {
        let at = Location::caller();
        let perform = |kind| self.queue.perform(Op::new(kind), at);
        do_and_wait(perform, OpKind::FlushWorkqueue, OpKind::AwaitFlush);
    }

    /// `drain_workqueue`: waits until nothing is queued or runs. Meanwhile only works of the queue
    /// may queue others.
    #[track_caller]
    pub fn drain_workqueue(&self) {
        let at = Location::caller();
        self.queue.perform(Op::new(OpKind::DrainWorkqueue), at);
        self.queue.perform(Op::new(OpKind::AwaitDrain), at);
    }

    /// `freeze_workqueues_begin`, restricted to this queue. It has no effect if the queue is not
    /// freezable. `Documentation/core-api/workqueue.rst`: "Work items on the wq are drained and no
    /// new work item starts execution until thawed". Works that are active by then still run: "all
    /// freezable workqueues will queue new works to their inactive_works list instead of
    /// pool->worklist" (`kernel/workqueue.c`).
    #[track_caller]
    pub fn freeze_workqueues_begin(&self) {
        self.queue.perform(Op::new(OpKind::FreezeWorkqueues), Location::caller());
    }

    /// `freeze_workqueues_busy`, restricted to this queue: returns whether works of a freezable
    /// queue are still active; after the freeze, whether those that were active by then have not
    /// returned.
    #[track_caller]
    pub fn freeze_workqueues_busy(&self) -> bool {
        self.queue.perform(Op::new(OpKind::FreezeWorkqueuesBusy), Location::caller()) == 1
    }

    /// `thaw_workqueues`, restricted to this queue: lets works begin again.
    #[track_caller]
    pub fn thaw_workqueues(&self) {
        self.queue.perform(Op::new(OpKind::ThawWorkqueues), Location::caller());
    }

    /// `destroy_workqueue`: drains the queue and destroys it.
    #[track_caller]
    pub fn destroy_workqueue(&self) {
        let at = Location::caller();
        self.queue.perform(Op::new(OpKind::DestroyWorkqueue), at);
        self.queue.perform(Op::new(OpKind::AwaitDestroy), at);
    }
}

impl fmt::Debug for Workqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workqueue").field("object", &self.queue).finish_non_exhaustive()
    }
}
