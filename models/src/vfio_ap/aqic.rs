//! Interrupts of a queue: the resources that they need, and how they are enabled and disabled.
//!
//! While a queue interrupts a guest, the page with the notification byte must stay pinned and the
//! guest's interruption subclass must stay registered. The driver records both in the queue
//! (`saved_pfn`, later `saved_iova`, and `saved_isc`) and releases them in one place,
//! `vfio_ap_free_aqic_resources`. Everything here runs with the driver's mutex held.
//!
//! PQAP(AQIC) completes at once here. `vfio_ap_wait_for_irqclear`, which polls the queue until its
//! interrupts are disabled, would therefore return at once.
//!
//! Source: `drivers/s390/crypto/vfio_ap_ops.c`, commit ec89b55e3bce (v5.3) and after.

use selvedge_core::function;

use super::ap_queue::{Irq, ResponseCode};
use super::matrix_dev::{Mdevs, not_null};
use super::world::World;
use crate::ap::Apqn;
use crate::vfio_ap::versions::commits::Commit;

/// What `vfio_ap_free_aqic_resources` does when the guest is already gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WithoutGuest {
    /// v5.3: it follows the pointer without a check.
    Follow,
    /// Since commit 6c12a6384e0c, v5.11: it warns, and the subclass stays registered.
    Keep,
}

/// Models `vfio_ap_irq_enable`, which allocates the resources and enables the interrupts of a
/// queue.
///
/// If the response is neither `Normal` nor `OtherwiseChanged`, the interrupts are *disabled*, and
/// the page and the subclass that were just pinned and registered leak (B22).
pub fn vfio_ap_irq_enable(
    w: &World,
    mdevs: &mut Mdevs,
    apqn: Apqn,
    irq: Irq,
    without_guest: WithoutGuest,
) -> ResponseCode {
    let _function = function("vfio_ap_irq_enable");
    // Up to v5.17 any page that the guest names is pinned, if possible.
    if w.has(Commit::DynamicConfiguration) && irq.nib == Irq::NO_PAGE {
        return ResponseCode::InvalidAddress;
    }
    if !w.iommu.vfio_pin_pages(&w.hardware, irq) {
        return ResponseCode::InvalidAddress;
    }
    if w.has(Commit::NibShared) && !w.hardware.is_shared(irq) {
        w.iommu.vfio_unpin_pages(&w.hardware, irq);
        return ResponseCode::InvalidAddress;
    }
    let registered = w.hardware.gisc_register(irq);
    // Up to v5.17 the result is not checked, and the error code is used as the subclass (B34).
    if !registered && w.has(Commit::DynamicConfiguration) {
        if w.has(Commit::GiscFailureUndone) {
            w.iommu.vfio_unpin_pages(&w.hardware, irq);
            return ResponseCode::InvalidAddress;
        }
        // This is not a valid response of PQAP(AQIC), and the page stays pinned (B34).
        return ResponseCode::InvalidGisa;
    }
    let status = w.hardware.aqic(apqn, Some(irq));
    match status.code {
        ResponseCode::Normal => {
            vfio_ap_free_aqic_resources(w, mdevs, apqn, without_guest);
            let queue = mdevs.queues.get_mut(&apqn).expect("the caller has looked up the queue");
            queue.saved = Some(irq);
        }
        // Proposed, not posted: the previous state is kept.
        code if code == ResponseCode::OtherwiseChanged || w.has(Commit::EnableUndone) => {
            w.iommu.vfio_unpin_pages(&w.hardware, irq);
            w.hardware.gisc_unregister(irq);
        }
        _ => {
            vfio_ap_irq_disable(w, mdevs, apqn, without_guest);
        }
    }
    status.code
}

/// The number of retries of `vfio_ap_irq_disable`.
const RETRIES: usize = 5;

/// Models `vfio_ap_irq_disable`, which disables the interrupts of a queue and releases their
/// resources, regardless of the response of the queue.
pub fn vfio_ap_irq_disable(
    w: &World,
    mdevs: &mut Mdevs,
    apqn: Apqn,
    without_guest: WithoutGuest,
) -> ResponseCode {
    let _function = function("vfio_ap_irq_disable");
    let mut status = w.hardware.aqic(apqn, None);
    for _ in 0..RETRIES {
        if !matches!(status.code, ResponseCode::ResetInProgress | ResponseCode::Busy) {
            break;
        }
        status = w.hardware.aqic(apqn, None);
    }
    vfio_ap_free_aqic_resources(w, mdevs, apqn, without_guest);
    // Up to v5.19 a queue knows its device only while its interrupts are enabled.
    if !w.has(Commit::DynamicConfiguration) {
        if let Some(queue) = mdevs.queues.get_mut(&apqn) {
            queue.matrix_mdev = None;
        }
    }
    status.code
}

/// Models `vfio_ap_free_aqic_resources`, which unregisters the subclass and unpins the page.
pub fn vfio_ap_free_aqic_resources(
    w: &World,
    mdevs: &mut Mdevs,
    apqn: Apqn,
    without_guest: WithoutGuest,
) {
    let _function = function("vfio_ap_free_aqic_resources");
    let Some(queue) = mdevs.queues.get_mut(&apqn) else { return };
    let (Some(irq), Some(mdev)) = (queue.saved, queue.matrix_mdev) else { return };
    let kvm = w.matrix_dev.mdev(mdev).kvm(&w.kvms);
    if without_guest == WithoutGuest::Follow {
        not_null(kvm, "matrix_mdev->kvm");
    }
    if kvm.is_some() {
        w.hardware.gisc_unregister(irq);
    }
    w.iommu.vfio_unpin_pages(&w.hardware, irq);
    queue.saved = None;
}
