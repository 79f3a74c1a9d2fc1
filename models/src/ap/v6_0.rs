//! What was merged, v6.0: `ap_perms_mutex` comes first.
//!
//! Assigning takes `ap_perms_mutex` before the driver's own locks and keeps it; the check of the
//! masks expects it to be held. `in_use`, called under it, may then simply wait for the others.
//! Unassigning does without: giving a queue up cannot conflict with a mask.
//!
//! Source: commits e2126a73746e, 8ee13ad99337 and 3f85d1df26a9 in
//! `drivers/s390/crypto/vfio_ap_ops.c`, v6.0.

use selvedge_core::function;
use selvedge_core::sync::Mutex;

use super::{ApBus, ApMask, ApMatrix, Apqn, Errno, MatrixMdev, VfioAp};

/// `matrix_dev`, with one mediated device that a guest uses.
#[derive(Debug)]
pub struct V6_0 {
    guests_lock: Mutex,
    /// `kvm->lock` of the guest.
    kvm_lock: Mutex,
    mdevs_lock: Mutex<MatrixMdev>,
}

impl VfioAp for V6_0 {
    fn new(matrix: ApMatrix) -> Self {
        Self {
            guests_lock: Mutex::new("guests_lock", ()),
            kvm_lock: Mutex::new("kvm->lock", ()),
            mdevs_lock: Mutex::new("mdevs_lock", MatrixMdev { matrix }),
        }
    }

    /// Locks: (`ap_perms_mutex`) -> `guests_lock` -> `mdevs_lock`.
    fn vfio_ap_mdev_resource_in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let _guests = self.guests_lock.lock();
        let mdev = self.mdevs_lock.lock();
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: (device lock) -> `guests_lock` -> `kvm->lock` -> `mdevs_lock`, by
    /// `get_update_locks_for_queue`.
    fn vfio_ap_mdev_remove_queue(&self, _apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let _mdev = self.mdevs_lock.lock();
    }

    /// Locks: `ap_perms_mutex` -> `guests_lock` -> `kvm->lock` -> `mdevs_lock`, the last three by
    /// `get_update_locks_for_mdev`.
    fn assign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let ap_perms = bus.ap_perms_mutex().lock();
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let mut mdev = self.mdevs_lock.lock();
        mdev.assign_adapter(apid, |added| ap_perms.owned_by_def_drv(added))?;
        bus.now_assigned(&mdev.matrix);
        Ok(())
    }

    /// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`, by `get_update_locks_for_mdev`.
    fn unassign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("unassign_adapter_store");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let mut mdev = self.mdevs_lock.lock();
        mdev.matrix.apm.set(apid, false);
        bus.now_assigned(&mdev.matrix);
        Ok(())
    }

    /// Locks: `mdevs_lock`.
    fn handle_pqap(&self) {
        let _function = function("handle_pqap");
        self.mdevs_lock.lock().unlock();
    }

    fn matrix(&self) -> ApMatrix {
        self.mdevs_lock.lock().matrix
    }
}
