//! RCU: readers that never wait and may not sleep, and waits for these readers.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::declare;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime::object::{Object, unwinding};

use super::Tracked;
use super::readers::{Calls, Readers, in_softirq};

/// The kernel's RCU. The kernel has one domain; a scenario makes its own.
///
/// `synchronize_rcu` waits for every reader that has begun by then and for no later one. A reader
/// or a callback that sleeps is a violation
/// ([`ViolationKind::SleepInAtomic`](crate::ViolationKind::SleepInAtomic)). An object that is freed
/// too early is reported at the reader that touches it ([`Tracked`](super::Tracked)). Memory is
/// sequentially consistent here, so a reader has no stale data but what it read before.
///
/// # What is left out
///
/// Only readers delay a grace period: there is no kthread for it and no CPU goes offline.
///
/// A callback runs on an idle CPU, and never on top of the thread that it interrupts. Where that
/// would deadlock, lockdep predicts an inconsistent lock state, and leaves open whether it happens.
/// A [`Tasklet`](super::Tasklet) that the callback schedules shows the deadlock.
///
/// A pointer that is followed without [`Rcu::dereference`] is found to be used outside of a section
/// only if some thread frees the object.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Rcu, Tracked};
/// use std::sync::Arc;
/// let rcu = Rcu::new();
/// let domain = Arc::new(Tracked::new("s390_domain", ()));
/// let reader = rcu.read_lock();
/// domain.get();
/// reader.unlock();
/// rcu.call(move || domain.release());
/// rcu.synchronize();
/// # });
/// ```
pub struct Rcu {
    object: Arc<Object>,
}

impl Rcu {
    /// Creates a domain without readers. Its class is `rcu`.
    #[expect(clippy::new_without_default, reason = "it registers an object with the runtime")]
    pub fn new() -> Self {
        Self { object: Arc::new(Object::new("rcu", Box::new(Readers::default()))) }
    }

    /// Returns another handle on the domain.
    pub(super) fn handle(&self) -> Self {
        Self { object: Arc::clone(&self.object) }
    }

    /// `rcu_read_lock`: enters a read section, and never waits.
    #[doc(alias = "rcu_read_lock")]
    #[track_caller]
    pub fn read_lock(&self) -> RcuReader<'_> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::RcuReadLock), at);
        RcuReader { rcu: self, at }
    }

    /// `synchronize_rcu`: waits until every section that is open now has ended.
    #[doc(alias = "synchronize_rcu")]
    #[track_caller]
    pub fn synchronize(&self) {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::SynchronizeRcu), at);
        self.object.perform(Op::new(OpKind::AwaitGracePeriod), at);
    }

    /// `rcu_dereference`: follows a pointer to `object`, which a thread may free after a grace
    /// period.
    ///
    /// # Violations
    ///
    /// The invariant `rcu_dereference` if the thread is in no read section, for which the kernel's
    /// `PROVE_RCU` warns ("suspicious RCU usage") whether the object is freed or not.
    #[doc(alias("rcu_dereference", "rcu_dereference_check"))]
    #[track_caller]
    pub fn dereference<'a, T>(&self, object: &'a Tracked<T>) -> &'a T {
        let at = Location::caller();
        if self.object.observe_held() == Some(false) {
            let what = "suspicious RCU usage: the thread is in no read section";
            declare::broken_at("rcu_dereference", what.to_owned(), at);
        }
        object.get()
    }

    /// `rcu_dereference_protected`: follows a pointer that cannot change while the lock of the
    /// guard `_held` is held.
    #[doc(alias = "rcu_dereference_protected")]
    #[track_caller]
    pub fn dereference_protected<'a, T, G>(&self, object: &'a Tracked<T>, _held: &G) -> &'a T {
        object.get()
    }

    /// `call_rcu`: runs `callback` after a grace period that begins now or later.
    ///
    /// The callback runs in softirq, in a thread of its own, and may not sleep. It may call
    /// `call_rcu` again. `synchronize_rcu` does not wait for it, and [`barrier`](Self::barrier)
    /// does.
    #[doc(alias("call_rcu", "kfree_rcu"))]
    #[track_caller]
    pub fn call(&self, callback: impl FnOnce() + Send + 'static) {
        CALLS.call(&self.object, Location::caller(), || in_softirq(callback));
    }

    /// `rcu_barrier`: waits until every callback has returned that was called before.
    ///
    /// A module that uses `call_rcu` calls it before it is unloaded: "once all of the RCU callbacks
    /// have completed" its text can go (`Documentation/RCU/rcubarrier.rst`, v6.6). It does not wait
    /// for a grace period if there is no callback, nor for what the callbacks call in turn.
    #[doc(alias = "rcu_barrier")]
    #[track_caller]
    pub fn barrier(&self) {
        CALLS.barrier(&self.object, Location::caller());
    }
}

static CALLS: Calls = Calls {
    thread: "rcu callback",
    call: OpKind::CallRcu,
    begins: OpKind::RcuCallback,
    barrier: OpKind::RcuBarrier,
};

impl fmt::Debug for Rcu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rcu").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A read section of [`Rcu`]. Dropping it is `rcu_read_unlock`.
#[must_use = "the section lasts only as long as this lives"]
#[derive(Debug)]
pub struct RcuReader<'a> {
    rcu: &'a Rcu,
    at: &'static Location<'static>,
}

impl RcuReader<'_> {
    /// `rcu_read_unlock`: ends the section.
    #[doc(alias = "rcu_read_unlock")]
    #[track_caller]
    pub fn unlock(mut self) {
        self.at = Location::caller();
    }
}

impl Drop for RcuReader<'_> {
    fn drop(&mut self) {
        if !unwinding() {
            self.rcu.object.perform(Op::new(OpKind::RcuReadUnlock), self.at);
        }
    }
}
