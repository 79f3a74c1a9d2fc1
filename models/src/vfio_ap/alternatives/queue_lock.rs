//! Alternative 5: the data that PQAP(AQIC) changes have a lock of their own, in the queue.
//!
//! PQAP(AQIC) needs the matrix only to check whether the guest has the queue. It could check
//! without the driver's mutex and lock only the queue. "We would have to avoid ending up with a
//! circle on the cleanup path, and also avoid races on the cleanup path", writes H. Pasic, and T.
//! Krowiak writes that he failed to make it work. Both can be avoided. The check must be under the
//! queue's lock (5b), or else the queue is removed between the check and the action (5a). The
//! clean-up must not take `kvm->lock` with the queue's lock held (5c).

use selvedge_core::sync::{Mutex, Srcu};

use super::Design;
use super::guest::{Aqic, Guest};
use crate::vfio_ap::type1::Type1;

/// When PQAP(AQIC) checks the matrix, and how the queue is cleaned up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// It checks before it takes the queue's lock.
    A,
    /// It checks under the queue's lock, under which the queue is unassigned.
    B,
    /// As 5b, but the control block is cleared with the queue's lock held.
    C,
    /// As 5b, but `kvm->lock` is taken for the clean-up after the queue is unplugged and all
    /// threads that saw it plugged have finished.
    CUnplugged,
}

/// The guest, the driver's mutex, and the queue's lock.
#[derive(Debug)]
pub struct QueueLock {
    variant: Variant,
    guest: Guest,
    lock: Mutex,
    queue: Mutex,
    srcu: Srcu,
    iommu: Type1,
}

impl QueueLock {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        Self {
            variant,
            guest: Guest::new(vcpus),
            lock: Mutex::new("matrix_dev->lock", ()),
            queue: Mutex::new("q->lock", ()),
            srcu: Srcu::new("kvm->srcu"),
            iommu: Type1::new(),
        }
    }

    /// Handles PQAP(AQIC) in 5d, which pins the page under the queue's lock.
    ///
    /// Locks: `vcpu->mutex` -> `q->lock` -> `iommu->lock`.
    pub fn pqap_pins_under_queue_lock(&self, vcpu: usize) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _queue = self.queue.lock();
        let _iommu = self.iommu.lock.lock();
        self.guest.handle_pqap(Aqic::Enable);
    }

    /// Unmaps a page in 5d, and asks the driver to unpin it.
    ///
    /// Locks: `device_list_lock` -> `q->lock` -> `iommu->lock`.
    pub fn dma_unmap(&self) {
        let _devices = self.iommu.device_list_lock.lock();
        let _queue = self.queue.lock();
        let _iommu = self.iommu.lock.lock();
        self.guest.handle_pqap(Aqic::Disable);
    }

    /// Opens another device of the container in 5d.
    ///
    /// Locks: `iommu->lock` -> `device_list_lock`.
    pub fn register_device(&self) {
        self.iommu.register_device();
    }
}

impl Design for QueueLock {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> `q->lock`.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        // KVM_RUN is a reader in every variant, but only this variant waits for readers.
        let _reader = (self.variant == Variant::CUnplugged).then(|| self.srcu.read_lock());
        match self.variant {
            Variant::A => {
                if self.guest.is_assigned() {
                    let _queue = self.queue.lock();
                    self.guest.aqic(aqic);
                }
            }
            Variant::B | Variant::C => {
                let _queue = self.queue.lock();
                self.guest.handle_pqap(aqic);
            }
            Variant::CUnplugged => {
                if self.guest.is_assigned() {
                    let _queue = self.queue.lock();
                    self.guest.handle_pqap(aqic);
                }
            }
        }
    }

    /// Locks: `matrix_dev->lock` -> `kvm->lock`; `matrix_dev->lock` -> `q->lock`. In 5c
    /// `q->lock` -> `kvm->lock`.
    fn update(&self) {
        let _locked = self.lock.lock();
        match self.variant {
            Variant::A => {
                self.guest.unassign();
                self.guest.clear_masks();
                let _queue = self.queue.lock();
                self.guest.reset_queue();
            }
            Variant::B => {
                let queue = self.queue.lock();
                self.guest.unassign();
                queue.unlock();
                self.guest.clear_masks();
                let _queue = self.queue.lock();
                self.guest.reset_queue();
            }
            Variant::C => {
                let _queue = self.queue.lock();
                self.guest.unassign();
                self.guest.clear_masks();
                self.guest.reset_queue();
            }
            Variant::CUnplugged => {
                self.guest.unassign();
                self.srcu.synchronize();
                let _queue = self.queue.lock();
                self.guest.clear_masks();
                self.guest.reset_queue();
            }
        }
    }

    /// Locks: `matrix_dev->lock`.
    fn admin(&self) {
        let _locked = self.lock.lock();
        self.guest.assign_to_another();
    }
}
