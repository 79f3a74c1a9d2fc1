//! Alternative 4: the assignment is published, and PQAP(AQIC) reads it in a section of `srcu`.
//!
//! The section takes no lock that could close a cycle. But the matrix that it reads may be a stale
//! copy, which H. Pasic did not want. A reader that started before the queue was removed enables
//! the interrupts of the queue after its reset (4a). A thread that removes the queue must wait for
//! such readers before the reset (4b). It may wait with `kvm->lock` held, because a reader does not
//! need that lock (4c), but no lock that a reader needs may be held during the wait.
//!
//! Two concurrent vCPUs need a lock of the queue here too.

use selvedge_core::sync::{Mutex, Srcu};

use super::Design;
use super::guest::{Aqic, Guest};

/// When the update waits for readers.
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

/// The guest, the driver's mutex, which serialises the writers, and `srcu`.
#[derive(Debug)]
pub struct Published {
    variant: Variant,
    guest: Guest,
    lock: Mutex,
    srcu: Srcu,
    queue: Mutex,
}

impl Published {
    /// Creates a running guest with `vcpus` vCPUs.
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
