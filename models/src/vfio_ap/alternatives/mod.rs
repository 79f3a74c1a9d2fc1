//! What else could have been done: the designs that were considered and not merged.
//!
//! In January 2022 H. Pasic went through the alternatives to taking `kvm->lock` before the
//! driver's mutex, and T. Krowiak answered each with his own experience of it; others had come up
//! in reviews before. None was more than a few sentences. Here each is a small state machine that
//! takes the locks that it would have had to take, with the same four threads around it, so that
//! what was a hunch then has a verdict now.
//!
//! | module | the idea |
//! |---|---|
//! | [`ioctl`] | 1: PQAP(AQIC) is handled by the VMM, which asks the driver |
//! | [`reentry`] | 2: KVM leaves the vCPU for the time of the call and enters it again |
//! | [`rwsem`] | 3: a read-write semaphore in place of the mutex |
//! | [`srcu`] | 4: the matrix is published, and read without a lock |
//! | [`queue_lock`] | 5: what PQAP(AQIC) changes has a lock of its own |
//! | [`unfair_lock`] | 6: an unfair read-write lock of a mutex and a wait queue |
//! | [`kvm_first`] | what was merged, with a part left out |
//! | [`hook_mutex`] | one mutex for the hooks of all guests |
//! | [`two_rwsems`] | a semaphore for each device and one for all, and stores that only try |
//! | [`apcb_lock`] | a lock for the control block, so that `kvm->lock` is not needed |
//! | [`polling`] | a flag, and `msleep` until it is clear |
//! | [`early_null`] | the guest is forgotten before its control block is cleared |
//! | [`trylock`] | PQAP(AQIC) tries the mutex, and answers that the queue is busy |
//!
//! The lock order of each is ours, where the mails do not say more than the idea.

pub mod apcb_lock;
pub mod early_null;
pub mod guest;
pub mod hook_mutex;
pub mod ioctl;
pub mod kvm_first;
pub mod polling;
pub mod queue_lock;
pub mod reentry;
pub mod rwsem;
pub mod srcu;
pub mod trylock;
pub mod two_rwsems;
pub mod unfair_lock;

use guest::{Aqic, Guest};

/// A design, as four threads that it has to get along with.
pub trait Design: Send + Sync + 'static {
    /// The guest, with its queue.
    fn guest(&self) -> &Guest;

    /// vCPU `vcpu` executes PQAP(AQIC), which is intercepted: `vcpu->mutex` is held.
    fn pqap(&self, vcpu: usize, aqic: Aqic);

    /// The queue is taken away from the running guest: it is unassigned, the guest's control block
    /// is cleared, the queue is reset.
    fn update(&self);

    /// The guest is made a protected one.
    fn pv(&self) {
        self.guest().kvm.pv_command();
    }

    /// An administrator assigns another queue to another device, which no guest uses.
    fn admin(&self);

    /// At the end, whatever the guest still has is taken away.
    fn at_rest(&self) {
        self.guest().at_rest();
    }
}
