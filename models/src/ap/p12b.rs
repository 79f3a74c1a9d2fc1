//! Version 12 of the series, complete: trylock on both sides, and no gap.
//!
//! With "s390/vfio-ap: allow assignment of unavailable AP queues to mdev device" applied, the
//! check asks the masks: it takes `ap_perms_mutex` under the `matrix_dev->lock` that assigning
//! has tried and got. The order is inverted, but one direction is only tried. If `in_use` has
//! answered already, the check waits for the new mask and sees it; if assigning came first,
//! `in_use` fails to get the lock. The price: either side fails with `-EBUSY` whenever anybody,
//! a guest's PQAP included, holds the lock for a moment.
//!
//! Source: "[PATCH v12 00/17] s390/vfio-ap: dynamic configuration support", T. Krowiak,
//! 2020-11-24; H. Pasic, 2020-11-26: "the final product is OK with regards to in_use()".

use selvedge_core::function;
use selvedge_core::sync::Mutex;

use super::{ApBus, ApMask, ApMatrix, Apqn, Errno, MatrixMdev, VfioAp};

/// `matrix_dev`, with one mediated device.
#[derive(Debug)]
pub struct P12b {
    /// `matrix_dev->lock`.
    lock: Mutex<MatrixMdev>,
}

impl VfioAp for P12b {
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

    /// Locks: try `matrix_dev->lock`, or `-EBUSY` -> `ap_perms_mutex`.
    fn assign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let mut mdev = self.lock.try_lock().ok_or(Errno::Ebusy)?;
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
