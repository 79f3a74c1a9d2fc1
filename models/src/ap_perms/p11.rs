//! Version 11 of the series: each side waits for the other's lock.
//!
//! `in_use` takes `matrix_dev->lock` under `ap_perms_mutex`. Assigning takes them in the other
//! order, because the check whether the host owns a queue takes `ap_perms_mutex` itself. Halil
//! Pasic found the deadlock, and the commit message of the next version describes it.
//!
//! Source: "[PATCH v11 …] s390/vfio-ap: dynamic configuration support" (2020), as described in
//! "[PATCH v12 07/17] s390/vfio-ap: implement in-use callback for vfio_ap driver", T. Krowiak,
//! 2020-11-24.

use selvedge_core::function;

use crate::Errno;
use crate::ap::{ApBus, ApMask};
use crate::ap_perms::{OneLock, VfioAp};

/// Version 11.
#[derive(Debug)]
pub enum P11 {}

impl VfioAp for P11 {
    type MatrixDev = OneLock;

    /// Locks: (`ap_perms_mutex`) -> `matrix_dev->lock`.
    fn vfio_ap_mdev_resource_in_use(
        matrix_dev: &OneLock,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let mdev = matrix_dev.lock.lock();
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: `matrix_dev->lock` -> `ap_perms_mutex`.
    fn assign_adapter_store(matrix_dev: &OneLock, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let mut mdev = matrix_dev.lock.lock();
        mdev.assign_adapter(apid, |added| bus.ap_apqn_in_matrix_owned_by_def_drv(added))?;
        bus.now_assigned(mdev.matrix.apqns());
        Ok(())
    }
}
