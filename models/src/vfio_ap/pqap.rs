//! The interception of PQAP(AQIC): KVM's half finds the hook, the driver's half does the work.
//!
//! KVM's half changed once, and that is the story of a use after free. Up to v5.14 the hook was
//! read without a lock, three times in a row; what kept the mediated device that it is part of
//! was nothing. Since v5.15 a semaphore is held for reading from the first look until the handler
//! has returned, and for writing to change the hook: whoever has changed it knows that no handler
//! is running any more.

use selvedge_core::{function, invariant_broken};

use super::ap_queue::ResponseCode;
use super::aqic::{WithoutGuest, vfio_ap_irq_disable, vfio_ap_irq_enable};
use super::kvm::Kvm;
use super::matrix_dev::{Locked, not_null};
use super::world::{Aqic, World};

/// The driver's half.
type Handler = fn(&World, &Kvm, Aqic) -> ResponseCode;

/// KVM's half, v5.3 to v5.14 (commit e5282de93105): the hook is read without a lock.
///
/// A reference to the module that owns the handler's text is taken by way of the hook; that keeps
/// the text, and not the mediated device.
pub fn hook_read_without_lock(w: &World, kvm: &Kvm, aqic: Aqic, handler: Handler) -> ResponseCode {
    let _function = function("handle_pqap");
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    // try_module_get(hook->owner): the owner is noted in the mediated device's memory.
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

/// KVM's half since v5.15 (commit 1e753732bda6).
///
/// Locks: `pqap_hook_rwsem` for reading.
pub fn hook_read_under_rwsem(w: &World, kvm: &Kvm, aqic: Aqic, handler: Handler) -> ResponseCode {
    let _function = function("handle_pqap");
    let _hook = kvm.pqap_hook_rwsem.down_read();
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    // What the hook points to, a pointer to the handler, is part of the mediated device.
    w.matrix_dev.mdev(mdev);
    handler(w, kvm, aqic)
}

/// The driver's half, up to v5.19 except where something is waited for.
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

/// The driver's half, up to v5.19, once the mutex is held and the mediated device is known.
///
/// The queue is found by the device's matrix and by the list of devices that are bound to the
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

/// Switches the interrupts of a queue on or off for the guest of `mdev`, with the driver's mutex held.
///
/// # Violations
///
/// INV-23 if that succeeds, and the queue is not assigned to it.
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
        let queue = format!("PQAP(AQIC) succeeds on queue {}, which is not the guest's", aqic.apqn);
        invariant_broken("INV-23", queue);
    }
    code
}
