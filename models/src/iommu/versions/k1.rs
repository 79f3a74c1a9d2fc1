//! v5.19 to v6.1: an attached device may be attached again.
//!
//! `iommu_group_claim_dma_owner` attaches one domain after the other. The driver then replaces the
//! registered table, and restores the old one on failure. It does not first remove the device from
//! the list of the old domain (B1), and the state that it restores may have changed (B6).
//!
//! | | locks |
//! |---|---|
//! | `attach_dev`, `detach_dev` | (`group->mutex`) -> `list_lock` |
//! | `release_device` | none -> `list_lock` |
//!
//! Source: commit fa7e9ecc5e1c "iommu/s390: Tolerate repeat attach_dev calls".

use selvedge_core::function;

use crate::Errno;
use crate::iommu::dma_api::{zpci_dma_exit_device, zpci_dma_init_device};
use crate::iommu::domain::Dom;
use crate::iommu::hardware::Cc;
use crate::iommu::versions::k0::register;
use crate::iommu::world::World;

/// Models `s390_iommu_attach_device`.
///
/// # Errors
///
/// Those of v5.18.
pub(crate) fn attach_dev(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    let _function = function("s390_iommu_attach_device");
    let device = w.held(zdev);
    replace(w, domain, zdev)?;
    let mut devices = w.domain(domain).list_lock.spin_lock_irqsave();
    if let Err(error) = devices.fits(device.aperture) {
        devices.unlock();
        go_back(w, zdev);
        return Err(error);
    }
    device.s390_domain.write(Some(Dom::Paging(domain)));
    devices.nodes.push(zdev);
    Ok(())
}

/// Registers the table of the domain in place of the old one, or restores the old one on failure.
pub(crate) fn replace(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    leave_what_was(w, zdev)?;
    w.held(zdev).set_dma_table(Some(w.domain(domain).table()));
    if register(w, zdev) != Cc::Ok {
        go_back(w, zdev);
        return Err(Errno::Eio);
    }
    Ok(())
}

/// Leaves the DMA API, or unregisters the old domain.
pub(crate) fn leave_what_was(w: &World, zdev: usize) -> Result<(), Errno> {
    let device = w.held(zdev);
    if device.dma_table().is_some() && device.s390_domain.read().is_none() {
        zpci_dma_exit_device(w, zdev)?;
    }
    if device.s390_domain.read().is_some() {
        _ = w.hardware.zpci_unregister_ioat(zdev);
    }
    Ok(())
}

/// Restores the previous state of the device, as far as its fields record it.
pub(crate) fn go_back(w: &World, zdev: usize) {
    let device = w.held(zdev);
    match device.s390_domain.read() {
        Some(Dom::Paging(old)) => {
            device.set_dma_table(Some(w.domain(old).table()));
            _ = register(w, zdev);
        }
        _ => _ = zpci_dma_init_device(w, zdev),
    }
}

/// Models `s390_iommu_detach_device`. If the device has another domain by now, it only removes the
/// node.
pub(crate) fn detach_dev(w: &World, domain: u8, zdev: usize) {
    let _function = function("s390_iommu_detach_device");
    let device = w.held(zdev);
    let mut devices = w.domain(domain).list_lock.spin_lock_irqsave();
    let found = devices.remove(zdev);
    devices.unlock();
    if found && device.s390_domain.read() == Some(Dom::Paging(domain)) {
        device.s390_domain.write(None);
        _ = w.hardware.zpci_unregister_ioat(zdev);
        _ = zpci_dma_init_device(w, zdev);
    }
}
