//! Versions 18 and 19 of the series, as described by their draft of the locking document.
//!
//! These versions have three locks. The check of the masks still takes `ap_perms_mutex` under all
//! of them, so `in_use`, which runs under `ap_perms_mutex`, only tries `guests_lock` and
//! `mdevs_lock`.
//!
//! Source: the draft of "s390/Docs: new doc describing lock usage by the vfio_ap device driver"
//! in versions 18 and 19 of the series, T. Krowiak, 2022.

use selvedge_core::function;

use crate::Errno;
use crate::ap::{ApBus, ApMask};
use crate::ap_perms::{ThreeLocks, VfioAp};

/// Versions 18 and 19.
#[derive(Debug)]
pub enum P18 {}

impl VfioAp for P18 {
    type MatrixDev = ThreeLocks;

    /// Locks: (`ap_perms_mutex`) -> try `guests_lock` -> try `mdevs_lock`, or `-EBUSY`.
    fn vfio_ap_mdev_resource_in_use(
        matrix_dev: &ThreeLocks,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let _guests = matrix_dev.guests_lock.try_lock().ok_or(Errno::Ebusy)?;
        let mdev = matrix_dev.mdevs_lock.try_lock().ok_or(Errno::Ebusy)?;
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock` -> `ap_perms_mutex`.
    fn assign_adapter_store(matrix_dev: &ThreeLocks, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let _guests = matrix_dev.guests_lock.lock();
        let _kvm = matrix_dev.kvm_lock.lock();
        let mut mdev = matrix_dev.mdevs_lock.lock();
        mdev.assign_adapter(apid, |added| bus.ap_apqn_in_matrix_owned_by_def_drv(added))?;
        bus.now_assigned(mdev.matrix.apqns());
        Ok(())
    }
}
