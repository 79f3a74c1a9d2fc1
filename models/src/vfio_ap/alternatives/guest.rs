//! A guest with one queue, and the driver's data about the queue, regardless of the lock that
//! protects it.
//!
//! Nothing here takes a lock of the driver, since the designs differ in those. The driver's data
//! are words that can be read and written at any time, so a design that accesses them at the wrong
//! time is detected.

use selvedge_core::function;
use selvedge_core::sync::Atomic;

use crate::ap::{ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_queue::{ApQueue, Irq, ResponseCode};
use crate::vfio_ap::hardware::Hardware;
use crate::vfio_ap::kvm::Kvm;

/// The queue.
const QUEUE: Apqn = Apqn { apid: 1, apqi: 4 };
/// The target of its interrupts.
const IRQ: Irq = Irq { vm: 0, nib: 1, isc: 3 };

/// The request of the guest to PQAP(AQIC).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aqic {
    /// Enables the interrupts of the queue.
    Enable,
    /// Disables them.
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
    /// Whether the driver has recorded that a page is pinned and a subclass registered for the
    /// queue.
    saved_isc: Atomic,
    /// The resources that are assigned to another device.
    other_matrix: Atomic,
}

impl Guest {
    /// Creates a running guest that has the queue.
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

    /// Returns whether the queue is assigned to the guest's device.
    #[track_caller]
    pub fn is_assigned(&self) -> bool {
        self.matrix.load() != 0
    }

    /// Returns whether the guest can use the queue.
    #[track_caller]
    pub fn has_queue(&self) -> bool {
        self.hardware.apcb(self.kvm.vm).contains(QUEUE)
    }

    /// Returns whether the interrupts of the queue are enabled.
    #[track_caller]
    pub fn interrupts(&self) -> bool {
        self.hardware.tapq(QUEUE).irq_enabled
    }

    /// Unassigns the queue from the guest's device.
    #[track_caller]
    pub fn unassign(&self) {
        self.matrix.store(0);
    }

    /// Assigns a resource to another device.
    #[track_caller]
    pub fn assign_to_another(&self) {
        self.other_matrix.store(1);
    }

    /// Models `kvm_arch_crypto_clear_masks` with the lock that it takes: `kvm->lock`.
    pub fn clear_masks(&self) {
        let kvm = self.kvm.lock();
        self.clear_masks_locked();
        kvm.unlock();
    }

    /// Models the same function. The caller holds `kvm->lock`.
    pub fn clear_masks_locked(&self) {
        let _function = function("kvm_arch_crypto_clear_masks");
        self.kvm.crypto_clear_masks(&self.hardware);
    }

    /// Handles PQAP(AQIC). On a queue that the guest does not have, it has no effect.
    pub fn handle_pqap(&self, aqic: Aqic) {
        if self.is_assigned() {
            self.aqic(aqic);
        }
    }

    /// Executes PQAP(AQIC) on the guest's queue.
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

    /// Models `vfio_ap_mdev_reset_queue`.
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

    /// Removes the queue from the guest at the end, if it still has the queue, and drops the guest.
    ///
    /// # Violations
    ///
    /// INV-04 if a page is pinned, a subclass is registered or interrupts are enabled.
    pub fn at_rest(&self) {
        if self.is_assigned() {
            self.clear_masks();
            self.reset_queue();
        }
        self.kvm.put();
        self.check_hardware();
    }

    /// Checks the hardware in the same way when the guest is already gone.
    pub fn check_hardware(&self) {
        self.hardware.check_at_rest();
    }
}
