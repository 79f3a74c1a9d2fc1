//! Adapters and domains are assigned and unassigned while a guest runs.
//!
//! Both take `guests_lock` -> `kvm->lock` -> `mdevs_lock`, and assigning takes `ap_perms_mutex`
//! before them all: whether the host's drivers own a queue must stay true until it is assigned.
//! To give a queue up cannot conflict with the masks, so unassigning does without.
//!
//! Source: commits e2126a73746e, 8ee13ad99337, 51dc562af09d and 70aeefe574cb, v6.0; 1918f2b20c3d,
//! v6.0.

use selvedge_core::function;

use super::commits::Commit;
use super::filter::{filter_and_update, vfio_ap_mdev_filter_cdoms};
use super::locks::{UpdateLocks, get_update_locks_for_mdev};
use super::reset_work::vfio_ap_mdev_reset_qlist;
use super::world::World;
use crate::ap::{ApMask, ApMatrix, ApPerms, Apqn, Errno};

/// What is assigned or unassigned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// An adapter.
    Adapter(u8),
    /// A usage domain.
    Domain(u8),
}

impl Resource {
    /// The queues that come or go with it.
    fn queues(self, matrix: &ApMatrix) -> ApMatrix {
        match self {
            Self::Adapter(apid) => ApMatrix { apm: ApMask::of([apid]), aqm: matrix.aqm },
            Self::Domain(apqi) => ApMatrix { apm: matrix.apm, aqm: ApMask::of([apqi]) },
        }
    }

    fn is_in(self, matrix: &ApMatrix) -> bool {
        match self {
            Self::Adapter(apid) => matrix.apm.test(apid),
            Self::Domain(apqi) => matrix.aqm.test(apqi),
        }
    }

    fn set(self, matrix: &mut ApMatrix, value: bool) {
        match self {
            Self::Adapter(apid) => matrix.apm.set(apid, value),
            Self::Domain(apqi) => matrix.aqm.set(apqi, value),
        }
    }
}

/// `assign_adapter_store` and `assign_domain_store`.
///
/// Locks: `ap_perms_mutex` -> `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] if the masks reserve a queue for the host, [`Errno::Eaddrinuse`] if
/// another mediated device has it.
///
/// # Violations
///
/// INV-20 if it is assigned already, before commit 1918f2b20c3d.
pub fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
    let _function = function(match resource {
        Resource::Adapter(_) => "assign_adapter_store",
        Resource::Domain(_) => "assign_domain_store",
    });
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
    let mut matrix = locks.mdevs.mdevs[mdev].matrix;
    if w.has(Commit::AssignedOnce) && resource.is_in(&matrix) {
        return Ok(());
    }
    let added = resource.queues(&matrix);
    validate(ap_perms, locks, mdev, &added)?;
    resource.set(&mut matrix, true);
    locks.assign(mdev, matrix);
    w.now_assigned(locks);
    added.apqns().for_each(|apqn| locks.link(apqn, mdev));
    filter_and_update(w, locks, mdev, &added);
    Ok(())
}

/// `vfio_ap_mdev_validate_masks`: the host's drivers own none of these queues, and no other
/// mediated device has one.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] and [`Errno::Eaddrinuse`].
pub fn validate(
    ap_perms: &ApPerms,
    locks: &UpdateLocks<'_>,
    mdev: usize,
    added: &ApMatrix,
) -> Result<(), Errno> {
    ap_perms.owned_by_def_drv(added)?;
    locks.mdevs.verify_no_sharing(mdev, added)
}

/// `unassign_adapter_store` and `unassign_domain_store`.
///
/// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock` -> `iommu->lock`.
pub fn unassign_store(w: &World, mdev: usize, resource: Resource) {
    let _function = function(match resource {
        Resource::Adapter(_) => "unassign_adapter_store",
        Resource::Domain(_) => "unassign_domain_store",
    });
    let mut locks = get_update_locks_for_mdev(w, mdev);
    if resource.is_in(&locks.mdevs.mdevs[mdev].matrix) {
        unassign(w, &mut locks, mdev, resource);
    }
    locks.release();
}

/// Takes a resource away, from the guest too.
///
/// The queues leave the table. Those that the guest had are reset, and point to the mediated
/// device no more. The others still do (B15).
pub fn unassign(w: &World, locks: &mut UpdateLocks<'_>, mdev: usize, resource: Resource) {
    let mut matrix = locks.mdevs.mdevs[mdev].matrix;
    let removed = resource.queues(&matrix);
    resource.set(&mut matrix, false);
    locks.assign(mdev, matrix);
    w.now_assigned(locks);
    let shadow = locks.mdevs.mdevs[mdev].shadow_apcb;
    let hashed: Vec<Apqn> = locks.mdevs.hashed(mdev);
    let unlinked: Vec<Apqn> = hashed.into_iter().filter(|apqn| removed.contains(*apqn)).collect();
    unlinked.iter().for_each(|apqn| locks.unlink_queue_fr_mdev(*apqn));
    let (plugged, withheld): (Vec<Apqn>, Vec<Apqn>) =
        unlinked.iter().partition(|apqn| shadow.contains(**apqn));
    if resource.is_in(&shadow) {
        resource.set(&mut locks.mdevs.mdevs[mdev].shadow_apcb, false);
        locks.update_guest_apcb(mdev);
    }
    _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &plugged);
    plugged.iter().for_each(|apqn| locks.unlink_mdev_fr_queue(*apqn));
    if w.has(Commit::UnlinkAll) {
        withheld.iter().for_each(|apqn| locks.unlink_mdev_fr_queue(*apqn));
    }
}

/// `assign_control_domain_store`. Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
pub fn assign_control_domain_store(w: &World, mdev: usize, domain: u8) {
    let _function = function("assign_control_domain_store");
    let mut locks = get_update_locks_for_mdev(w, mdev);
    locks.mdevs.mdevs[mdev].adm.set(domain, true);
    locks.guests.assigned[mdev].adm.set(domain, true);
    if vfio_ap_mdev_filter_cdoms(&mut locks, mdev) {
        locks.update_guest_apcb(mdev);
    }
    locks.release();
}

/// `unassign_control_domain_store`. Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
pub fn unassign_control_domain_store(w: &World, mdev: usize, domain: u8) {
    let _function = function("unassign_control_domain_store");
    let mut locks = get_update_locks_for_mdev(w, mdev);
    locks.mdevs.mdevs[mdev].adm.set(domain, false);
    locks.guests.assigned[mdev].adm.set(domain, false);
    if vfio_ap_mdev_filter_cdoms(&mut locks, mdev) {
        locks.update_guest_apcb(mdev);
    }
    locks.release();
}
