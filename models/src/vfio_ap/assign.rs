//! Assignment of adapters and domains while a guest runs.
//!
//! Assigning and unassigning take `guests_lock` -> `kvm->lock` -> `mdevs_lock`. Assigning takes
//! `ap_perms_mutex` before them, since the host's drivers must not take a queue until it is
//! assigned. Unassigning does not, since releasing a queue cannot conflict with the masks.
//!
//! Source: commits e2126a73746e, 8ee13ad99337, 51dc562af09d and 70aeefe574cb, v6.0; 1918f2b20c3d,
//! v6.0.

use selvedge_core::function;

use super::filter::{filter_and_update, vfio_ap_mdev_filter_cdoms};
use super::locks::{UpdateLocks, get_update_locks_for_mdev};
use super::reset_work::vfio_ap_mdev_reset_qlist;
use super::resource::Resource;
use super::world::World;
use crate::Errno;
use crate::ap::{ApMatrix, ApPerms, Apqn};
use crate::vfio_ap::versions::commits::Commit;

/// Models `assign_adapter_store`, `assign_domain_store` and `assign_control_domain_store`.
///
/// Locks: `ap_perms_mutex` -> `guests_lock` -> `kvm->lock` -> `mdevs_lock`; for a control domain
/// all but the first.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] if the masks reserve a queue for the host, [`Errno::Eaddrinuse`] if
/// another mediated device has it.
///
/// # Violations
///
/// INV-20 if the resource is already assigned, before commit 1918f2b20c3d.
pub fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
    let _function = function(resource.assign_store());
    if let Resource::ControlDomain(_) = resource {
        assign_control_domain_store(w, mdev, resource);
        return Ok(());
    }
    let ap_perms = w.bus.ap_perms_mutex().lock();
    let mut locks = get_update_locks_for_mdev(w, mdev);
    let result = assign(w, &ap_perms, &mut locks, mdev, resource);
    locks.release();
    ap_perms.unlock();
    result
}

fn assign(
    w: &World,
    ap_perms: &ApPerms,
    locks: &mut UpdateLocks<'_>,
    mdev: usize,
    resource: Resource,
) -> Result<(), Errno> {
    let assigned = locks.mdevs.mdevs[mdev].assigned;
    if w.has(Commit::AssignedOnce) && resource.is_in(&assigned) {
        return Ok(());
    }
    let added = resource.queues(&assigned.matrix);
    validate(w, ap_perms, locks, mdev, &added)?;
    locks.assign(mdev, resource.set(assigned, true));
    w.now_assigned(locks);
    added.apqns().for_each(|apqn| locks.link(apqn, mdev));
    filter_and_update(w, locks, mdev, added.into(), false);
    Ok(())
}

/// Models `vfio_ap_mdev_validate_masks`, which checks that neither the host's drivers nor another
/// mediated device has one of these queues.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] and [`Errno::Eaddrinuse`].
pub fn validate(
    w: &World,
    ap_perms: &ApPerms,
    locks: &UpdateLocks<'_>,
    mdev: usize,
    added: &ApMatrix,
) -> Result<(), Errno> {
    w.bus.owned_by_def_drv(ap_perms, added)?;
    locks.mdevs.verify_no_sharing(mdev, added)
}

/// Models `assign_control_domain_store`. Control of a domain is not exclusive, so it does not take
/// `ap_perms_mutex` and verifies nothing.
///
/// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
fn assign_control_domain_store(w: &World, mdev: usize, resource: Resource) {
    let mut locks = get_update_locks_for_mdev(w, mdev);
    let assigned = locks.mdevs.mdevs[mdev].assigned;
    if !(w.has(Commit::AssignedOnce) && resource.is_in(&assigned)) {
        locks.assign(mdev, resource.set(assigned, true));
        if vfio_ap_mdev_filter_cdoms(&mut locks, mdev) {
            locks.update_guest_apcb(mdev);
        }
    }
    locks.release();
}

/// Models `unassign_adapter_store`, `unassign_domain_store` and `unassign_control_domain_store`.
///
/// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock` -> `iommu->lock`.
pub fn unassign_store(w: &World, mdev: usize, resource: Resource) {
    let _function = function(resource.unassign_store());
    let mut locks = get_update_locks_for_mdev(w, mdev);
    if resource.is_in(&locks.mdevs.mdevs[mdev].assigned) {
        unassign(w, &mut locks, mdev, resource);
    }
    locks.release();
}

/// Unassigns a resource, and removes it from the guest.
///
/// The queues leave the table. Those that the guest had are reset and no longer point to the
/// mediated device. The other queues still point to it (B15).
pub fn unassign(w: &World, locks: &mut UpdateLocks<'_>, mdev: usize, resource: Resource) {
    let assigned = locks.mdevs.mdevs[mdev].assigned;
    let removed = resource.queues(&assigned.matrix);
    locks.assign(mdev, resource.set(assigned, false));
    w.now_assigned(locks);
    let shadow = locks.mdevs.mdevs[mdev].shadow_apcb;
    let hashed: Vec<Apqn> = locks.mdevs.hashed(mdev);
    let unlinked: Vec<Apqn> = hashed.into_iter().filter(|apqn| removed.contains(*apqn)).collect();
    unlinked.iter().for_each(|apqn| locks.unlink_queue_fr_mdev(*apqn));
    let (plugged, withheld): (Vec<Apqn>, Vec<Apqn>) =
        unlinked.iter().partition(|apqn| shadow.matrix.contains(**apqn));
    if resource.is_in(&shadow) {
        locks.mdevs.mdevs[mdev].shadow_apcb = resource.set(shadow, false);
        locks.update_guest_apcb(mdev);
    }
    _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &plugged);
    plugged.iter().for_each(|apqn| locks.unlink_mdev_fr_queue(*apqn));
    if w.has(Commit::UnlinkAll) {
        withheld.iter().for_each(|apqn| locks.unlink_mdev_fr_queue(*apqn));
    }
}
