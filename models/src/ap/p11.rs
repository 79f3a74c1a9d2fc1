//! Version 11 of the series: both sides wait for each other's lock.
//!
//! `in_use` takes `matrix_dev->lock` under `ap_perms_mutex`; assigning takes them the other way
//! round, because the check whether the host owns a queue takes `ap_perms_mutex` itself. Halil
//! Pasic found the deadlock; the commit message of the next version tells it.
//!
//! Source: "[PATCH v11 …] s390/vfio-ap: dynamic configuration support" (2020), as described in
//! "[PATCH v12 07/17] s390/vfio-ap: implement in-use callback for vfio_ap driver", T. Krowiak,
//! 2020-11-24.

use selvedge_core::function;
use selvedge_core::sync::Mutex;

use super::{ApBus, ApMask, ApMatrix, Apqn, Errno, MatrixMdev, VfioAp};

/// `matrix_dev`, with one mediated device.
#[derive(Debug)]
pub struct P11 {
    /// `matrix_dev->lock`.
    lock: Mutex<MatrixMdev>,
}

impl VfioAp for P11 {
    fn new(matrix: ApMatrix) -> Self {
        Self { lock: Mutex::new("matrix_dev->lock", MatrixMdev { matrix }) }
    }

    /// Locks: (`ap_perms_mutex`) -> `matrix_dev->lock`.
    fn vfio_ap_mdev_resource_in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let mdev = self.lock.lock();
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: `matrix_dev->lock`.
    fn vfio_ap_mdev_remove_queue(&self, _apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        self.lock.lock().unlock();
    }

    /// Locks: `matrix_dev->lock` -> `ap_perms_mutex`.
    fn assign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let mut mdev = self.lock.lock();
        mdev.assign_adapter(apid, |added| bus.ap_apqn_in_matrix_owned_by_def_drv(added))?;
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
