//! v6.2 to v6.6: attaching detaches first, the lists are walked under RCU, and a flush is a
//! separate operation.
//!
//! | | locks |
//! |---|---|
//! | `attach_dev`, `detach_dev` | (`group->mutex`) -> `list_lock` of the old, of the new |
//! | `release_device` | (`group->mutex` since v6.5) -> `list_lock` |
//! | `flush_iotlb_all`, `iotlb_sync`, `iotlb_sync_map` | (RCU) |
//! | `map_pages`, `unmap_pages` | none: entries are exchanged |
//!
//! Source: commits bf8d2dd2ed08, 1a3a7d64bbce, 59bbf596791b, c228f5a04337, 2ba8336dab5f and
//! 21c1f9021f0e.

use selvedge_core::function;
use std::collections::BTreeSet;

use crate::Errno;
use crate::iommu::dma_api::{zpci_dma_exit_device, zpci_dma_init_device};
use crate::iommu::domain::Dom;
use crate::iommu::hardware::{Page, Table, rule_broken};
use crate::iommu::lists::Place;
use crate::iommu::world::World;

/// Models `s390_iommu_attach_device`. After an error the device has no domain.
///
/// # Errors
///
/// [`Errno::Eio`] if the domain's table cannot be registered. A function in its error state is not
/// an error.
pub(crate) fn attach_dev(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    let _function = function("s390_iommu_attach_device");
    let device = w.held(zdev);
    if device.s390_domain.read().is_some() {
        __s390_iommu_detach_device(w, zdev);
    } else if device.dma_table().is_some() {
        // The driver drops the return value.
        _ = zpci_dma_exit_device(w, zdev);
    }
    register_and_list(w, domain, zdev)
}

/// Registers and lists the device. The old table is no longer registered.
pub(crate) fn register_and_list(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    let device = w.held(zdev);
    let table = w.domain(domain).table();
    if !w.kernel.tolerates(w.hardware.zpci_register_ioat(zdev, table)) {
        return Err(Errno::Eio);
    }
    device.set_dma_table(Some(table));
    device.set_s390_domain(&w.kernel, Some(Dom::Paging(domain)));
    let _devices = w.domain(domain).list_lock.spin_lock_irqsave();
    w.lists.list_add_rcu(zdev, domain);
    Ok(())
}

/// Models `__s390_iommu_detach_device`.
pub(crate) fn __s390_iommu_detach_device(w: &World, zdev: usize) {
    let _function = function("__s390_iommu_detach_device");
    let device = w.held(zdev);
    let Some(Dom::Paging(domain)) = device.s390_domain.read() else { return };
    let devices = w.domain(domain).list_lock.spin_lock_irqsave();
    w.lists.list_del_rcu(&w.hardware, zdev);
    devices.unlock();
    _ = w.hardware.zpci_unregister_ioat(zdev);
    device.s390_domain.write(None);
    device.set_dma_table(None);
}

/// Models `s390_iommu_detach_device`, which returns the device to the DMA API.
pub(crate) fn detach_dev(w: &World, zdev: usize) {
    let _function = function("s390_iommu_detach_device");
    __s390_iommu_detach_device(w, zdev);
    _ = zpci_dma_init_device(w, zdev);
}

/// Models `s390_iommu_release_device`. The device is removed, so DMA is not initialised again.
pub(crate) fn release_device(w: &World, zdev: usize) {
    let _function = function("s390_iommu_release_device");
    __s390_iommu_detach_device(w, zdev);
}

/// Models `s390_domain_free`. Readers may still walk the list.
///
/// # Violations
///
/// B3 if a device is on the list.
pub(crate) fn domain_free(w: &World, domain: u8) {
    let _function = function("s390_domain_free");
    let reader = w.rcu.read_lock();
    if !w.lists.is_empty(domain) {
        rule_broken(&w.hardware, "B3", "a domain with a device is freed");
    }
    reader.unlock();
    w.rcu.call(w.domain_head(domain));
}

/// Models `s390_iommu_rcu_free_domain`, which `call_rcu` calls.
pub(crate) fn rcu_free_domain(w: &World, domain: u8) {
    let _function = function("s390_iommu_rcu_free_domain");
    w.hardware.dma_cleanup_tables(Table::Domain(domain), true);
    w.kfree_domain(domain);
}

/// The effect of an error of one function on the flush of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errors {
    /// None, as merged.
    Ignore,
    /// The error ends the flush, as in a draft.
    End,
}

/// Models `s390_iommu_flush_iotlb_all`. An error of one function does not affect the others.
///
/// # Violations
///
/// I-10 if the walk reaches the head of another domain's list, and ENDLESS if it reaches it again.
pub fn s390_iommu_flush_iotlb_all(w: &World, domain: u8, pages: &BTreeSet<Page>, errors: Errors) {
    let _function = function("s390_iommu_flush_iotlb_all");
    let _reader = w.rcu.read_lock();
    _ = w.domain(domain);
    let mut strange = 0;
    let mut at = w.lists.next(Place::Head(domain));
    loop {
        match at {
            Place::Head(head) if head == domain => break,
            Place::Head(head) => {
                let message = format!("the head of domain {head}'s list is treated as a device");
                rule_broken(&w.hardware, "I-10", message);
                strange += 1;
                if strange > 1 {
                    rule_broken(&w.hardware, "ENDLESS", "the walk cycles in another domain's list");
                    break;
                }
            }
            Place::Node(zdev) => {
                _ = w.zdev(zdev);
                let flushed = w.hardware.zpci_refresh_trans(zdev, pages);
                if errors == Errors::End && flushed.is_err() {
                    break;
                }
            }
        }
        at = w.lists.next(at);
    }
}

/// Models `s390_iommu_map_pages` and `s390_iommu_iotlb_sync_map`. New mappings are flushed only
/// where a hypervisor shadows the table.
pub(crate) fn map_page(w: &World, domain: u8, page: Page) {
    let _function = function("s390_iommu_map_pages");
    w.hardware.dma_update_cpu_trans(w.domain(domain).table(), page, true);
}

/// Models `s390_iommu_unmap_pages` and `s390_iommu_iotlb_sync` of the pages that it gathered.
pub fn unmap_page(w: &World, domain: u8, page: Page, errors: Errors) {
    let _function = function("s390_iommu_unmap_pages");
    w.hardware.dma_update_cpu_trans(w.domain(domain).table(), page, false);
    s390_iommu_flush_iotlb_all(w, domain, &BTreeSet::from([page]), errors);
}
