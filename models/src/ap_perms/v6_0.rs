//! The merged code, v6.0, which takes `ap_perms_mutex` first.
//!
//! Assigning takes `ap_perms_mutex` before the driver's own locks and keeps it. The check of the
//! masks expects the caller to hold it. `in_use` is called under it and can therefore wait for the
//! other locks. Unassigning does not take it, since releasing a queue cannot conflict with a mask.
//!
//! Source: commits e2126a73746e, 8ee13ad99337, 3f85d1df26a9 and 1918f2b20c3d (which skips an
//! adapter that is assigned already) in `drivers/s390/crypto/vfio_ap_ops.c`, v6.0.

use selvedge_core::function;

use crate::Errno;
use crate::ap::{ApBus, ApMask, Overrides};
use crate::ap_perms::{ThreeLocks, VfioAp};

/// v6.0.
#[derive(Debug)]
pub enum V6_0 {}

impl VfioAp for V6_0 {
    type MatrixDev = ThreeLocks;

    /// Locks: (`ap_perms_mutex`) -> `guests_lock` -> `mdevs_lock`.
    fn vfio_ap_mdev_resource_in_use(
        matrix_dev: &ThreeLocks,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_resource_in_use");
        let _guests = matrix_dev.guests_lock.lock();
        let mdev = matrix_dev.mdevs_lock.lock();
        mdev.resource_in_use(apm, aqm)
    }

    /// Locks: `ap_perms_mutex` -> `guests_lock` -> `kvm->lock` -> `mdevs_lock`, the last three by
    /// `get_update_locks_for_mdev`.
    fn assign_adapter_store(matrix_dev: &ThreeLocks, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let ap_perms = bus.ap_perms_mutex().lock();
        let _guests = matrix_dev.guests_lock.lock();
        let _kvm = matrix_dev.kvm_lock.lock();
        let mut mdev = matrix_dev.mdevs_lock.lock();
        if mdev.matrix.apm.test(apid) {
            return Ok(());
        }
        mdev.assign_adapter(apid, |added| bus.owned_by_def_drv(&ap_perms, added))?;
        bus.now_assigned(mdev.matrix.apqns());
        Ok(())
    }
}

/// v6.19 and v7.0: the same driver on a bus with `driver_override`.
#[derive(Debug)]
pub enum V6_19 {}

/// Commit 81d6f7c3a70b, 2026: a spinlock protects `driver_override`.
#[derive(Debug)]
pub enum V2026 {}

/// Implements the driver of v6.0 for a later bus.
macro_rules! later_bus {
    ($($name:ident: $overrides:ident;)*) => {$(
        impl VfioAp for $name {
            type MatrixDev = ThreeLocks;

            const OVERRIDES: Overrides = Overrides::$overrides;

            fn vfio_ap_mdev_resource_in_use(
                matrix_dev: &ThreeLocks,
                apm: &ApMask,
                aqm: &ApMask,
            ) -> Result<(), Errno> {
                V6_0::vfio_ap_mdev_resource_in_use(matrix_dev, apm, aqm)
            }

            fn assign_adapter_store(
                matrix_dev: &ThreeLocks,
                bus: &ApBus,
                apid: u8,
            ) -> Result<(), Errno> {
                V6_0::assign_adapter_store(matrix_dev, bus, apid)
            }
        }
    )*};
}

later_bus! {
    V6_19: WrittenUnderDeviceLock;
    V2026: UnderSpinLock;
}
