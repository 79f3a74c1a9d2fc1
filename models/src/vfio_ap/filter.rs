//! The shadow APCB, which is the part of its matrix that a mediated device can give to a guest.
//!
//! A guest's control block is also a matrix, so a single queue cannot be withheld. If one queue of
//! an adapter is unavailable, the guest does not get the adapter. The *shadow* is the rest of the
//! matrix, and the guest gets the shadow.
//!
//! Source: commits 49b0109fb399 and 48cae940c31d, v6.0; 850fb7fa8c68 and 16fb78cbf56e, v6.8.

use super::locks::UpdateLocks;
use super::reset_work::vfio_ap_mdev_reset_queues_of;
use super::world::World;
use crate::ap::{ApMask, ApMatrix, Apqn};
use crate::vfio_ap::versions::commits::Commit;

/// The two masks that `vfio_ap_mdev_filter_matrix` has before v6.8. Only the queues of their
/// product are checked.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    apm: Option<ApMask>,
    aqm: Option<ApMask>,
}

impl Checked {
    /// The domains of `aqm` and all adapters of the shadow. The kernel passes a pointer to the mask
    /// of the shadow, which the function computes anew before it reads it.
    pub fn domains_of_shadow(aqm: ApMask) -> Self {
        Self { apm: None, aqm: Some(aqm) }
    }

    /// The adapters of `apm` and all domains of the shadow, also as it is computed anew.
    pub fn adapters_of_shadow(apm: ApMask) -> Self {
        Self { apm: Some(apm), aqm: None }
    }

    fn product(&self, shadow: &ApMatrix) -> ApMatrix {
        let Self { apm, aqm } = self;
        ApMatrix { apm: apm.unwrap_or(shadow.apm), aqm: aqm.unwrap_or(shadow.aqm) }
    }
}

impl From<ApMatrix> for Checked {
    fn from(matrix: ApMatrix) -> Self {
        Self { apm: Some(matrix.apm), aqm: Some(matrix.aqm) }
    }
}

/// Models `vfio_ap_mdev_filter_matrix`, which recomputes the shadow. Before v6.8 only the queues of
/// `checked` are checked, and all other withheld adapters return.
///
/// Returns the adapters that the guest had and that are now withheld, and whether anything changed.
fn vfio_ap_mdev_filter_matrix(
    w: &World,
    locks: &mut UpdateLocks<'_>,
    mdev: usize,
    checked: Checked,
) -> (ApMask, bool) {
    let before = locks.mdevs.mdevs[mdev].shadow_apcb.matrix;
    let matrix = locks.mdevs.mdevs[mdev].assigned.matrix;
    let mut shadow = matrix.and(&locks.info().matrix);
    let looked_at = match (w.has(Commit::FilterEntireMatrix), w.has(Commit::FilterShadow)) {
        (_, true) => shadow,
        (true, false) => matrix,
        (false, false) => checked.product(&shadow),
    };
    let there = |apqn: &Apqn| {
        locks.mdevs.queues.get(apqn).is_some_and(|queue| {
            queue.hashed && queue.matrix_mdev == Some(mdev) && !queue.reset_failed
        })
    };
    for apqn in looked_at.apqns().filter(|apqn| !there(apqn)) {
        shadow.apm.set(apqn.apid, false);
    }
    locks.mdevs.mdevs[mdev].shadow_apcb.matrix = shadow;
    (before.apm.without(&shadow.apm), shadow != before)
}

/// Filters the matrix, updates the guest, and resets the queues that it lost. `control` says
/// whether the control domains have changed already.
#[track_caller]
pub fn filter_and_update(
    w: &World,
    locks: &mut UpdateLocks<'_>,
    mdev: usize,
    checked: Checked,
    control: bool,
) {
    let (filtered, changed) = vfio_ap_mdev_filter_matrix(w, locks, mdev, checked);
    if changed || control {
        locks.update_guest_apcb(mdev);
    }
    if w.has(Commit::ResetFiltered) {
        vfio_ap_mdev_reset_queues_of(w, locks, mdev, &filtered);
    }
}

/// Models `vfio_ap_mdev_filter_cdoms`. Control domains have no queues, so they only need to belong
/// to the host. Returns whether anything changed.
pub fn vfio_ap_mdev_filter_cdoms(locks: &mut UpdateLocks<'_>, mdev: usize) -> bool {
    let adm = locks.info().adm;
    let mdev = &mut locks.mdevs.mdevs[mdev];
    let shadow = mdev.assigned.adm.and(&adm);
    std::mem::replace(&mut mdev.shadow_apcb.adm, shadow) != shadow
}
