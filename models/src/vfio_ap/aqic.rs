//! Interrupts of a queue: what they need, how they are switched on and off, and how what they
//! need is given back.
//!
//! For as long as a queue interrupts a guest, the page with the notification byte must stay
//! pinned and the guest's interruption subclass registered. The driver remembers both in the
//! queue (`saved_pfn`, later `saved_iova`, and `saved_isc`) and gives them back in one place,
//! `vfio_ap_free_aqic_resources`. Everything here runs with the driver's mutex held.
//!
//! PQAP(AQIC) is over at once here, so `vfio_ap_wait_for_irqclear`, which polls the queue until it has
//! stopped interrupting, would find that it has.
//!
//! Source: `drivers/s390/crypto/vfio_ap_ops.c`, commit ec89b55e3bce (v5.3) and after.

use selvedge_core::function;

use super::ap_queue::{Irq, ResponseCode};
use super::matrix_dev::{Mdevs, not_null};
use super::world::World;
use crate::ap::Apqn;
use crate::vfio_ap::versions::commits::Commit;

/// What `vfio_ap_free_aqic_resources` does when the guest is gone already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WithoutGuest {
    /// v5.3: it does not ask, and follows the pointer.
    Follow,
    /// Since commit 6c12a6384e0c, v5.11: it warns, and the subclass stays registered.
    Keep,
}

/// `vfio_ap_irq_enable`: makes a queue interrupt, with what it needs for that.
///
/// If the queue answers anything but that it will, or did, the interrupts are switched *off*,
/// and what was pinned and registered just now is forgotten (B22).
pub fn vfio_ap_irq_enable(
    w: &World,
    mdevs: &mut Mdevs,
    apqn: Apqn,
    irq: Irq,
    without_guest: WithoutGuest,
) -> ResponseCode {
    let _function = function("vfio_ap_irq_enable");
    // Up to v5.17 whatever the guest says is pinned, if it can be.
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
    // Up to v5.17 nobody looks, and the error code is taken for the subclass (B34).
    if !registered && w.has(Commit::DynamicConfiguration) {
        if w.has(Commit::GiscFailureUndone) {
            w.iommu.vfio_unpin_pages(&w.hardware, irq);
            return ResponseCode::InvalidAddress;
        }
        // No answer that PQAP(AQIC) may give, and the page stays pinned (B34).
        return ResponseCode::InvalidGisa;
    }
    let status = w.hardware.aqic(apqn, Some(irq));
    match status.code {
        ResponseCode::Normal => {
            vfio_ap_free_aqic_resources(w, mdevs, apqn, without_guest);
            let queue = mdevs.queues.get_mut(&apqn).expect("it was looked up");
            queue.saved = Some(irq);
        }
        // Proposed, which nobody has posted: what there was before stays as it is.
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

/// How often `vfio_ap_irq_disable` tries again.
const RETRIES: usize = 5;

/// `vfio_ap_irq_disable`: switches the interrupts of a queue off, and gives back what they
/// needed, whatever the queue answers.
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
    // Up to v5.19 a queue knows its device only while it interrupts.
    if !w.has(Commit::DynamicConfiguration)
        && let Some(queue) = mdevs.queues.get_mut(&apqn)
    {
        queue.matrix_mdev = None;
    }
    status.code
}

/// `vfio_ap_free_aqic_resources`: unregisters the subclass, unpins the page.
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
