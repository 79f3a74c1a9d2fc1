//! Versions 18 and 19 of the series, as their draft of the locking document has it.
//!
//! There are three locks by now: `guests_lock` keeps every mediated device's guest, `kvm->lock`
//! is needed to change what a guest may use, `mdevs_lock` protects the rest; taken in this
//! order. The check of the masks still takes `ap_perms_mutex` under all of them, so `in_use`,
//! which runs under `ap_perms_mutex`, only tries `guests_lock` and `mdevs_lock`.
//!
//! Source: the draft of "s390/Docs: new doc describing lock usage by the vfio_ap device driver"
//! in versions 18 and 19 of the series, T. Krowiak, 2022.

use selvedge_core::function;
use selvedge_core::sync::Mutex;

use super::{ApBus, ApMask, ApMatrix, Apqn, Errno, MatrixMdev, VfioAp};

/// `matrix_dev`, with one mediated device that a guest uses.
#[derive(Debug)]
pub struct P18 {
    guests_lock: Mutex,
    /// `kvm->lock` of the guest.
    kvm_lock: Mutex,
    mdevs_lock: Mutex<MatrixMdev>,
}

impl VfioAp for P18 {
    fn new(matrix: ApMatrix) -> Self {
        Self {
            guests_lock: Mutex::new("guests_lock", ()),
            kvm_lock: Mutex::new("kvm->lock", ()),
            mdevs_lock: Mutex::new("mdevs_lock", MatrixMdev { matrix }),
        }
    }

    /// Locks: (`ap_perms_mutex`) -> try `guests_lock` -> try `mdevs_lock`, or `-EBUSY`.
    fn vfio_ap_mdev_resource_in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let _guests = self.guests_lock.try_lock().ok_or(Errno::Ebusy)?;
        let mdev = self.mdevs_lock.try_lock().ok_or(Errno::Ebusy)?;
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
    fn vfio_ap_mdev_remove_queue(&self, _apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let _mdev = self.mdevs_lock.lock();
    }

    /// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock` -> `ap_perms_mutex`.
    fn assign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let mut mdev = self.mdevs_lock.lock();
        mdev.assign_adapter(apid, |added| bus.ap_apqn_in_matrix_owned_by_def_drv(added))?;
        bus.now_assigned(&mdev.matrix);
        Ok(())
    }

    /// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
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
