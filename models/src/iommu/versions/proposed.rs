//! The remaining fixes that v6.17 needs, not posted.
//!
//! - A node is reused only after an RCU grace period, when no reader can be at it (B10).
//! - A function is on a list for as long as it can have translations of that domain (B8).
//! - The registered table and the attached domain change together, so that the recovery of a
//!   function sees both or neither. `dom_lock` is therefore a mutex, since registering may sleep.
//!
//! | | locks |
//! |---|---|
//! | `attach_dev` | (`group->mutex`) -> `dom_lock`; `list_lock`; RCU; `list_lock`; `dom_lock` |

use selvedge_core::function;

use crate::Errno;
use crate::iommu::domain::Dom;
use crate::iommu::world::World;

/// Models `blocking_domain_attach_device`.
pub(crate) fn blocking_attach_dev(w: &World, zdev: usize) {
    let _function = function("blocking_domain_attach_device");
    let device = w.held(zdev);
    let locked = device.dom_lock.lock();
    let old = device.s390_domain.read();
    if old != Some(Dom::Blocking) {
        _ = w.hardware.zpci_unregister_ioat(zdev);
        device.set_dma_table(None);
        device.s390_domain.write(Some(Dom::Blocking));
    }
    locked.unlock();
    if let Some(Dom::Paging(domain)) = old {
        leave_list(w, domain, zdev);
    }
}

fn leave_list(w: &World, domain: u8, zdev: usize) {
    let devices = w.domain(domain).list_lock.spin_lock_irqsave();
    w.lists.list_del_rcu(&w.hardware, zdev);
    devices.unlock();
}

/// Models `s390_iommu_attach_device`. After an error DMA is blocked.
///
/// # Errors
///
/// Those of v6.13.
pub(crate) fn attach_dev(w: &World, domain: u8, zdev: usize) -> Result<(), Errno> {
    let _function = function("s390_iommu_attach_device");
    blocking_attach_dev(w, zdev);
    w.rcu.synchronize();
    let table = w.domain(domain).table();
    let devices = w.domain(domain).list_lock.spin_lock_irqsave();
    w.lists.list_add_rcu(zdev, domain);
    devices.unlock();
    let device = w.held(zdev);
    let locked = device.dom_lock.lock();
    let registered = w.kernel.tolerates(w.hardware.zpci_register_ioat(zdev, table));
    if registered {
        device.set_dma_table(Some(table));
        device.s390_domain.write(Some(Dom::Paging(domain)));
    }
    locked.unlock();
    if !registered {
        leave_list(w, domain, zdev);
        return Err(Errno::Eio);
    }
    Ok(())
}
