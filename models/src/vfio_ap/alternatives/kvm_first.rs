//! The merged design, `kvm->lock` before the driver's mutex, with a part left out.
//!
//! A thread that takes `kvm->lock` first has to know the guest before it holds the mutex that
//! protects the pointer to the guest. `guests_lock` solves this, since it protects the pointer and
//! thereby the guest. Without it, `kvm->lock` may be in freed memory, which a later check cannot
//! fix. A reference to the guest, taken under the mutex, can.
//!
//! PQAP(AQIC) must also never take `kvm->lock`. It holds `vcpu->mutex` and `pqap_hook_rwsem`, which
//! the 2026 tree takes for writing with `kvm->lock` held.

use selvedge_core::sync::{Atomic, Mutex, RwSem};

use super::Design;
use super::guest::{Aqic, Guest};

/// The difference from the merged design, if any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// None: `guests_lock` -> `kvm->lock` -> `pqap_hook_rwsem` -> `mdevs_lock`.
    AsMerged,
    /// No `guests_lock`. The pointer is checked again after the locks are taken.
    WithoutGuestsLock,
    /// No `guests_lock`. A reference to the guest is taken while the pointer is known to be valid.
    WithReference,
    /// PQAP(AQIC) takes `kvm->lock`.
    PqapTakesKvmLock,
}

/// The guest and the driver's locks.
#[derive(Debug)]
pub struct KvmFirst {
    variant: Variant,
    guest: Guest,
    guests_lock: Mutex,
    pqap_hook_rwsem: RwSem,
    mdevs_lock: Mutex,
    /// Whether the device has a guest: `matrix_mdev->kvm`.
    kvm: Atomic,
}

impl KvmFirst {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        let guest = Guest::new(vcpus);
        guest.kvm.get();
        Self {
            variant,
            guest,
            guests_lock: Mutex::new("guests_lock", ()),
            pqap_hook_rwsem: RwSem::new("pqap_hook_rwsem", ()),
            mdevs_lock: Mutex::new("mdevs_lock", ()),
            kvm: Atomic::new("matrix_mdev->kvm", 1),
        }
    }

    fn take_queue_away(&self) {
        let _hook = self.pqap_hook_rwsem.down_write();
        let _mdevs = self.mdevs_lock.lock();
        // Another thread may have detached the guest meanwhile.
        if self.kvm.load() != 0 {
            self.guest.unassign();
            self.guest.clear_masks_locked();
            self.guest.reset_queue();
        }
    }

    /// Returns whether there is a guest, and takes a reference to it in the variant that does so.
    fn find_guest(&self) -> bool {
        let _mdevs = (self.variant == Variant::WithReference).then(|| self.mdevs_lock.lock());
        let found = self.kvm.load() != 0;
        if found && self.variant == Variant::WithReference {
            self.guest.kvm.get();
        }
        found
    }

    /// Closes the device and ends the guest: `vfio_ap_mdev_unset_kvm`, and then the last references
    /// are dropped.
    ///
    /// Locks: `guests_lock` -> `kvm->lock` -> `pqap_hook_rwsem` for writing -> `mdevs_lock`.
    pub fn close(&self) {
        let guests = self.takes_guests_lock().then(|| self.guests_lock.lock());
        let kvm = self.guest.kvm.lock();
        self.take_queue_away();
        let mdevs = self.mdevs_lock.lock();
        self.kvm.store(0);
        mdevs.unlock();
        kvm.unlock();
        drop(guests);
        // These are the device's reference and that of the guest's file descriptor.
        self.guest.kvm.put();
        self.guest.kvm.put();
    }

    fn takes_guests_lock(&self) -> bool {
        !matches!(self.variant, Variant::WithoutGuestsLock | Variant::WithReference)
    }
}

impl Design for KvmFirst {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> `pqap_hook_rwsem` for reading -> `mdevs_lock`.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _hook = self.pqap_hook_rwsem.down_read();
        let _kvm = (self.variant == Variant::PqapTakesKvmLock).then(|| self.guest.kvm.lock());
        let _mdevs = self.mdevs_lock.lock();
        self.guest.handle_pqap(aqic);
    }

    /// Locks: `guests_lock` -> `kvm->lock` -> `pqap_hook_rwsem` for writing -> `mdevs_lock`.
    fn update(&self) {
        let _guests = self.takes_guests_lock().then(|| self.guests_lock.lock());
        if !self.find_guest() {
            return;
        }
        let kvm = self.guest.kvm.lock();
        self.take_queue_away();
        kvm.unlock();
        if self.variant == Variant::WithReference {
            self.guest.kvm.put();
        }
    }

    /// Locks: `mdevs_lock`.
    fn admin(&self) {
        let _mdevs = self.mdevs_lock.lock();
        self.guest.assign_to_another();
    }

    fn at_rest(&self) {
        if self.kvm.load() != 0 {
            self.close();
        }
        self.guest.check_hardware();
    }
}
