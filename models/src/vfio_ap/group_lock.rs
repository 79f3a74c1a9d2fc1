//! The group lock of VFIO, between the locks of the driver and those of KVM.
//!
//! Opening a device held the group lock while the driver attached the device to the guest, for
//! which the driver takes `kvm->lock`. Closing a device held it while the driver detached the
//! device. The KVM-VFIO device of the guest notified the group when it was destroyed with the
//! guest. If the close of a device caused this, the group lock was already held. The notification
//! was therefore moved to the close of the KVM-VFIO device, which runs with `kvm->lock` held. Since
//! v6.2 the guest is passed under a spinlock of its own, with a reference, and the group lock is
//! not held while the driver runs.
//!
//! Source: lockdep's report of January 2023, commits 51cdc8bc120e and 2b48f52f2bff.

use selvedge_core::function;
use selvedge_core::sync::{Kref, Mutex};

/// Whether the group lock is held while the driver runs, and when the group is notified that the
/// guest is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Open {
    /// v6.0: the lock is held, and the group is notified when the guest is destroyed.
    UntilDestroyed,
    /// Commit 51cdc8bc120e: the lock is held, and the group is notified when the KVM-VFIO device is
    /// closed.
    WithGroupLock,
    /// Since commit 2b48f52f2bff, v6.2: the lock is not held.
    WithReference,
}

/// A group with one device, and its guest.
#[derive(Debug)]
pub struct Group {
    open: Open,
    group_lock: Mutex,
    dev_set_lock: Mutex,
    guests_lock: Mutex,
    mdevs_lock: Mutex,
    kvm_lock: Mutex,
    /// `device->kvm_ref_lock`, since v6.2.
    kvm_ref_lock: Mutex,
    kvm: Kref,
}

impl Group {
    /// Creates a closed device. The group knows the guest.
    pub fn new(open: Open) -> Self {
        Self {
            open,
            group_lock: Mutex::new("group->group_lock", ()),
            dev_set_lock: Mutex::new("dev_set->lock", ()),
            guests_lock: Mutex::new("guests_lock", ()),
            mdevs_lock: Mutex::new("mdevs_lock", ()),
            kvm_lock: Mutex::new("kvm->lock", ()),
            kvm_ref_lock: Mutex::new("kvm_ref_lock", ()),
            kvm: Kref::new("kvm->users_count"),
        }
    }

    /// Models `vfio_device_open`.
    ///
    /// Locks: `dev_set->lock` -> `group->group_lock` -> those of the driver; since v6.2
    /// `group->group_lock`, and then `dev_set->lock` -> those of the driver.
    pub fn open(&self) {
        let _function = function("vfio_device_open");
        match self.open {
            Open::UntilDestroyed | Open::WithGroupLock => {
                let _dev_set = self.dev_set_lock.lock();
                let _group = self.group_lock.lock();
                self.vfio_ap_mdev_set_kvm();
            }
            Open::WithReference => {
                let group = self.group_lock.lock();
                let reference = self.kvm_ref_lock.lock();
                self.kvm.get();
                reference.unlock();
                group.unlock();
                let _dev_set = self.dev_set_lock.lock();
                self.vfio_ap_mdev_set_kvm();
            }
        }
    }

    /// Models `vfio_ap_mdev_set_kvm`. Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
    fn vfio_ap_mdev_set_kvm(&self) {
        let _function = function("vfio_ap_mdev_set_kvm");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let _mdevs = self.mdevs_lock.lock();
        self.kvm.get();
    }

    /// Models `vfio_device_close`.
    ///
    /// Locks: those of [`open`](Self::open).
    pub fn close(&self) {
        let _function = function("vfio_device_close");
        match self.open {
            Open::UntilDestroyed | Open::WithGroupLock => {
                let _dev_set = self.dev_set_lock.lock();
                let _group = self.group_lock.lock();
                self.vfio_ap_mdev_unset_kvm();
            }
            Open::WithReference => {
                self.group_lock.lock().unlock();
                let dev_set = self.dev_set_lock.lock();
                self.vfio_ap_mdev_unset_kvm();
                dev_set.unlock();
                self.kvm_put_kvm();
            }
        }
    }

    /// Models `vfio_ap_mdev_unset_kvm`. Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock` ->
    /// those of [`kvm_put_kvm`](Self::kvm_put_kvm).
    fn vfio_ap_mdev_unset_kvm(&self) {
        let _function = function("vfio_ap_mdev_unset_kvm");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let _mdevs = self.mdevs_lock.lock();
        self.kvm_put_kvm();
    }

    /// Models `kvm_put_kvm`. The last reference destroys the guest and with it the guest's KVM-VFIO
    /// device (`kvm_vfio_destroy`).
    ///
    /// Locks: `group->group_lock` for the last reference, up to commit 51cdc8bc120e.
    pub fn kvm_put_kvm(&self) {
        let _function = function("kvm_vfio_destroy");
        if self.kvm.put() && self.open == Open::UntilDestroyed {
            // vfio_file_set_kvm(file, NULL)
            self.group_lock.lock().unlock();
        }
    }

    /// Closes the file descriptor of the guest's KVM-VFIO device: `kvm_device_release` and, since
    /// commit 51cdc8bc120e, `kvm_vfio_release` under `kvm->lock`.
    ///
    /// Locks: `kvm->lock` -> `group->group_lock`; since v6.2 `kvm->lock` -> `kvm_ref_lock`.
    pub fn kvm_vfio_release(&self) {
        if self.open == Open::UntilDestroyed {
            return;
        }
        let _function = function("kvm_vfio_release");
        let _kvm = self.kvm_lock.lock();
        // vfio_file_set_kvm(file, NULL)
        let lock =
            if self.open == Open::WithReference { &self.kvm_ref_lock } else { &self.group_lock };
        lock.lock().unlock();
    }
}
