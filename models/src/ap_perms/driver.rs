//! The driver of a version, from the point of view of the bus.

use std::fmt;

use super::MatrixDev;
use crate::Errno;
use crate::ap::{ApBus, ApDriver, ApMask, Apqn, Overrides};

/// A version of the vfio_ap driver, reduced to the two functions whose locking of the masks differs
/// between versions. [`MatrixDev`] has the rest.
///
/// Each function has the name of the kernel function that it models and takes the same locks in the
/// same order.
pub trait VfioAp: 'static {
    /// The locks of the version.
    type MatrixDev: MatrixDev;

    /// Whether the bus lets an administrator choose the driver of a queue.
    const OVERRIDES: Overrides = Overrides::None;

    /// Checks for the bus whether a queue of the adapters `apm` and domains `aqm` is assigned to a
    /// mediated device. The caller holds `ap_perms_mutex`.
    ///
    /// # Errors
    ///
    /// The error with which the kernel function vetoes the change of a mask.
    fn vfio_ap_mdev_resource_in_use(
        matrix_dev: &Self::MatrixDev,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno>;

    /// Assigns an adapter to the mediated device, as the administrator does.
    ///
    /// # Errors
    ///
    /// The error of the write to the sysfs file.
    fn assign_adapter_store(
        matrix_dev: &Self::MatrixDev,
        bus: &ApBus,
        apid: u8,
    ) -> Result<(), Errno>;
}

/// `vfio_ap_drv`, reduced to what concerns the masks.
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
