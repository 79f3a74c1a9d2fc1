//! The device forgets its guest first, and clears the guest's control block after.
//!
//! The first of two repairs of February 2021 that came before the wait queue of v5.13: with the
//! pointer gone the mutex can be dropped before `kvm->lock` is taken. But the pointer is also how
//! everybody else sees that the device is in use. While the control block is being cleared, the
//! device may be removed, and its memory freed.

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
    /// A running guest with `vcpus` vCPUs.
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

    /// `vfio_ap_mdev_remove` of the guest's own device, which refuses if it is in use. Locks:
    /// `matrix_dev->lock`.
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
