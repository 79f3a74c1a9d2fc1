//! Version 12 of the series, complete: trylock on both sides, and no gap.
//!
//! With "s390/vfio-ap: allow assignment of unavailable AP queues to mdev device" applied, the check
//! reads the masks. It takes `ap_perms_mutex` under `matrix_dev->lock`, which assigning has tried
//! and got. The order is inverted, but one direction only tries. If `in_use` has already answered,
//! the check waits for the new mask and sees it. If assigning is first, `in_use` fails to get the
//! lock. The cost is that either side fails with `-EBUSY` whenever another thread holds the lock
//! for a moment, even a guest that executes PQAP.
//!
//! Source: "[PATCH v12 00/17] s390/vfio-ap: dynamic configuration support", T. Krowiak,
//! 2020-11-24; H. Pasic, 2020-11-26: "the final product is OK with regards to in_use()".

use selvedge_core::function;

use crate::Errno;
use crate::ap::{ApBus, ApMask};
use crate::ap_perms::{OneLock, VfioAp};

/// Version 12, complete.
#[derive(Debug)]
pub enum P12b {}

impl VfioAp for P12b {
    type MatrixDev = OneLock;

    /// Locks: (`ap_perms_mutex`) -> try `matrix_dev->lock`, or `-EBUSY`.
    fn vfio_ap_mdev_resource_in_use(
        matrix_dev: &OneLock,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let mdev = matrix_dev.lock.try_lock().ok_or(Errno::Ebusy)?;
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: try `matrix_dev->lock`, or `-EBUSY` -> `ap_perms_mutex`.
    fn assign_adapter_store(matrix_dev: &OneLock, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let mut mdev = matrix_dev.lock.try_lock().ok_or(Errno::Ebusy)?;
        mdev.assign_adapter(apid, |added| bus.ap_apqn_in_matrix_owned_by_def_drv(added))?;
        bus.now_assigned(mdev.matrix.apqns());
        Ok(())
    }
}
