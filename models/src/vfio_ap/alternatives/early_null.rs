//! The device clears its pointer to the guest first, and the guest's control block after that.
//!
//! This is the first of two fixes of February 2021 before the wait queue of v5.13. With the pointer
//! cleared, the mutex can be released before `kvm->lock` is taken. But the other functions also use
//! the pointer to check whether the device is in use. While the control block is being cleared, the
//! device may be removed and its memory freed.

use selvedge_core::sync::{Atomic, Mutex, Tracked};

use super::Design;
use super::guest::{Aqic, Guest};

/// The guest, the driver's mutex, and the device.
#[derive(Debug)]
pub struct EarlyNull {
    guest: Guest,
    lock: Mutex,
    matrix_mdev: Tracked,
    /// Whether the device has a guest: `matrix_mdev->kvm`.
    kvm: Atomic,
    /// Whether it is on `mdev_list`.
    listed: Atomic,
}

impl EarlyNull {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(vcpus: usize) -> Self {
        Self {
            guest: Guest::new(vcpus),
            lock: Mutex::new("matrix_dev->lock", ()),
            matrix_mdev: Tracked::new("matrix_mdev", ()),
            kvm: Atomic::new("matrix_mdev->kvm", 1),
            listed: Atomic::new("mdev_list", 1),
        }
    }
}

impl Design for EarlyNull {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> `matrix_dev->lock`.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _locked = self.lock.lock();
        if self.kvm.load() != 0 {
            self.guest.handle_pqap(aqic);
        }
    }

    /// Locks: `matrix_dev->lock`; `kvm->lock`; `matrix_dev->lock`.
    fn update(&self) {
        let locked = self.lock.lock();
        self.kvm.store(0);
        locked.unlock();
        self.guest.clear_masks();
        let _locked = self.lock.lock();
        self.matrix_mdev.get();
        self.guest.unassign();
        self.guest.reset_queue();
    }

    /// Models `vfio_ap_mdev_remove` of the guest's own device, which refuses if it is in use.
    /// Locks: `matrix_dev->lock`.
    fn admin(&self) {
        let _locked = self.lock.lock();
        if self.kvm.load() == 0 {
            self.listed.store(0);
            self.matrix_mdev.release();
        }
    }

    fn at_rest(&self) {
        self.guest.at_rest();
        if self.listed.load() != 0 {
            self.matrix_mdev.release();
        }
    }
}
