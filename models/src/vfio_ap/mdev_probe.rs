//! A mediated device is made: it goes onto the driver's list, and to VFIO, which lets it be opened.
//!
//! In which order, the versions differ in. Up to v5.19 it is on the list first. (Before v5.15 it is
//! the core of mediated devices that registers it, when `vfio_ap_mdev_create` has returned; since
//! then the driver does, and takes it off the list if VFIO does not take it.) Since v6.0 VFIO has
//! it first: for a moment it can be opened, and is not on the list by which attaching asks whether
//! the guest has another device already.
//!
//! Source: `vfio_ap_mdev_create`, v5.3 to v5.14; `vfio_ap_mdev_probe`, commit eb0feefd4c02, v5.15;
//! v6.0.

use selvedge_core::function;

use super::world::World;
use crate::Errno;
use crate::vfio_ap::versions::commits::Commit;

/// `vfio_ap_mdev_probe`, before v5.15 `vfio_ap_mdev_create`: makes a mediated device, with nothing
/// assigned to it. `register` hands it to VFIO.
///
/// Locks: `matrix_dev->lock`, or `mdevs_lock`; since commit 7fa61c29850d, 2026, `guests_lock` ->
/// `mdevs_lock`.
///
/// # Errors
///
/// What `register` returns.
///
/// # Violations
///
/// INV-20 if somebody walks the list.
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
