//! Version 12 of the series up to its seventh patch: trylock on both sides, and a gap.
//!
//! `matrix_dev->lock` is only tried, by `in_use` and by assigning, so nobody waits in a cycle.
//! But at this point of the series assigning still asks whether a queue's device is bound to
//! vfio_ap, not what the masks say. Between the answer of `in_use` and the write of the mask a
//! queue can be assigned, and the host takes it while it is in use.
//!
//! Source: "[PATCH v12 07/17] s390/vfio-ap: implement in-use callback for vfio_ap driver",
//! T. Krowiak, 2020-11-24; the gap: H. Pasic's answer of 2020-11-26, and T. Krowiak's of
//! 2020-12-14.

use selvedge_core::function;
use selvedge_core::sync::Mutex;

use super::matrix::verify_queues_bound;
use super::{ApBus, ApMask, ApMatrix, Apqn, Errno, MatrixMdev, VfioAp};

/// `matrix_dev`, with one mediated device.
#[derive(Debug)]
pub struct P12a {
    /// `matrix_dev->lock`.
    lock: Mutex<MatrixMdev>,
}

impl VfioAp for P12a {
    fn new(matrix: ApMatrix) -> Self {
        Self { lock: Mutex::new("matrix_dev->lock", MatrixMdev { matrix }) }
    }

    /// Locks: (`ap_perms_mutex`) -> try `matrix_dev->lock`, or `-EBUSY`.
    fn vfio_ap_mdev_resource_in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let mdev = self.lock.try_lock().ok_or(Errno::Ebusy)?;
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: `matrix_dev->lock`.
    fn vfio_ap_mdev_remove_queue(&self, _apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        self.lock.lock().unlock();
    }

    /// Locks: try `matrix_dev->lock`, or `-EBUSY`; nothing under it.
    fn assign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let mut mdev = self.lock.try_lock().ok_or(Errno::Ebusy)?;
        mdev.assign_adapter(apid, |added| verify_queues_bound(bus, added))?;
        bus.now_assigned(&mdev.matrix);
        mdev.unlock();
        Ok(())
    }

    /// Locks: `matrix_dev->lock`.
    fn unassign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("unassign_adapter_store");
        let mut mdev = self.lock.lock();
        mdev.matrix.apm.set(apid, false);
        bus.now_assigned(&mdev.matrix);
        mdev.unlock();
        Ok(())
    }

    /// Locks: `matrix_dev->lock`.
    fn handle_pqap(&self) {
        let _function = function("handle_pqap");
        self.lock.lock().unlock();
    }

    fn matrix(&self) -> ApMatrix {
        self.lock.lock().matrix
    }
}
