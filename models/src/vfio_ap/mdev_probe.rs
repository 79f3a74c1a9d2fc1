//! The creation of a mediated device, which adds it to the driver's list and registers it with
//! VFIO.
//!
//! The versions differ in the order. Up to v5.19 the device is added to the list first. (Before
//! v5.15 the core of mediated devices registers it after `vfio_ap_mdev_create` has returned. Since
//! then the driver registers it, and removes it from the list if VFIO refuses it.) Since v6.0 the
//! device is registered first. For a moment it can be opened while it is not on the list, by which
//! attaching checks whether the guest already has another device.
//!
//! Source: `vfio_ap_mdev_create`, v5.3 to v5.14; `vfio_ap_mdev_probe`, commit eb0feefd4c02, v5.15;
//! v6.0.

use selvedge_core::function;

use super::world::World;
use crate::Errno;
use crate::vfio_ap::versions::commits::Commit;

/// Models `vfio_ap_mdev_probe`, before v5.15 `vfio_ap_mdev_create`, which creates a mediated device
/// with nothing assigned. `register` registers it with VFIO.
///
/// Locks: `matrix_dev->lock`, or `mdevs_lock`; since commit 7fa61c29850d, 2026, `guests_lock` ->
/// `mdevs_lock`.
///
/// # Errors
///
/// The error of `register`.
///
/// # Violations
///
/// INV-20 if another thread walks the list.
pub fn vfio_ap_mdev_probe(
    w: &World,
    mdev: usize,
    register: impl FnOnce() -> Result<(), Errno>,
) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_probe");
    let listed_first = !w.has(Commit::DynamicConfiguration);
    if listed_first {
        list(w, mdev, true);
    }
    if let Err(error) = register() {
        if listed_first {
            list(w, mdev, false);
        }
        w.matrix_dev.free_mdev(mdev);
        return Err(error);
    }
    if !listed_first {
        list(w, mdev, true);
    }
    Ok(())
}

fn list(w: &World, mdev: usize, listed: bool) {
    let guests = w.has(Commit::ListedUnderGuestsLock).then(|| w.matrix_dev.guests_lock.lock());
    let mut mdevs = w.matrix_dev.lock.lock();
    mdevs.mdevs[mdev].listed = listed;
    if listed {
        w.matrix_dev.mdev_list.list_add(mdev);
    } else {
        w.matrix_dev.mdev_list.list_del(mdev);
    }
    mdevs.unlock();
    if let Some(guests) = guests {
        guests.unlock();
    }
}
