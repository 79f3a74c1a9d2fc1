//! The driver of a version, as the bus knows it.

use std::fmt;

use super::MatrixDev;
use crate::Errno;
use crate::ap::{ApBus, ApDriver, ApMask, Apqn};

/// A version of the vfio_ap driver, as far as the dispute over the masks concerns it: the two
/// functions in which versions differ. The rest is its [`MatrixDev`]'s.
///
/// Each function is named after the kernel function it models and takes the same locks in the
/// same order.
pub trait VfioAp: 'static {
    /// The locks that the version has.
    type MatrixDev: MatrixDev;

    /// The answer to the bus: is any queue of adapters `apm` and domains `aqm` assigned to a
    /// mediated device? Called with `ap_perms_mutex` held.
    ///
    /// # Errors
    ///
    /// Whatever the kernel function returns to veto the change of a mask.
    fn vfio_ap_mdev_resource_in_use(
        matrix_dev: &Self::MatrixDev,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno>;

    /// The administrator assigns an adapter to the mediated device.
    ///
    /// # Errors
    ///
    /// What the write to the sysfs file returns.
    fn assign_adapter_store(
        matrix_dev: &Self::MatrixDev,
        bus: &ApBus,
        apid: u8,
    ) -> Result<(), Errno>;
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
