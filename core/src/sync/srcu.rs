//! `struct srcu_struct`: readers that may sleep and never wait, and a wait for the readers that
//! have begun.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::name::Name;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime::object::{Object, unwinding};

use super::RcuHead;
use super::readers::{Calls, Readers};
use super::{local_bh_disable, local_bh_enable};

/// The kernel's `struct srcu_struct`.
///
/// A reader never waits. `synchronize_srcu` waits for every reader that has begun by then and for
/// no later one. Its beginning is a step that other threads can see, and the end of the wait is
/// another. Of two sections of one thread either may end first: `srcu_read_unlock` takes the index
/// of the section that it ends, which the [`SrcuReader`] stores. Memory is sequentially consistent
/// here, so a reader has no stale data but what it read before.
///
/// # What is left out
///
/// Only readers delay a grace period: there is no kthread or work that drives it.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::Srcu;
/// let srcu = Srcu::new("kvm->srcu");
/// let reader = srcu.read_lock();
/// reader.unlock();
/// srcu.synchronize();
/// # });
/// ```
pub struct Srcu {
    object: Arc<Object>,
}

impl Srcu {
    /// Creates a domain without readers, of lock class `class`.
    #[doc(alias = "init_srcu_struct")]
    pub fn new(class: impl Into<Name>) -> Self {
        Self { object: Arc::new(Object::new(class, Box::new(Readers::default()))) }
    }

    /// `srcu_read_lock`: enters a read section, and never waits.
    #[doc(alias = "srcu_read_lock")]
    #[track_caller]
    pub fn read_lock(&self) -> SrcuReader<'_> {
        let at = Location::caller();
        let section = self.object.perform(Op::new(OpKind::SrcuReadLock), at);
        SrcuReader { srcu: self, section, at }
    }

    /// `synchronize_srcu`: waits until every section that is open now has ended.
    #[doc(alias = "synchronize_srcu")]
    #[track_caller]
    pub fn synchronize(&self) {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::SynchronizeSrcu), at);
        self.object.perform(Op::new(OpKind::AwaitReaders), at);
    }

    /// `call_srcu`: runs the function of `head` after a grace period that begins now or later.
    ///
    /// The function runs in a thread of its own, with bottom halves disabled, so it may not sleep
    /// (`srcu_invoke_callbacks`, `kernel/rcu/srcutree.c`). `synchronize_srcu` does not wait for it,
    /// and [`barrier`](Self::barrier) does.
    ///
    /// # Violations
    ///
    /// The invariant `call_srcu` if the head is queued already.
    #[doc(alias = "call_srcu")]
    #[track_caller]
    pub fn call(&self, head: &RcuHead) {
        CALLS.call(&self.object, head, Location::caller(), |head| {
            local_bh_disable();
            head.run();
            local_bh_enable();
        });
    }

    /// `srcu_barrier`: waits until every callback has returned that was called before. In a section
    /// of the same domain it waits for good if a callback waits for that section.
    #[doc(alias = "srcu_barrier")]
    #[track_caller]
    pub fn barrier(&self) {
        CALLS.barrier(&self.object, Location::caller());
    }
}

static CALLS: Calls = Calls {
    thread: "srcu callback",
    name: "call_srcu",
    call: OpKind::CallSrcu,
    begins: OpKind::SrcuCallback,
    barrier: OpKind::SrcuBarrier,
};

impl fmt::Debug for Srcu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srcu").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A read section of a [`Srcu`]. Dropping it is `srcu_read_unlock`.
#[must_use = "the section lasts only as long as this lives"]
#[derive(Debug)]
pub struct SrcuReader<'a> {
    srcu: &'a Srcu,
    /// The index of the section among those of its thread.
    section: u64,
    at: &'static Location<'static>,
}

impl SrcuReader<'_> {
    /// `srcu_read_unlock`: ends the section.
    #[doc(alias = "srcu_read_unlock")]
    #[track_caller]
    pub fn unlock(mut self) {
        self.at = Location::caller();
    }
}

impl Drop for SrcuReader<'_> {
    fn drop(&mut self) {
        if !unwinding() {
            self.srcu.object.perform(Op::with(OpKind::SrcuReadUnlock, self.section), self.at);
        }
    }
}
