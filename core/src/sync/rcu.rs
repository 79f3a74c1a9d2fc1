//! RCU: readers that never wait and may not sleep, and waits for these readers.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

use crate::cpu::Context;
use crate::declare;
use crate::machine::REFUSED;
use crate::op::{Op, Place};
use crate::operations::OpKind;
use crate::runtime::interrupts::{self, Source};
use crate::runtime::object::{Object, unwinding};
use crate::runtime::setting::preempt_rt;

use super::readers::{Calls, Readers};
use super::{RcuHead, Tracked, local_bh_disable, local_bh_enable};

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
/// A callback of a domain that is made by a thread, and not with the world, only ever runs on an
/// idle CPU. Where that hides a deadlock, lockdep predicts an inconsistent lock state and leaves
/// open whether it happens.
///
/// In the kernel, "regions of code across which .. preemption .. have been disabled also serve as
/// RCU read-side critical sections" (`synchronize_rcu`, `kernel/rcu/tree.c`, v6.6). Here they delay
/// no grace period, but for this: a callback does not run on top of a thread that has held or spun
/// for a spinlock since before the grace period began.
///
/// A pointer that is followed without [`Rcu::dereference`] is found to be used outside of a section
/// only if some thread frees the object.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Rcu, Tracked};
/// let rcu = Rcu::new();
/// let domain = Tracked::new("s390_domain", ());
/// let reader = rcu.read_lock();
/// domain.get();
/// reader.unlock();
/// rcu.synchronize();
/// domain.release();
/// # });
/// ```
pub struct Rcu {
    domain: Arc<Domain>,
}

impl Rcu {
    /// Creates a domain without readers. Its class is `rcu`.
    #[expect(clippy::new_without_default, reason = "it registers an object with the runtime")]
    #[track_caller]
    pub fn new() -> Self {
        Self { domain: Domain::new() }
    }

    /// Returns another handle on the domain.
    pub(super) fn handle(&self) -> Self {
        Self { domain: Arc::clone(&self.domain) }
    }

