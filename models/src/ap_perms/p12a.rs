//! Version 12 of the series up to its seventh patch: trylock on both sides, and a gap.
//!
//! `in_use` and assigning only try `matrix_dev->lock`, so no thread waits in a cycle. At this point
//! of the series, however, assigning still checks whether the device of a queue is bound to vfio_ap
//! and not what the masks say. Between the answer of `in_use` and the write of the mask a queue can
//! be assigned, and the host takes it while it is in use.
//!
//! Source: "[PATCH v12 07/17] s390/vfio-ap: implement in-use callback for vfio_ap driver", T.
//! Krowiak, 2020-11-24. The gap is described by H. Pasic, 2020-11-26, and T. Krowiak, 2020-12-14.

use selvedge_core::function;

use super::mdev::verify_queues_bound;
use crate::Errno;
use crate::ap::{ApBus, ApMask};
use crate::ap_perms::{OneLock, VfioAp};

/// Version 12 up to patch 07.
#[derive(Debug)]
pub enum P12a {}

impl VfioAp for P12a {
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

    /// Locks: try `matrix_dev->lock`, or `-EBUSY`; nothing under it.
    fn assign_adapter_store(matrix_dev: &OneLock, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let mut mdev = matrix_dev.lock.try_lock().ok_or(Errno::Ebusy)?;
        mdev.assign_adapter(apid, |added| verify_queues_bound(bus, added))?;
        bus.now_assigned(mdev.matrix.apqns());
        Ok(())
    }
}
