//! v6.7 to v6.12: the DMA API is layered on the driver, so a device always has a domain, unless
//! attaching it has failed.
//!
//! | | locks |
//! |---|---|
//! | `attach_dev`, `release_device` | (`group->mutex`) -> `list_lock` |
//!
//! Source: commit c76c067e488c "s390/pci: Use dma-iommu layer".

use selvedge_core::function;

use crate::Errno;
use crate::iommu::domain::Dom;
use crate::iommu::hardware::rule_broken;
use crate::iommu::versions::k2::{__s390_iommu_detach_device, register_and_list};
use crate::iommu::world::World;

/// Models `s390_iommu_attach_device`.
///
/// # Errors
///
/// Those of v6.2.
pub(crate) fn attach_dev(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    let _function = function("s390_iommu_attach_device");
    if w.held(zdev).s390_domain.read().is_some() {
        __s390_iommu_detach_device(w, zdev);
    }
    register_and_list(w, domain, zdev)
}

/// Models `s390_iommu_release_device`, which detaches from `zdev->s390_domain` without a check.
///
/// # Violations
///
/// NULL if the field is NULL.
pub(crate) fn release_device(w: &World, zdev: usize) {
    let _function = function("s390_iommu_release_device");
    match w.held(zdev).s390_domain.read() {
        Some(Dom::Paging(_)) => __s390_iommu_detach_device(w, zdev),
        _ => {
            rule_broken(&w.hardware, "NULL", "zdev->s390_domain is NULL and its list_lock is taken")
        }
    }
}
