//! The functions of VFIO: a container attaches a domain to a group and detaches it.
//!
//! VFIO serialises its own system calls. Up to v6.0 a device could be removed while its group was
//! in a container, since the driver's remove function waits until the device's file is closed and
//! not until the group's is. Commit ca5f21b25749 "vfio: Follow a strict lifetime for struct
//! iommu_group", v6.1, makes the removal wait for all users of the group.
//!
//! Source: `drivers/vfio/vfio.c` and `vfio_iommu_type1.c`, v5.19 and v6.1.

use selvedge_core::function;

use super::domain::A;
use super::iommu_core::{
    iommu_attach_group, iommu_detach_group, iommu_group_claim_dma_owner,
    iommu_group_release_dma_owner,
};
use super::world::World;
use crate::Errno;

/// Opens the group and returns whether it exists. Since v6.1 the device stays while the group is
/// open.
pub fn vfio_group_open(w: &World, zdev: usize) -> bool {
    let mut users = w.held(zdev).group.users.lock();
    let opened = !w.kernel.vfio_waits || !users.gone;
    users.open |= opened;
    opened
}

/// Closes the last file of the group.
pub fn vfio_group_close(w: &World, zdev: usize) {
    if w.kernel.vfio_waits {
        w.held(zdev).group.unused.complete_all();
    }
}

/// Models `vfio_device_remove_group`, since v6.1, which waits for the users of the group. New users
/// are refused.
pub fn vfio_device_remove_group(w: &World, zdev: usize) {
    if !w.kernel.vfio_waits {
        return;
    }
    let _function = function("vfio_device_remove_group");
    let group = &w.held(zdev).group;
    let mut users = group.users.lock();
    users.gone = true;
    let open = users.open;
    users.unlock();
    if open {
        group.unused.wait_for_completion();
    }
}

/// Models `VFIO_GROUP_SET_CONTAINER` and `VFIO_SET_IOMMU`, which claim the group and attach VFIO's
/// domain.
///
/// # Errors
///
/// The error of the driver. The group then has no owner.
pub fn vfio_group_set_container(w: &World, zdev: usize) -> Result<(), Errno> {
    let _function = function("vfio_ioctl_set_iommu");
    iommu_group_claim_dma_owner(w, zdev)?;
    if let Err(error) = iommu_attach_group(w, A, zdev) {
        iommu_group_release_dma_owner(w, zdev);
        return Err(error);
    }
    Ok(())
}

/// Models the part of `VFIO_GROUP_UNSET_CONTAINER` that detaches the domain from the group. If
/// `last` is set, no other group is in the container, and the domain is freed.
pub fn vfio_iommu_type1_detach_group(w: &World, zdev: usize, last: bool) {
    let _function = function("vfio_iommu_type1_detach_group");
    iommu_detach_group(w, zdev);
    if last {
        w.kernel.domain_free(w, A);
    }
}

/// Models `VFIO_GROUP_UNSET_CONTAINER` as a whole. The group then has no owner.
pub fn vfio_group_unset_container(w: &World, zdev: usize, last: bool) {
    let _function = function("__vfio_group_unset_container");
    vfio_iommu_type1_detach_group(w, zdev, last);
    iommu_group_release_dma_owner(w, zdev);
}
