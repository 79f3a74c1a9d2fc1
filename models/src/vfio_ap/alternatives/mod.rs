//! The alternatives: designs that were considered and not merged.
//!
//! In January 2022 H. Pasic listed the alternatives to taking `kvm->lock` before the driver's
//! mutex, and T. Krowiak answered each with his own experience. Others came up in earlier reviews.
//! None of them was more than a few sentences. Here each is a small state machine that takes the
//! locks that it would have to take, with the same four threads around it, so that each has a
//! verdict.
//!
//! | module | the idea |
//! |---|---|
//! | [`ioctl`] | 1: PQAP(AQIC) is handled by the VMM, which asks the driver |
//! | [`reentry`] | 2: KVM leaves the vCPU for the duration of the call and enters it again |
//! | [`rwsem`] | 3: a read-write semaphore in place of the mutex |
//! | [`srcu`] | 4: the matrix is published, and read without a lock |
//! | [`queue_lock`] | 5: the data that PQAP(AQIC) changes have a lock of their own |
//! | [`unfair_lock`] | 6: an unfair read-write lock of a mutex and a wait queue |
//! | [`kvm_first`] | the merged design, with a part left out |
//! | [`hook_mutex`] | one mutex for the hooks of all guests |
//! | [`two_rwsems`] | a semaphore for each device and one for all, and stores that only try |
//! | [`apcb_lock`] | a lock for the control block, so that `kvm->lock` is not needed |
//! | [`polling`] | a flag, and `msleep` until it is clear |
//! | [`early_null`] | the pointer to the guest is cleared before the guest's control block |
//! | [`trylock`] | PQAP(AQIC) tries the mutex, and reports a busy queue on failure |
//!
//! Where the mails have only the idea, the lock order is ours.

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

/// A design, as the four threads that it has to support.
pub trait Design: Send + Sync + 'static {
    /// Returns the guest with its queue.
    fn guest(&self) -> &Guest;

    /// Handles PQAP(AQIC) of vCPU `vcpu`, which is intercepted with `vcpu->mutex` held.
    fn pqap(&self, vcpu: usize, aqic: Aqic);

    /// Removes the queue from the running guest: unassigns it, clears the guest's control block,
    /// and resets the queue.
    fn update(&self);

    /// Makes the guest a protected guest.
    fn pv(&self) {
        self.guest().kvm.pv_command();
    }

    /// Assigns another queue to another device, which no guest uses, as an administrator does.
    fn admin(&self);

    /// Removes everything that the guest still has at the end.
    fn at_rest(&self) {
        self.guest().at_rest();
    }
}
