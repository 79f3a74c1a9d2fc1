//! The probe and remove functions of the driver, which handle the hot plug of queue devices.
//!
//! The driver core calls both with the device lock held. This happens when a mask of the bus
//! changes, when the administrator writes to `bind` or `unbind`, when an adapter appears or is
//! lost, and when the module is unloaded. In three of these cases no check asks whether a guest
//! uses the queue. The remove function therefore removes the queue from the guest itself, and the
//! probe function restores it.
//!
//! Source: commits 034921cdea1c, 2c1ee8983aa3 and 09d31ff78793, v6.0; f009cfa46655 and
//! b9bd10c43456, v6.8.

use selvedge_core::function;

use super::aqic::{WithoutGuest, vfio_ap_free_aqic_resources};
use super::filter::filter_and_update;
use super::locks::{UpdateLocks, get_update_locks_by_apqn, get_update_locks_for_queue};
use super::matrix_dev::{Queue, not_null};
use super::reset::{Protocol, vfio_ap_mdev_reset_queue};
use super::reset_work::vfio_ap_mdev_reset_qlist;
use super::world::World;
use crate::Errno;
use crate::ap::{ApMatrix, Apqn};
use crate::vfio_ap::versions::commits::Commit;

/// Whether `kzalloc` succeeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kzalloc {
    /// It returns memory.
    Succeeds,
    /// It returns NULL.
    Fails,
}

/// Models `vfio_ap_mdev_probe_queue`, which runs when a queue is bound to the driver.
///
/// Locks: (device lock) -> `guests_lock` -> `kvm->lock` of the guest that has the queue's
/// mediated device -> `mdevs_lock`.
///
/// # Errors
///
/// [`Errno::Enomem`] if `kzalloc` fails.
pub fn vfio_ap_mdev_probe_queue(w: &World, apqn: Apqn, kzalloc: Kzalloc) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_probe_queue");
    w.matrix_dev.attributes(apqn).create();
    if kzalloc == Kzalloc::Fails {
        if w.has(Commit::ProbeUndone) {
            w.matrix_dev.attributes(apqn).remove();
        }
        return Err(Errno::Enomem);
    }
    let (mut locks, mdev) = get_update_locks_by_apqn(w, apqn);
    locks.add_queue(apqn);
    if let Some(mdev) = mdev {
        locks.link(apqn, mdev);
        // The end of the scan handles all new queues together.
        let later = w.has(Commit::ProbeWaitsForScan)
            && locks.guests.added[mdev].matrix != ApMatrix::default();
        if !later {
            let assigned = locks.mdevs.mdevs[mdev].assigned.matrix;
            filter_and_update(w, &mut locks, mdev, assigned.into(), false);
        }
    }
    locks.release();
    Ok(())
}

/// Models `vfio_ap_mdev_remove_queue`, which runs when a queue is unbound.
///
/// Locks: the attributes drain; (device lock) -> `guests_lock` -> `kvm->lock` of the guest that
/// has the queue's mediated device -> `mdevs_lock` -> `iommu->lock`.
///
/// # Violations
///
/// A use after release if the queue points to a mediated device that is freed.
pub fn vfio_ap_mdev_remove_queue(w: &World, apqn: Apqn) {
    let _function = function("vfio_ap_mdev_remove_queue");
    w.matrix_dev.attributes(apqn).remove();
    let mut locks = get_update_locks_for_queue(w, apqn);
    match locks.guests.links.get(&apqn).copied() {
        Some(mdev) if w.has(Commit::ResetAdapterOfUnbound) => {
            reset_adapter(w, &mut locks, mdev, apqn);
            locks.unlink_queue_fr_mdev(apqn);
        }
        Some(mdev) => {
            locks.unlink_queue_fr_mdev(apqn);
            _ = unplug_adapter(&mut locks, mdev, apqn);
            _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &[apqn]);
        }
        None => _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &[apqn]),
    }
    locks.free_queue(apqn);
    locks.release();
}

