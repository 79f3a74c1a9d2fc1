//! The interception of PQAP(AQIC). KVM finds the hook, and the driver handles the instruction.
//!
//! The part of KVM changed once, because of a use after free. Up to v5.14 the hook was read three
//! times without a lock, and nothing protected the mediated device that contains it. Since v5.15 a
//! semaphore is held for reading from the first read until the handler has returned, and for
//! writing to change the hook. After a thread has changed the hook, no handler is running.

use selvedge_core::{function, invariant_broken};

use super::ap_queue::ResponseCode;
use super::aqic::{WithoutGuest, vfio_ap_irq_disable, vfio_ap_irq_enable};
use super::kvm::Kvm;
use super::matrix_dev::{Locked, not_null};
use super::world::{Aqic, World};

/// The handler of the driver.
type Handler = fn(&World, &Kvm, Aqic) -> ResponseCode;

/// Models the part of KVM in v5.3 to v5.14 (commit e5282de93105), which reads the hook without a
/// lock.
///
/// It takes a reference to the module that owns the handler through the hook. This protects the
/// text and not the mediated device.
pub fn hook_read_without_lock(w: &World, kvm: &Kvm, aqic: Aqic, handler: Handler) -> ResponseCode {
    let _function = function("handle_pqap");
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    // try_module_get(hook->owner) reads the owner from the memory of the mediated device.
    w.matrix_dev.mdev(mdev);
    let mdev = not_null(kvm.pqap_hook(), "pqap_hook");
    // hook->hook(vcpu)
    w.matrix_dev.mdev(mdev);
    let code = handler(w, kvm, aqic);
    // module_put(hook->owner)
    let mdev = not_null(kvm.pqap_hook(), "pqap_hook");
    w.matrix_dev.mdev(mdev);
    code
}

/// Models the part of KVM since v5.15 (commit 1e753732bda6).
///
/// Locks: `pqap_hook_rwsem` for reading.
pub fn hook_read_under_rwsem(w: &World, kvm: &Kvm, aqic: Aqic, handler: Handler) -> ResponseCode {
    let _function = function("handle_pqap");
    let _hook = kvm.pqap_hook_rwsem.down_read();
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    // The hook points to a pointer to the handler, which is part of the mediated device.
    w.matrix_dev.mdev(mdev);
    handler(w, kvm, aqic)
}

/// Models the part of the driver up to v5.19, except where it waits.
///
/// Locks: `matrix_dev->lock` -> `iommu->lock`.
pub fn vfio_ap_handle_pqap(
    w: &World,
    kvm: &Kvm,
    aqic: Aqic,
    without_guest: WithoutGuest,
) -> ResponseCode {
    let mut mdevs = w.matrix_dev.lock.lock();
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    execute(w, &mut mdevs, mdev, aqic, without_guest)
}

/// Models the part of the driver up to v5.19 after the mutex is taken and the mediated device is
/// known.
///
/// The queue is found by the matrix of the device and by the list of devices that are bound to the
/// driver.
pub fn execute(
    w: &World,
    mdevs: &mut Locked<'_>,
    mdev: usize,
    aqic: Aqic,
    without_guest: WithoutGuest,
) -> ResponseCode {
    if w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_none()
        || !mdevs.mdevs[mdev].assigned.matrix.contains(aqic.apqn)
    {
        return ResponseCode::QNotAvail;
    }
    let Some(queue) = mdevs.queues.get_mut(&aqic.apqn) else { return ResponseCode::QNotAvail };
    queue.matrix_mdev = Some(mdev);
    switch(w, mdevs, mdev, aqic, without_guest)
}

/// Enables or disables the interrupts of a queue for the guest of `mdev`. The caller holds the
/// driver's mutex.
///
/// # Violations
///
/// INV-23 if that succeeds and the queue is not assigned to `mdev`.
pub fn switch(
    w: &World,
    mdevs: &mut Locked<'_>,
    mdev: usize,
    aqic: Aqic,
    without_guest: WithoutGuest,
) -> ResponseCode {
    let code = match aqic.irq {
        Some(irq) => vfio_ap_irq_enable(w, mdevs, aqic.apqn, irq, without_guest),
        None => vfio_ap_irq_disable(w, mdevs, aqic.apqn, without_guest),
    };
    let own = mdevs.mdevs[mdev].assigned.matrix.contains(aqic.apqn);
    if code == ResponseCode::Normal && !own {
        let queue =
            format!("PQAP(AQIC) succeeds on queue {}, which the guest does not have", aqic.apqn);
        invariant_broken("INV-23", queue);
    }
    code
}
