//! VFIO's side: a container gives a group a domain, and takes it away.
//!
//! Its system calls are serialised by VFIO itself. Up to v6.0 a device could go while its group was
//! still in a container: the driver's remove function waits for the device's file to be closed, not
//! for the group's. Commit ca5f21b25749 "vfio: Follow a strict lifetime for struct iommu_group",
//! v6.1, makes the device wait for all users of the group.
//!
//! Source: `drivers/vfio/vfio.c` and `vfio_iommu_type1.c`, v5.19 and v6.1.

use std::sync::Arc;

use selvedge_core::function;

use super::domain::A;
use super::iommu_core::{
    iommu_attach_group, iommu_detach_group, iommu_group_claim_dma_owner,
    iommu_group_release_dma_owner,
};
use super::world::World;
use crate::Errno;

/// Opens the group; whether it is there. Since v6.1 the device does not go from then on.
pub fn vfio_group_open(w: &World, zdev: usize) -> bool {
    let mut users = w.held(zdev).group.users.lock();
    let opened = !w.kernel.vfio_waits || !users.gone;
    users.open |= opened;
    opened
}

/// Closes it, for the last time.
pub fn vfio_group_close(w: &World, zdev: usize) {
    if w.kernel.vfio_waits {
        w.held(zdev).group.unused.complete_all();
    }
}

/// `vfio_device_remove_group`, since v6.1: waits for whoever uses the group; nobody can begin to.
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

/// `VFIO_GROUP_SET_CONTAINER` and `VFIO_SET_IOMMU`: the group is claimed, and gets VFIO's domain.
///
/// # Errors
///
/// What the driver returns; then nobody has the group.
pub fn vfio_group_set_container(w: &Arc<World>, zdev: usize) -> Result<(), Errno> {
    let _function = function("vfio_ioctl_set_iommu");
    iommu_group_claim_dma_owner(w, zdev)?;
    if let Err(error) = iommu_attach_group(w, A, zdev) {
        iommu_group_release_dma_owner(w, zdev);
        return Err(error);
    }
    Ok(())
}

/// `VFIO_GROUP_UNSET_CONTAINER`, as far as the domain goes: the group's is taken away. If `last`, no
/// other group is in the container, and the domain is freed.
pub fn vfio_iommu_type1_detach_group(w: &Arc<World>, zdev: usize, last: bool) {
    let _function = function("vfio_iommu_type1_detach_group");
    iommu_detach_group(w, zdev);
    if last {
        w.kernel.domain_free(w, A);
    }
}

/// The rest of it: the group is nobody's.
pub fn vfio_group_unset_container(w: &Arc<World>, zdev: usize, last: bool) {
    let _function = function("__vfio_group_unset_container");
    vfio_iommu_type1_detach_group(w, zdev, last);
    iommu_group_release_dma_owner(w, zdev);
}
