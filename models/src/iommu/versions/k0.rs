//! Up to v5.18: a device has either the table of the DMA API or one domain.
//!
//! | | locks |
//! |---|---|
//! | `attach_dev`, `detach_dev` | (`group->mutex`) -> `list_lock` |
//! | `release_device` | none -> `list_lock` |
//! | `map`, `unmap` | `dma_table_lock` -> `list_lock` |
//!
//! Source: `drivers/iommu/s390-iommu.c`, commit 320424c7d44f.

use selvedge_core::function;
use std::collections::BTreeSet;

use crate::Errno;
use crate::iommu::dma_api::{zpci_dma_exit_device, zpci_dma_init_device};
use crate::iommu::domain::Dom;
use crate::iommu::hardware::{Cc, Page, Table, rule_broken};
use crate::iommu::world::{Devices, World};

/// Models `s390_iommu_attach_device`.
///
/// # Errors
///
/// [`Errno::Eio`] if the domain's table cannot be registered. [`Errno::Einval`] if the domain has
/// the aperture of another device.
pub(crate) fn attach_dev(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    let _function = function("s390_iommu_attach_device");
    let device = w.held(zdev);
    if device.dma_table().is_some() {
        zpci_dma_exit_device(w, zdev)?;
    }
    device.set_dma_table(Some(w.domain(domain).table()));
    if register(w, zdev) != Cc::Ok {
        _ = zpci_dma_init_device(w, zdev);
        return Err(Errno::Eio);
    }
    let listed = {
        let mut devices = w.domain(domain).list_lock.spin_lock_irqsave();
        let fits = devices.fits(device.aperture);
        if fits.is_ok() {
            device.s390_domain.write(Some(Dom::Paging(domain)));
            devices.nodes.push(zdev);
        }
        fits
    };
    if listed.is_err() {
        _ = zpci_dma_init_device(w, zdev);
    }
    listed
}

/// Registers the current `zdev->dma_table`.
pub(crate) fn register(w: &World, zdev: usize) -> Cc {
    match w.held(zdev).dma_table() {
        Some(table) => w.hardware.zpci_register_ioat(zdev, table),
        None => Cc::Error,
    }
}

impl Devices {
    /// Checks the aperture of a device. The first device determines the aperture of the domain.
    pub(crate) fn fits(&mut self, aperture: u8) -> Result<(), Errno> {
        if self.nodes.is_empty() {
            self.aperture = Some(aperture);
        }
        if self.aperture == Some(aperture) { Ok(()) } else { Err(Errno::Einval) }
    }

    /// Removes one node of the device from the list and returns whether there was one.
    pub(crate) fn remove(&mut self, zdev: usize) -> bool {
        let node = self.nodes.iter().position(|node| *node == zdev);
        node.map(|node| self.nodes.remove(node)).is_some()
    }
}

/// Models `s390_iommu_detach_device`.
pub(crate) fn detach_dev(w: &World, domain: u8, zdev: usize) {
    let _function = function("s390_iommu_detach_device");
    let mut devices = w.domain(domain).list_lock.spin_lock_irqsave();
    let found = devices.remove(zdev);
    devices.unlock();
    if found {
        w.held(zdev).s390_domain.write(None);
        _ = w.hardware.zpci_unregister_ioat(zdev);
        _ = zpci_dma_init_device(w, zdev);
    }
}

/// Models `s390_iommu_release_device`. sysfs may remove a device that is attached, and the core
/// does not detach it. v5.19 has the same function.
pub(crate) fn release_device(w: &World, zdev: usize) {
    let _function = function("s390_iommu_release_device");
    let device = w.held(zdev);
    if device.s390_domain.read().is_some() {
        // iommu_get_domain_for_dev reads the field without the group's mutex.
        if let Some(domain) = device.group.domain.read() {
            w.kernel.detach_dev(w, domain, zdev);
        }
    }
}

/// Models `s390_domain_free`, which does not check that the list is empty.
///
/// # Violations
///
/// B3 if it is not. The node leaks, and removing it from the list would access freed memory.
pub fn domain_free(w: &World, domain: u8) {
    let _function = function("s390_domain_free");
    if !w.domain(domain).list_lock.spin_lock_irqsave().nodes.is_empty() {
        rule_broken(&w.hardware, "B3", "a domain with a device is freed");
    }
    w.hardware.dma_cleanup_tables(w.domain(domain).table(), true);
    w.kfree_domain(domain);
}

/// Models `s390_iommu_map`.
pub(crate) fn map(w: &World, domain: u8, page: Page) {
    let _function = function("s390_iommu_map");
    update_trans(w, domain, page, true);
}

/// Models `s390_iommu_unmap`.
pub(crate) fn unmap(w: &World, domain: u8, page: Page) {
    let _function = function("s390_iommu_unmap");
    update_trans(w, domain, page, false);
}

/// Models `s390_iommu_update_trans`, which flushes every change at once.
fn update_trans(w: &World, domain: u8, page: Page, valid: bool) {
    let _function = function("s390_iommu_update_trans");
    let domain = w.domain(domain);
    let _table = domain.dma_table_lock.spin_lock_irqsave();
    w.hardware.dma_update_cpu_trans(Table::Domain(domain.number()), page, valid);
    let devices = domain.list_lock.spin_lock();
    for zdev in &devices.nodes {
        _ = w.zdev(*zdev);
        _ = w.hardware.zpci_refresh_trans(*zdev, &BTreeSet::from([page]));
    }
}
