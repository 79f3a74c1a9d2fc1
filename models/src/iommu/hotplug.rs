//! The removal of a function, which is deconfigured or unplugged.
//!
//! Source: `arch/s390/pci/pci.c` and `pci_bus.c`, v6.0 and v6.7; commit 2ba8336dab5f, v6.2, for the
//! release of the device's memory.

use selvedge_core::function;

use super::dma_api::zpci_dma_exit_device;
use super::iommu_core::iommu_release_device;
use super::vfio::vfio_device_remove_group;
use super::world::World;

/// Models `zpci_deconfigure_device` and drops the last reference to the device.
///
/// Locks: since v6.7 `state_lock`; those of `iommu_release_device`.
pub fn zpci_deconfigure_device(w: &World, zdev: usize) {
    let _function = function("zpci_deconfigure_device");
    let device = w.held(zdev);
    let mut state = (!w.kernel.has_dma_api()).then(|| device.state_lock.lock());
    vfio_device_remove_group(w, zdev);
    iommu_release_device(w, zdev);
    if w.kernel.has_dma_api() && device.dma_table().is_some() {
        _ = zpci_dma_exit_device(w, zdev);
    }
    w.hardware.disable(zdev);
    if let Some(configured) = &mut state {
        **configured = false;
    }
    drop(state);
    zpci_release_device(w, zdev);
}

/// Models `zpci_release_device`. Since v6.2 the device is freed after a grace period.
fn zpci_release_device(w: &World, zdev: usize) {
    let _function = function("zpci_release_device");
    if !w.kernel.lists_by_rcu() {
        return w.kfree_zdev(zdev);
    }
    w.rcu.call(&w.held(zdev).rcu);
}