/// Removes the adapter of the queue from the guest, since a guest cannot lose a single queue.
/// Returns whether the guest had it.
fn unplug_adapter(locks: &mut UpdateLocks<'_>, mdev: usize, apqn: Apqn) -> bool {
    if !locks.mdevs.mdevs[mdev].shadow_apcb.matrix.contains(apqn) {
        return false;
    }
    locks.mdevs.mdevs[mdev].shadow_apcb.matrix.apm.set(apqn.apid, false);
    locks.update_guest_apcb(mdev);
    true
}

/// Resets the adapter, since v6.8. All its queues have to be reset. A queue that has left the host
/// with its adapter cannot be reset.
fn reset_adapter(w: &World, locks: &mut UpdateLocks<'_>, mdev: usize, apqn: Apqn) {
    if unplug_adapter(locks, mdev, apqn) {
        let aqm = locks.mdevs.mdevs[mdev].shadow_apcb.matrix.aqm;
        let of_adapter = |other: &Apqn| other.apid == apqn.apid && aqm.test(other.apqi);
        let queues: Vec<Apqn> = locks.mdevs.hashed(mdev).into_iter().filter(of_adapter).collect();
        _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &queues);
    } else if !w.has(Commit::NoResetOfAbsent) || locks.info().matrix.contains(apqn) {
        _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &[apqn]);
    } else if w.has(Commit::AbsentFreed) {
        vfio_ap_free_aqic_resources(w, &mut locks.mdevs, apqn, WithoutGuest::Keep);
    }
}

/// Models `vfio_ap_queue_dev_probe`, the probe function up to v5.19, without the attribute of v5.17
/// ([`status`](super::status)). It does not plug the queue into a guest.
///
/// Locks: (device lock) -> `matrix_dev->lock`. The kernel takes the mutex since commit
/// f139862b92cf, v5.17. Before, the queue was complete when the driver core added it to its list
/// under the lock of the list, which is also one step.
pub fn vfio_ap_queue_dev_probe(w: &World, apqn: Apqn) {
    let _function = function("vfio_ap_queue_dev_probe");
    w.matrix_dev.lock.lock().queues.insert(apqn, Queue::default());
}

/// Models `vfio_ap_queue_dev_remove`, the remove function up to v5.19, without the attribute of
/// v5.17 ([`status`](super::status)). The guest keeps the queue.
///
/// Locks: (device lock) -> `matrix_dev->lock` -> `iommu->lock`.
///
/// # Violations
///
/// NULL if the queue still has resources for its interrupts and no guest, up to v5.10.
pub fn vfio_ap_queue_dev_remove(w: &World, apqn: Apqn, reset: Protocol) {
    let _function = function("vfio_ap_queue_dev_remove");
    let mut mdevs = w.matrix_dev.lock.lock();
    _ = vfio_ap_mdev_reset_queue(w, &mut mdevs, apqn, reset);
    mdevs.queues.remove(&apqn);
}

/// Models `status_show`, which walks the list and returns the mediated device that the queue is
/// assigned to, if any.
///
/// Locks: (the attribute) -> `mdevs_lock`.
///
/// # Violations
///
/// NULL if the attribute exists before the queue does.
pub fn status_show(w: &World, apqn: Apqn) -> Option<usize> {
    let _function = function("status_show");
    let attribute = w.matrix_dev.attributes(apqn).read()?;
    let mdevs = w.matrix_dev.lock.lock();
    let queue = mdevs.queues.get(&apqn);
    let queue = match w.has(Commit::StatusOptional) {
        true => queue,
        false => Some(not_null(queue, "dev_get_drvdata(dev)")),
    };
    // vfio_ap_mdev_for_queue
    let mut listed = w.matrix_dev.mdev_list.walk().into_iter();
    let mdev =
        listed.find(|mdev| queue.is_some() && mdevs.mdevs[*mdev].assigned.matrix.contains(apqn));
    w.matrix_dev.mdev_list.walked();
    if let Some(mdev) = mdev {
        w.matrix_dev.mdev(mdev).kvm(&w.kvms);
    }
    mdevs.unlock();
    attribute.up_read();
    mdev
}
