//! "iommu/s390: Fix race with release_device ops", posted in August 2022 and not merged. It adds a
//! lock of the device, taken when the device is attached, detached and released, and a flag that
//! the device was released.
//!
//! | | locks |
//! |---|---|
//! | `attach_dev` | (`group->mutex`) -> `dma_domain_lock` -> `list_lock` |
//! | `detach_dev` | `list_lock`; `dma_domain_lock` |
//! | `release_device` | `dma_domain_lock`; as `detach_dev`; `dma_domain_lock` |
//!
//! A released device is no longer attached, but the core receives no error.
//!
//! Source: "[PATCH v4 1/2] iommu/s390: Fix race with release_device ops", M. Rosato, 31 August
//! 2022, and its v1 to v3; the answers of P. Morel and N. Schnelle, 1 September 2022.

use selvedge_core::function;

use crate::Errno;
use crate::iommu::dma_api::zpci_dma_init_device;
use crate::iommu::domain::Dom;
use crate::iommu::kernel::Revision;
use crate::iommu::versions::k0;
use crate::iommu::versions::k1::{go_back, replace};
use crate::iommu::world::{Devices, World};

/// Models `s390_iommu_probe_device`.
pub(crate) fn probe_device(w: &World, zdev: usize) {
    w.held(zdev).dev_iommu_priv.store(1);
}

/// Models `s390_iommu_attach_device`.
///
/// # Errors
///
/// Those of v5.18. A released device is not an error.
pub(crate) fn attach_dev(
    w: &World,
    revision: Revision,
    domain: u8,
    zdev: usize,
) -> Result<(), Errno> {
    let _function = function("s390_iommu_attach_device");
    let device = w.held(zdev);
    let _locked = device.dma_domain_lock.lock();
    match device.dev_iommu_priv.load() {
        0 => Ok(()),
        _ => attach_locked(w, revision, domain, zdev),
    }
}

fn attach_locked(w: &World, revision: Revision, domain: u8, zdev: usize) -> Result<(), Errno> {
    let device = w.held(zdev);
    replace(w, domain, zdev)?;
    let list = &w.domain(domain).list_lock;
    let listed = if revision <= Revision::V2 {
        // The aperture is checked in one critical section, and the device is listed in another.
        let fits = list.spin_lock_irqsave().fits(device.aperture);
        fits.map(|()| list.spin_lock_irqsave().nodes.push(zdev))
    } else {
        let mut devices = list.spin_lock_irqsave();
        let fits = devices.fits(device.aperture);
        fits.map(|()| add(&mut devices, zdev, revision))
    };
    if let Err(error) = listed {
        go_back(w, zdev);
        return Err(error);
    }
    device.s390_domain.write(Some(Dom::Paging(domain)));
    Ok(())
}

/// Adds a node. Since patch 2/2 of v4 a device has at most one node on a list.
fn add(devices: &mut Devices, zdev: usize, revision: Revision) {
    if revision < Revision::V4 || !devices.nodes.contains(&zdev) {
        devices.nodes.push(zdev);
    }
}

/// Models `s390_iommu_detach_device`.
pub(crate) fn detach_dev(w: &World, revision: Revision, domain: u8, zdev: usize) {
    let _function = function("s390_iommu_detach_device");
    let device = w.held(zdev);
    let mut devices = w.domain(domain).list_lock.spin_lock_irqsave();
    let found = devices.remove(zdev);
    devices.unlock();
    let locked = device.dma_domain_lock.lock();
    if found
        && device.s390_domain.read() == Some(Dom::Paging(domain))
        && device.dev_iommu_priv.load() != 0
    {
        device.s390_domain.write(None);
        _ = w.hardware.zpci_unregister_ioat(zdev);
        match revision {
            Revision::InitialisedInProbe => device.set_dma_table(None),
            _ => _ = zpci_dma_init_device(w, zdev),
        }
    }
    locked.unlock();
}

/// Models `s390_iommu_release_device`.
pub(crate) fn release_device(w: &World, revision: Revision, zdev: usize) {
    let _function = function("s390_iommu_release_device");
    let device = w.held(zdev);
    let locked = device.dma_domain_lock.lock();
    device.dev_iommu_priv.store(0);
    locked.unlock();
    if let Some(Dom::Paging(domain)) = device.group.domain.read() {
        detach_dev(w, revision, domain, zdev);
    }
    let _locked = device.dma_domain_lock.lock();
    if device.s390_domain.read().is_some() {
        device.s390_domain.write(None);
        _ = w.hardware.zpci_unregister_ioat(zdev);
        match revision {
            Revision::Uninitialised => {}
            Revision::UninitialisedAndCleared | Revision::InitialisedInProbe => {
                device.set_dma_table(None);
            }
            _ => _ = zpci_dma_init_device(w, zdev),
        }
    }
}

/// Models `s390_domain_free`. Since patch 2/2 of v4 the remaining nodes are freed with the list.
pub(crate) fn domain_free(w: &World, revision: Revision, domain: u8) {
    if revision >= Revision::V4 {
        w.domain(domain).list_lock.spin_lock_irqsave().nodes.clear();
    }
    k0::domain_free(w, domain);
}
