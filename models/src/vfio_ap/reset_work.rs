//! Resetting queues with the locks for an update held, and the work item that sees it through.
//!
//! PQAP(ZAPQ) begins a reset, and the queue is clean when it ends. Up to v6.5 the driver looked
//! twice and hoped. Since v6.6 a work item per queue looks every 20 ms until the reset is over,
//! however long that takes. It takes no lock of the driver: whoever has begun the reset waits
//! for it (`flush_work`) with `mdevs_lock` held, mostly with `guests_lock` and `kvm->lock` too,
//! so a lock of these in the work would be a deadlock at once.
//!
//! Source: commits dd174833e44e, 62aab082e999 and 9261f0438835, v6.6; f848cba767e5, v6.8.

use std::sync::Arc;

use selvedge_core::sync::Mutex;
use selvedge_core::thread::{JoinHandle, spawn};
use selvedge_core::{forget, function, invariant_broken};

use super::ap_queue::{Irq, ResponseCode, Status};
use super::commits::Commit;
use super::locks::UpdateLocks;
use super::machine::Machine;
use super::matrix_dev::Mdevs;
use super::reset::vfio_ap_mdev_reset_queue;
use super::world::World;
use crate::ap::{ApMask, Apqn, Errno};

/// What the work found out, and did, in the end.
#[derive(Clone, Copy, Debug)]
struct Verified {
    code: ResponseCode,
    /// Whether the page and the interruption subclass were given back.
    freed: bool,
}

/// `apq_reset_check`, the work: waits for the end of a reset whose ZAPQ returned `status`, then
/// gives back what the interrupts needed.
///
/// Locks: `iommu->lock`.
fn apq_reset_check(
    machine: &Machine,
    iommu_lock: &Mutex,
    apqn: Apqn,
    saved: Option<Irq>,
    mut status: Status,
) -> Verified {
    let _function = function("apq_reset_check");
    loop {
        match machine.tapq(apqn).code {
            ResponseCode::Normal | ResponseCode::Deconfigured | ResponseCode::Checkstopped => {
                // A reset that was not ours, or a queue that was busy: ours is still to come.
                if is_not_begun(status.code) {
                    status = machine.zapq(apqn);
                    continue;
                }
                if let Some(irq) = saved {
                    machine.gisc_unregister(irq);
                    let _iommu = iommu_lock.lock();
                    machine.unpin(irq);
                }
                return Verified { code: status.code, freed: true };
            }
            // Another 20 ms.
            ResponseCode::ResetInProgress | ResponseCode::Busy => forget(),
            ResponseCode::AssocSecretNotUnique | ResponseCode::AssocFailed => {
                status = machine.zapq(apqn);
            }
            _ => return Verified { code: status.code, freed: false },
        }
    }
}

fn is_not_begun(code: ResponseCode) -> bool {
    use ResponseCode::{Busy, ResetInProgress, StateChangeInProgress};
    matches!(code, ResetInProgress | Busy | StateChangeInProgress)
}

/// `vfio_ap_mdev_reset_queue` since v6.6: begins the reset. The work that verifies it, if it is
/// to be verified.
#[track_caller]
fn begin_reset(w: &World, mdevs: &mut Mdevs, apqn: Apqn) -> Option<JoinHandle<Verified>> {
    let _function = function("vfio_ap_mdev_reset_queue");
    let status = w.machine.zapq(apqn);
    let queue = mdevs.queues.get_mut(&apqn)?;
    queue.reset_failed = false;
    let verified = status.code == ResponseCode::Normal || is_not_begun(status.code);
    let gone = matches!(status.code, ResponseCode::Deconfigured | ResponseCode::Checkstopped);
    if !verified {
        queue.reset_failed = !gone;
        if gone {
            free_aqic_resources(w, mdevs, apqn);
        }
        return None;
    }
    let (saved, machine) = (queue.saved, Arc::clone(&w.machine));
    let iommu_lock = Arc::clone(&w.iommu_lock);
    Some(spawn("reset_work", move || apq_reset_check(&machine, &iommu_lock, apqn, saved, status)))
}

/// `flush_work(&q->reset_work)`.
#[track_caller]
fn flush(mdevs: &mut Mdevs, apqn: Apqn, work: JoinHandle<Verified>) {
    let verified = work.join();
    let Some(queue) = mdevs.queues.get_mut(&apqn) else { return };
    queue.reset_failed = !matches!(
        verified.code,
        ResponseCode::Normal | ResponseCode::Deconfigured | ResponseCode::Checkstopped
    );
    if verified.freed {
        queue.saved = None;
    }
}

/// `vfio_ap_free_aqic_resources` of a queue.
#[track_caller]
pub fn free_aqic_resources(w: &World, mdevs: &mut Mdevs, apqn: Apqn) {
    use super::aqic::{WithoutGuest, vfio_ap_free_aqic_resources};
    vfio_ap_free_aqic_resources(w, mdevs, apqn, WithoutGuest::Keep);
}

/// `vfio_ap_mdev_reset_queues` and `vfio_ap_mdev_reset_qlist`: resets these queues. Since v6.6
/// all are begun before the first is waited for.
///
/// # Errors
///
/// [`Errno::Eio`] if a queue could not be reset.
#[track_caller]
pub fn vfio_ap_mdev_reset_qlist(
    w: &World,
    mdevs: &mut Mdevs,
    queues: &[Apqn],
) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_qlist");
    if w.has(Commit::ResetVerifiedByWork) {
        let begin = |apqn: &Apqn| Some((*apqn, begin_reset(w, mdevs, *apqn)?));
        let begun: Vec<_> = queues.iter().filter_map(begin).collect();
        for (apqn, work) in begun {
            flush(mdevs, apqn, work);
        }
    } else {
        for apqn in queues {
            let reset = vfio_ap_mdev_reset_queue(w, mdevs, *apqn);
            if let Some(queue) = mdevs.queues.get_mut(apqn) {
                queue.reset_failed = reset.is_err();
            }
        }
    }
    let failed = |apqn: &Apqn| mdevs.queues.get(apqn).is_some_and(|queue| queue.reset_failed);
    if queues.iter().any(failed) { Err(Errno::Eio) } else { Ok(()) }
}

/// `reset_queues_for_apids`: resets the queues of adapters that a guest has lost.
///
/// # Violations
///
/// `RESET-IN-USE` if it has not lost them.
#[track_caller]
pub fn vfio_ap_mdev_reset_queues_of(
    w: &World,
    locks: &mut UpdateLocks<'_>,
    mdev: usize,
    apids: &ApMask,
) {
    let _function = function("reset_queues_for_apids");
    let shadow = locks.mdevs.mdevs[mdev].shadow_apcb;
    let queues: Vec<Apqn> = locks.mdevs.hashed(mdev);
    let lost = |apqn: &Apqn| apids.test(apqn.apid) && shadow.aqm.test(apqn.apqi);
    let queues: Vec<Apqn> = queues.into_iter().filter(lost).collect();
    if let Some(apqn) = queues.iter().find(|apqn| shadow.contains(**apqn)) {
        let message = format!("queue {apqn} is reset, and the guest uses it");
        invariant_broken("RESET-IN-USE", message);
    }
    _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &queues);
}
