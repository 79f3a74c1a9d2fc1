//! `struct srcu_struct`: readers that may sleep and wait for nobody, and a wait for those who have
//! begun.

use std::fmt;
use std::panic::Location;

use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime::object::{Object, unwinding};

use super::readers::Readers;

/// The kernel's `struct srcu_struct`.
///
/// A reader never waits. `synchronize_srcu` waits for every reader that has begun by then and for
/// none that begins later; that it has begun to wait is a step that others can see, and the end of
/// the wait is another. Of two sections of one thread either may end first: `srcu_read_unlock` is given
/// the index of the one that it ends, which the [`SrcuReader`] keeps. Memory is sequentially consistent here, so what a reader saw before is all
/// that is stale about it.
///
/// # What is left out
///
/// Nobody but readers holds up a grace period: there is no kthread or work for it. `call_srcu` and
/// `srcu_barrier` are missing.
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
    object: Object,
}

impl Srcu {
    /// A domain of readers, of lock class `class`.
    pub fn new(class: &'static str) -> Self {
        Self { object: Object::new(class, Box::new(Readers::default())) }
    }

    /// `srcu_read_lock`.
    #[track_caller]
    pub fn read_lock(&self) -> SrcuReader<'_> {
        let at = Location::caller();
        let section = self.object.perform(Op::new(OpKind::SrcuReadLock), at);
        SrcuReader { srcu: self, section, at }
    }

    /// `synchronize_srcu`.
    #[track_caller]
    pub fn synchronize(&self) {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::SynchronizeSrcu), at);
        self.object.perform(Op::new(OpKind::AwaitReaders), at);
    }
}

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
    /// Which one of its reader's.
    section: u64,
    at: &'static Location<'static>,
}

impl SrcuReader<'_> {
    /// `srcu_read_unlock`.
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
