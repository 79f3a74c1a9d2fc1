//! What the bus calls in a driver: `struct ap_driver`.

use std::fmt;

use super::{ApMask, Apqn, Errno, MatrixDev, VfioAp};

/// The callbacks of a driver that passes queues through to guests.
pub trait ApDriver {
    /// Whether a queue of adapters `apm` and domains `aqm` is in use. Called with
    /// `ap_perms_mutex` held.
    ///
    /// # Errors
    ///
    /// Whatever the driver says to veto the change of a mask.
    fn in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno>;

    /// The queue's device is being bound to the driver. Called with its device lock held.
    ///
    /// # Errors
    ///
    /// If the driver cannot take it, and the device stays unbound.
    fn probe(&self, apqn: Apqn) -> Result<(), Errno>;

    /// The queue's device is being unbound from the driver. Called with its device lock held.
    fn remove(&self, apqn: Apqn);

    /// The device is bound to the host's own driver instead, which uses the queue from now on.
    fn zcrypt_probe(&self, apqn: Apqn);
}

/// `vfio_ap_drv`, as far as the dispute over the masks concerns it.
pub struct VfioApDrv<'a, V: VfioAp>(pub &'a V::MatrixDev);

impl<V: VfioAp> ApDriver for VfioApDrv<'_, V> {
    fn in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        V::vfio_ap_mdev_resource_in_use(self.0, apm, aqm)
    }

    fn probe(&self, _apqn: Apqn) -> Result<(), Errno> {
        Ok(())
    }

    fn remove(&self, apqn: Apqn) {
        self.0.vfio_ap_mdev_remove_queue(apqn);
    }

    fn zcrypt_probe(&self, _apqn: Apqn) {}
}

impl<V: VfioAp> fmt::Debug for VfioApDrv<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VfioApDrv").field(self.0).finish()
    }
}
