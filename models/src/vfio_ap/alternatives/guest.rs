//! A guest with one queue, and what the driver notes about the queue, whatever lock protects it.
//!
//! Nothing here takes a lock of the driver: that is what the designs differ in. So the driver's
//! notes are words that can be read and written at any time, and a design that reads or writes them
//! at the wrong one is found out.

use selvedge_core::function;
use selvedge_core::sync::Atomic;

use crate::ap::{ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_queue::{ApQueue, Irq, ResponseCode};
use crate::vfio_ap::hardware::Hardware;
use crate::vfio_ap::kvm::Kvm;

/// The queue.
const QUEUE: Apqn = Apqn { apid: 1, apqi: 4 };
/// Where the guest wants it to interrupt.
const IRQ: Irq = Irq { vm: 0, nib: 1, isc: 3 };

/// What the guest asks of PQAP(AQIC).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aqic {
    /// That the queue interrupts.
    Enable,
    /// That it does not.
    Disable,
}

/// The guest and its queue.
#[derive(Debug)]
pub struct Guest {
    /// The guest.
    pub kvm: Kvm,
    hardware: Hardware,
    /// Whether the queue is assigned to the guest's device.
    matrix: Atomic,
    /// Whether the driver has noted that a page is pinned and a subclass registered for the queue.
    saved_isc: Atomic,
    /// What is assigned to another device.
    other_matrix: Atomic,
}

impl Guest {
    /// A guest that runs and has the queue.
    pub fn new(vcpus: usize) -> Self {
        let guest = Self {
            kvm: Kvm::new(IRQ.vm, vcpus),
            hardware: Hardware::new([ApQueue::new(QUEUE)]),
            matrix: Atomic::new("matrix_mdev->matrix", 1),
            saved_isc: Atomic::new("q->saved_isc", 0),
            other_matrix: Atomic::new("another matrix_mdev->matrix", 0),
        };
        let matrix = ApMatrix { apm: ApMask::of([QUEUE.apid]), aqm: ApMask::of([QUEUE.apqi]) };
        guest.kvm.crypto_set_masks(&guest.hardware, matrix.into());
        guest
    }

    /// Whether the queue is assigned to the guest's device.
    #[track_caller]
    pub fn is_assigned(&self) -> bool {
        self.matrix.load() != 0
    }

    /// Whether the guest can use the queue.
    #[track_caller]
    pub fn has_queue(&self) -> bool {
        self.hardware.apcb(self.kvm.vm).contains(QUEUE)
    }

    /// Whether the queue interrupts.
    #[track_caller]
    pub fn interrupts(&self) -> bool {
        self.hardware.tapq(QUEUE).irq_enabled
    }

    /// The queue is not assigned to the guest's device any more.
    #[track_caller]
    pub fn unassign(&self) {
        self.matrix.store(0);
    }

    /// Something is assigned to another device.
    #[track_caller]
    pub fn assign_to_another(&self) {
        self.other_matrix.store(1);
    }

    /// `kvm_arch_crypto_clear_masks`, with the lock that it takes: `kvm->lock`.
    pub fn clear_masks(&self) {
        let kvm = self.kvm.lock();
        self.clear_masks_locked();
        kvm.unlock();
    }

    /// The same; the caller holds `kvm->lock`.
    pub fn clear_masks_locked(&self) {
        let _function = function("kvm_arch_crypto_clear_masks");
        self.kvm.crypto_clear_masks(&self.hardware);
    }

    /// PQAP(AQIC) on a queue that is not the guest's is answered, and does nothing.
    pub fn handle_pqap(&self, aqic: Aqic) {
        if self.is_assigned() {
            self.aqic(aqic);
        }
    }

    /// PQAP(AQIC) on the guest's queue.
    pub fn aqic(&self, aqic: Aqic) {
        match aqic {
            Aqic::Enable => self.irq_enable(),
            Aqic::Disable => self.irq_disable(),
        }
    }

    fn irq_enable(&self) {
        let _function = function("vfio_ap_irq_enable");
        self.hardware.pin(IRQ);
        self.hardware.gisc_register(IRQ);
        match self.hardware.aqic(QUEUE, Some(IRQ)).code {
            ResponseCode::Normal => self.saved_isc.store(1),
            _ => self.release_irq(),
        }
    }

    fn irq_disable(&self) {
        let _function = function("vfio_ap_irq_disable");
        self.hardware.aqic(QUEUE, None);
        self.free_aqic_resources();
    }

    /// `vfio_ap_mdev_reset_queue`.
    pub fn reset_queue(&self) {
        let _function = function("vfio_ap_mdev_reset_queue");
        self.hardware.zapq(QUEUE);
        self.free_aqic_resources();
    }

    fn free_aqic_resources(&self) {
        let _function = function("vfio_ap_free_aqic_resources");
        if self.saved_isc.load() != 0 {
            self.release_irq();
            self.saved_isc.store(0);
        }
    }

    fn release_irq(&self) {
        self.hardware.gisc_unregister(IRQ);
        self.hardware.unpin(IRQ);
    }

    /// At the end: takes the queue away from the guest if nobody has, and lets go of the guest.
    ///
    /// # Violations
    ///
    /// INV-04 if something is still pinned, registered, or interrupts.
    pub fn at_rest(&self) {
        if self.is_assigned() {
            self.clear_masks();
            self.reset_queue();
        }
        self.kvm.put();
        self.check_hardware();
    }

    /// The same, where the guest is gone already.
    pub fn check_hardware(&self) {
        self.hardware.check_at_rest();
    }
}
