//! Alternative 4: what is assigned is published, and PQAP(AQIC) reads it in a section of `srcu`.
//!
//! The section costs no lock that could close a circle. But within it the matrix may be a stale
//! copy, which H. Pasic did not want: a reader that was there before the queue was taken away makes
//! it interrupt after it was reset (4a). Whoever takes it away must wait for such readers before
//! the reset (4b). It may do so with `kvm->lock` held, because a reader does not need that one (4c);
//! but nothing that a reader needs may be held over the wait.
//!
//! Two vCPUs at once need a lock of the queue here too.

use selvedge_core::sync::{Mutex, Srcu};

use super::Design;
use super::guest::{Aqic, Guest};

/// When those who read are waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// Never.
    A,
    /// Before `kvm->lock` is taken.
    B,
    /// With `kvm->lock` held.
    C,
    /// With the queue's lock held.
    CWithQueueLock,
}

/// The guest, the driver's mutex, which serialises those who change something, and `srcu`.
#[derive(Debug)]
pub struct Published {
    variant: Variant,
    guest: Guest,
    lock: Mutex,
    srcu: Srcu,
    queue: Mutex,
}

impl Published {
    /// A running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        Self {
            variant,
            guest: Guest::new(vcpus),
            lock: Mutex::new("matrix_dev->lock", ()),
            srcu: Srcu::new("matrix_dev->srcu"),
            queue: Mutex::new("q->lock", ()),
        }
    }
}

impl Design for Published {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> (`srcu`) -> `q->lock`.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _reader = self.srcu.read_lock();
        if self.guest.is_assigned() {
            let _queue = self.queue.lock();
            self.guest.aqic(aqic);
        }
    }

    /// Locks: `matrix_dev->lock` -> `kvm->lock`; `matrix_dev->lock` -> `q->lock`.
    fn update(&self) {
        let _locked = self.lock.lock();
        self.guest.unassign();
        if self.variant == Variant::B {
            self.srcu.synchronize();
        }
        let kvm = self.guest.kvm.lock();
        self.guest.clear_masks_locked();
        if self.variant == Variant::C {
            self.srcu.synchronize();
        }
        kvm.unlock();
        let _queue = self.queue.lock();
        if self.variant == Variant::CWithQueueLock {
            self.srcu.synchronize();
        }
        self.guest.reset_queue();
    }

    /// Locks: `matrix_dev->lock`.
    fn admin(&self) {
        let _locked = self.lock.lock();
        self.guest.assign_to_another();
    }
}
