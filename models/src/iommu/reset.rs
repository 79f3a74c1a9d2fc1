//! The reset of a function, by an administrator or by VFIO.
//!
//! A reset disables the function, which loses its table, enables it, and registers a table again.
//! Up to v6.14 this is the table that `zdev->dma_table` has, read without a lock. Since v6.15 it is
//! the table of the attached domain. Attaching holds `group->mutex` and a reset does not, so the
//! two have no lock in common, except for the pointer to the domain (`dom_lock`).
//!
//! The recovery of a function from an error ends in the same way. It leaves functions of vfio-pci
//! alone (`zpci_event_attempt_error_recovery`: passed through, or no `slot_reset`), so only a reset
//! runs beside an attach. `VFIO_DEVICE_RESET` does beside `VFIO_DEVICE_ATTACH_IOMMUFD_PT`, and the
//! file `reset` of sysfs beside `VFIO_GROUP_UNSET_CONTAINER` of a group whose device is not open.
//!
//! | | locks |
//! |---|---|
//! | `reset_slot` | (`device_lock`) -> `state_lock`, tried -> `dom_lock` |
//! | `pci_dev_reset_iommu_prepare`, `_done` | (`device_lock`) -> `group->mutex` |
//!
//! Source: `arch/s390/pci/pci.c` and `drivers/pci/hotplug/s390_pci_hpc.c`, v6.1, v6.7 and v6.15;
//! `drivers/iommu/iommu.c`, v7.0; commit da995d538d3a, v5.16.

use selvedge_core::function;

use super::dma_api::zpci_dma_init_device;
use super::domain::Dom;
use super::hardware::{Cc, Table, rule_broken};
use super::kernel::Fence;
use super::world::World;
use crate::Errno;

/// Models `pci_reset_bus_function` of a function that has ATS, or does not. Since v7.0 the core
/// protects the domain of a function with ATS, and returns early for any other.
///
/// Locks: `group->mutex`; those of `reset_slot`; `group->mutex`.
pub fn pci_reset_bus_function(w: &World, zdev: usize, ats: bool) {
    let _function = function("pci_reset_bus_function");
    let fenced = ats && w.kernel.fence > Fence::None;
    if fenced && pci_dev_reset_iommu_prepare(w, zdev).is_err() {
        return;
    }
    reset_slot(w, zdev);
    if fenced {
        pci_dev_reset_iommu_done(w, zdev);
    }
}

/// Models `pci_dev_reset_iommu_prepare`, which attaches the blocking domain to the function and
/// leaves `group->domain` as it is. Locks: `group->mutex`.
fn pci_dev_reset_iommu_prepare(w: &World, zdev: usize) -> Result<(), Errno> {
    let _function = function("pci_dev_reset_iommu_prepare");
    let group = &w.held(zdev).group;
    let mut members = group.mutex.lock();
    if group.domain.read() != Some(Dom::Blocking) {
        w.kernel.attach_dev(w, Dom::Blocking, zdev)?;
    }
    members.resetting = true;
    Ok(())
}

/// Models `pci_dev_reset_iommu_done`, which attaches the domain of the group again. Locks:
/// `group->mutex`.
///
/// # Violations
///
/// WARN if that fails. A use after release if the domain has been freed.
fn pci_dev_reset_iommu_done(w: &World, zdev: usize) {
    let _function = function("pci_dev_reset_iommu_done");
    let group = &w.held(zdev).group;
    let mut members = group.mutex.lock();
    members.resetting = false;
    if !members.device {
        return;
    }
    let domain = group.domain.read().filter(|domain| *domain != Dom::Blocking);
    if domain.is_some_and(|domain| w.kernel.attach_dev(w, domain, zdev).is_err()) {
        rule_broken(&w.hardware, "WARN", "the domain cannot be attached after the reset");
    }
}

/// Models `reset_slot`, which gives up if the state of the function changes. Locks: `state_lock`,
/// tried, since v6.7. Before, the caller's `device_lock` alone keeps the function from being
/// removed.
fn reset_slot(w: &World, zdev: usize) {
    let _function = function("reset_slot");
    let device = w.held(zdev);
    if w.kernel.has_dma_api() {
        return zpci_hot_reset_device(w, zdev);
    }
    let configured = device.state_lock.try_lock();
    if configured.as_ref().is_some_and(|configured| **configured) {
        zpci_hot_reset_device(w, zdev);
    }
}

/// Models `zpci_hot_reset_device`. The caller holds `state_lock`, since v6.7.
pub fn zpci_hot_reset_device(w: &World, zdev: usize) {
    let _function = function("zpci_hot_reset_device");
    w.hardware.disable(zdev);
    if w.kernel.registers_by_domain() {
        zpci_iommu_register_ioat(w, zdev);
    } else if let Some(table) = w.held(zdev).dma_table() {
        _ = w.hardware.zpci_register_ioat(zdev, table);
    } else if w.kernel.has_dma_api() {
        _ = zpci_dma_init_device(w, zdev);
    }
}

/// Models `zpci_iommu_register_ioat`, since v6.15, which `zpci_reenable_device` calls. Locks:
/// `dom_lock`, with which the instruction must not sleep.
fn zpci_iommu_register_ioat(w: &World, zdev: usize) -> Cc {
    let _function = function("zpci_iommu_register_ioat");
    let device = w.held(zdev);
    let _locked = device.dom_lock.lock();
    match device.s390_domain.read() {
        Some(Dom::Paging(domain)) => w.hardware.zpci_register_ioat(zdev, w.domain(domain).table()),
        Some(Dom::Identity) => w.hardware.zpci_register_ioat(zdev, Table::Identity),
        Some(Dom::Blocking) | None => Cc::Ok,
    }
}

/// Recovers a function from an error: `zpci_event_attempt_error_recovery` as far as it concerns the
/// domain. Locks: `state_lock` -> those of [`zpci_hot_reset_device`].
pub fn recover(w: &World, zdev: usize) {
    let _function = function("zpci_event_attempt_error_recovery");
    let _state = w.held(zdev).state_lock.lock();
    zpci_hot_reset_device(w, zdev);
}
