//! The DMA API of s390 up to v6.6, which drives the same hardware as the IOMMU driver.
//!
//! While no domain is attached to a function, the function has a table of its own
//! (`zdev->dma_table`) and bitmaps of the addresses that are allocated in it. When a domain is
//! attached, the same field holds the table of the domain. No lock protects the field.
//!
//! Not modelled: a second `zpci_dma_init_device` initialises locks that another thread may hold.
//!
//! Source: `arch/s390/pci/pci_dma.c`, v6.6.

use selvedge_core::{function, might_sleep};

use super::hardware::{Cc, rule_broken};
use super::world::World;
use crate::Errno;

/// Models `zpci_dma_init_device`. Locks: none; it may sleep.
///
/// # Errors
///
/// [`Errno::Eio`] if the table could not be registered.
///
/// # Violations
///
/// I-7a if a domain is attached. I-7b if bitmaps already exist.
pub fn zpci_dma_init_device(w: &World, zdev: usize) -> Result<(), Errno> {
    let _function = function("zpci_dma_init_device");
    let device = w.held(zdev);
    if device.s390_domain.read().is_some() {
        rule_broken(&w.hardware, "I-7a", "zpci_dma_init_device warns: a domain is attached");
    }
    device.set_dma_table(Some(w.hardware.dma_alloc_cpu_table()));
    might_sleep("vzalloc");
    if device.bitmaps.swap(1) != 0 {
        rule_broken(&w.hardware, "I-7b", "zpci_dma_init_device twice: bitmaps are lost");
    }
    // The registered table is the one that the field has now.
    let registered = device.dma_table().map(|table| w.hardware.zpci_register_ioat(zdev, table));
    if registered == Some(Cc::Ok) {
        return Ok(());
    }
    device.bitmaps.store(0);
    if let Some(table) = device.dma_table() {
        w.hardware.dma_cleanup_tables(table, false);
    }
    device.set_dma_table(None);
    Err(Errno::Eio)
}

/// Models `zpci_dma_exit_device`. Locks: none; it may sleep.
///
/// # Errors
///
/// [`Errno::Eio`] if the table could not be unregistered, in which case it is kept. A function that
/// has vanished is not an error.
///
/// # Violations
///
/// I-7c if a domain is attached.
pub fn zpci_dma_exit_device(w: &World, zdev: usize) -> Result<(), Errno> {
    let _function = function("zpci_dma_exit_device");
    let device = w.held(zdev);
    if device.s390_domain.read().is_some() {
        rule_broken(&w.hardware, "I-7c", "zpci_dma_exit_device warns: a domain is attached");
    }
    match w.hardware.zpci_unregister_ioat(zdev) {
        Cc::Ok | Cc::InvalidHandle => {}
        _ => return Err(Errno::Eio),
    }
    if let Some(table) = device.dma_table() {
        w.hardware.dma_cleanup_tables(table, false);
    }
    device.set_dma_table(None);
    might_sleep("vfree");
    device.bitmaps.store(0);
    Ok(())
}