    /// `rcu_read_lock`: enters a read section, and never waits.
    #[doc(alias = "rcu_read_lock")]
    #[track_caller]
    pub fn read_lock(&self) -> RcuReader<'_> {
        let at = Location::caller();
        self.enter(at);
        RcuReader { rcu: self, at }
    }

    /// Begins a section, which [`leave`](Self::leave) ends.
    pub(crate) fn enter(&self, at: Place) {
        self.domain.object.perform(Op::new(OpKind::RcuReadLock), at);
    }

    /// Ends a section.
    pub(crate) fn leave(&self, at: Place) {
        if !unwinding() {
            self.domain.object.perform(Op::new(OpKind::RcuReadUnlock), at);
        }
    }

    /// `synchronize_rcu`: waits until every section that is open now has ended.
    #[doc(alias = "synchronize_rcu")]
    #[track_caller]
    pub fn synchronize(&self) {
        let at = Location::caller();
        self.domain.object.perform(Op::new(OpKind::SynchronizeRcu), at);
        self.domain.object.perform(Op::new(OpKind::AwaitGracePeriod), at);
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
        if self.domain.object.observe_held() == Some(false) {
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

    /// `call_rcu`: runs the function of `head` after a grace period that begins now or later.
    ///
    /// The function runs in softirq and may not sleep: in a thread of its own, on an idle CPU or on
    /// top of a thread that holds a spinlock with bottom halves enabled (see [`Irq`](super::Irq)).
    /// So it deadlocks if it takes that spinlock. It may call `call_rcu` again. `synchronize_rcu`
    /// does not wait for it, and [`barrier`](Self::barrier) does.
    ///
    /// ```
    /// use selvedge_core::sync::{Rcu, RcuHead, SpinLock};
    /// use selvedge_core::{Engine, Scenario, ViolationKind, in_world};
    ///
    /// struct World {
    ///     rcu: Rcu,
    ///     lock: SpinLock,
    ///     head: RcuHead,
    /// }
    /// fn called(w: &World) {
    ///     drop(w.lock.spin_lock());
    /// }
    /// let world = || World {
    ///     rcu: Rcu::new(),
    ///     lock: SpinLock::new("lock", ()),
    ///     head: RcuHead::new(in_world(called)),
    /// };
    /// let thread = |w: &World| {
    ///     w.rcu.call(&w.head);
    ///     drop(w.lock.spin_lock()); // spin_lock_bh keeps the callback off
    /// };
    /// Scenario::builder("example/call_rcu", world)
    ///     .thread("T", thread)
    ///     .expect_violations([ViolationKind::deadlock(["lock"])])
    ///     .assert_as_expected(Engine::Native);
    /// ```
    ///
    /// # Violations
    ///
    /// The invariant `call_rcu` if the head is queued already ("Probable double call_rcu()",
    /// `kernel/rcu/tree.c`, v6.6).
    #[doc(alias("call_rcu", "kfree_rcu"))]
    #[track_caller]
    pub fn call(&self, head: &RcuHead) {
        let idle_before = !self.domain.interrupts;
        let runs = move |head: &RcuHead| in_softirq(idle_before, || head.run());
        CALLS.call(&self.domain.object, head, Location::caller(), runs);
    }

    /// `rcu_barrier`: waits until every callback has returned that was called before.
    ///
    /// A module that uses `call_rcu` calls it before it is unloaded: "once all of the RCU callbacks
    /// have completed" its text can go (`Documentation/RCU/rcubarrier.rst`, v6.6). It does not wait
    /// for a grace period if there is no callback, nor for what the callbacks call in turn.
    #[doc(alias = "rcu_barrier")]
    #[track_caller]
    pub fn barrier(&self) {
        CALLS.barrier(&self.domain.object, Location::caller());
    }
}

/// What the handles on a domain share.
struct Domain {
    object: Arc<Object>,
    /// Whether its callbacks interrupt threads.
    interrupts: bool,
    at: Place,
}

impl Domain {
    #[track_caller]
    fn new() -> Arc<Self> {
        let object = Arc::new(Object::new("rcu", Box::new(Readers::default())));
        let at = Location::caller();
        Arc::new_cyclic(|own: &Weak<Self>| {
            let source = Weak::clone(own) as Weak<dyn Source>;
            Self { object, interrupts: !preempt_rt() && interrupts::add_source(source), at }
        })
    }
}

/// The callback runs in its own thread, for which the interrupted thread waits: it was made by
/// another thread, so the interrupted one cannot run it. A hard interrupt on top of both is
/// equivalent to one in the thread while the callback is on an idle CPU.
impl Source for Domain {
    fn context(&self) -> Context {
        Context::Softirq
    }

    fn due(&self) -> u64 {
        match self.object.perform_uninterrupted(Op::new(OpKind::RcuDue), self.at) {
            REFUSED => 0,
            due => due,
        }
    }

    fn arrives(&self) -> bool {
        let due = interrupts::cpu().due.unwrap_or_default();
        if due == 0 {
            return false;
        }
        let arrives = Op::with(OpKind::RcuArrives, due);
        let callback = self.object.perform_uninterrupted(arrives, self.at);
        if callback == REFUSED {
            return false;
        }
        let awaits = Op::with(OpKind::AwaitRcuCallback, callback);
        self.object.perform_uninterrupted(awaits, self.at);
        true
    }
}

/// Runs the callback as `rcu_core` does: in softirq, or on PREEMPT_RT in a thread with bottom
/// halves disabled (`rcu_cpu_kthread`, `kernel/rcu/tree.c`, v6.6).
fn in_softirq(idle_before: bool, callback: impl FnOnce()) {
    if preempt_rt() {
        local_bh_disable();
        callback();
        local_bh_enable();
        return;
    }
    interrupts::handle(Context::Softirq, || {
        interrupts::change_cpu(|cpu| cpu.idle_before = idle_before);
        callback();
    });
}

static CALLS: Calls = Calls {
    thread: "rcu callback",
    name: "call_rcu",
    call: OpKind::CallRcu,
    begins: OpKind::RcuCallback,
    barrier: OpKind::RcuBarrier,
};

impl fmt::Debug for Rcu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rcu").field("object", &self.domain.object).finish_non_exhaustive()
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
        self.rcu.leave(self.at);
    }
}
