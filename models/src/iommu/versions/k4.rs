//! v6.13 and later: a blocking domain whose attach cannot fail. Every attach of another domain
//! starts from it.
//!
//! | | locks |
//! |---|---|
//! | `attach_dev` of the blocking domain | (`group->mutex`) -> `list_lock`; `dom_lock` |
//! | `attach_dev` of another | as that, then `dom_lock`; `list_lock` |
//!
//! Source: commits ecda483339a5, v6.13 (CVE-2024-53232); 64af12c6ec3a, v6.15; 9ffaf5229055, v6.17;
//! b3506e9bcc77, 2025.

use selvedge_core::function;

use crate::Errno;
use crate::iommu::domain::Dom;
use crate::iommu::hardware::{Table, rule_broken};
use crate::iommu::versions::k2::register_and_list;
use crate::iommu::world::World;

/// Models `s390_iommu_probe_device`. The DMA of a new device is blocked.
pub(crate) fn probe_device(w: &World, zdev: usize) {
    w.held(zdev).s390_domain.write(Some(Dom::Blocking));
}

/// Models `blocking_domain_attach_device`.
pub(crate) fn blocking_attach_dev(w: &World, zdev: usize) {
    let _function = function("blocking_domain_attach_device");
    let device = w.held(zdev);
    let old = device.s390_domain.read();
    if old == Some(Dom::Blocking) {
        return;
    }
    if let Some(Dom::Paging(domain)) = old {
        if device.dma_table().is_some() {
            let devices = w.domain(domain).list_lock.spin_lock_irqsave();
            w.lists.list_del_rcu(&w.hardware, zdev);
            devices.unlock();
        }
    }
    _ = w.hardware.zpci_unregister_ioat(zdev);
    device.set_dma_table(None);
    device.set_s390_domain(&w.kernel, Some(Dom::Blocking));
}

/// Models `s390_iommu_attach_device`. After an error DMA is blocked.
///
/// # Errors
///
/// [`Errno::Eio`] if the domain's table cannot be registered, and the function is neither in its
/// error state nor, since v6.17, gone.
///
/// # Violations
///
/// I-9 if it fails and something is registered.
pub(crate) fn attach_dev(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    let _function = function("s390_iommu_attach_device");
    blocking_attach_dev(w, zdev);
    let attached = register_and_list(w, domain, zdev);
    if attached.is_err() && w.hardware.registered(zdev).is_some() {
        rule_broken(&w.hardware, "I-9", "attaching has failed, and DMA is not blocked");
    }
    attached
}

/// Models `s390_attach_dev_identity`, v6.15.
///
/// # Errors
///
/// Those of [`attach_dev`].
pub(crate) fn identity_attach_dev(w: &World, zdev: usize) -> Result<(), Errno> {
    let _function = function("s390_attach_dev_identity");
    blocking_attach_dev(w, zdev);
    let device = w.held(zdev);
    if !w.kernel.tolerates(w.hardware.zpci_register_ioat(zdev, Table::Identity)) {
        return Err(Errno::Eio);
    }
    device.set_s390_domain(&w.kernel, Some(Dom::Identity));
    Ok(())
}
