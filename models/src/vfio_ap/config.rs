//! Changes of the host's AP configuration, in which it loses or gains adapters and domains.
//!
//! The bus scans for changes. It calls the driver when it knows them (`on_config_changed`), then
//! removes and creates queue devices, and calls the driver again at the end (`on_scan_complete`).
//! The guests lose the lost resources at the first call, before the devices are removed. They get
//! the gained resources at the second call, because an adapter can be plugged only when its last
//! queue has a device. In between, the probe function does not plug new resources.
//!
//! Source: commit eeb386aeb5b7, v6.0; b1f092d94f62, d50346801b4f, 6b8a02e216f6, 917f509bfb88 and
//! bf09b9d7cd78, 2026.

use selvedge_core::function;

use super::filter::{Checked, filter_and_update, vfio_ap_mdev_filter_cdoms};
use super::locks::{GuestsLocked, UpdateLocks, lock_guest};
use super::matrix_dev::not_null;
use super::reset_work::vfio_ap_mdev_reset_queues_of;
use super::world::World;
use crate::ap::{ApConfig, ApMask, ApMatrix};
use crate::vfio_ap::versions::commits::Commit;

/// Models `vfio_ap_on_cfg_changed`.
///
/// Locks: `guests_lock` -> for each mediated device in turn `kvm->lock` -> `mdevs_lock`.
///
/// # Violations
///
/// INV-20 if `mdev_list` changes meanwhile. NULL if a mediated device has no guest, before 2026.
pub fn vfio_ap_on_cfg_changed(w: &World, new: &ApConfig, old: &ApConfig) {
    let _function = function("vfio_ap_on_cfg_changed");
    let guests = w.matrix_dev.guests_lock.lock();
    let mut guests = cfg_remove(w, guests, &old.without(new));
    // vfio_ap_mdev_cfg_add
    let mdevs = w.has(Commit::AddedUnderMdevsLock).then(|| w.matrix_dev.lock.lock());
    for mdev in w.matrix_dev.mdev_list.walk() {
        guests.added[mdev] = guests.assigned[mdev].and(&new.without(old));
    }
    w.matrix_dev.mdev_list.walked();
    drop(mdevs);
    guests.info = *new;
    guests.unlock();
}

/// Checks that there is a guest whose lock can be taken, as the version assumes.
#[track_caller]
fn expect_guest(w: &World, mdev: usize) {
    if !w.has(Commit::GuestOptional) {
        _ = not_null(w.matrix_dev.mdev(mdev).kvm(&w.kvms), "matrix_mdev->kvm");
    }
}

/// Models `vfio_ap_mdev_cfg_remove`.
fn cfg_remove<'a>(
    w: &'a World,
    mut guests: GuestsLocked<'a>,
    removed: &ApConfig,
) -> GuestsLocked<'a> {
    let _function = function("vfio_ap_mdev_cfg_remove");
    if removed.is_empty() {
        return guests;
    }
    let mut do_remove = false;
    for mdev in w.matrix_dev.mdev_list.walk() {
        expect_guest(w, mdev);
        let mut locks = lock_guest(w, guests, Some(mdev));
        let assigned = locks.guests.assigned[mdev];
        let mut lost = removed.and(&assigned);
        if !w.has(Commit::RemoveControlDomains) {
            lost.adm = removed.adm.without(&assigned.adm);
        }
        do_remove = !lost.is_empty() || (do_remove && !w.has(Commit::RemoveForEach));
        if do_remove {
            hot_unplug_cfg(w, &mut locks, mdev, &lost);
        }
        guests = locks.release_guest();
    }
    w.matrix_dev.mdev_list.walked();
    guests
}

/// Removes `lost` from `mask` and returns whether the guest must be updated.
fn take_away(w: &World, mask: &mut ApMask, lost: &ApMask) -> bool {
    let concerned = mask.intersects(lost);
    *mask = mask.without(lost);
    // Before 2026 the code tested whether something is left, and not whether something was removed.
    if w.has(Commit::RemoveLast) { concerned } else { !lost.is_empty() && !mask.is_empty() }
}

/// Models `vfio_ap_mdev_hot_unplug_cfg`, which removes from the guest the resources that the host
/// lost.
fn hot_unplug_cfg(w: &World, locks: &mut UpdateLocks<'_>, mdev: usize, lost: &ApConfig) {
    let shadow = &mut locks.mdevs.mdevs[mdev].shadow_apcb;
    let adapters = take_away(w, &mut shadow.matrix.apm, &lost.matrix.apm);
    let domains = take_away(w, &mut shadow.matrix.aqm, &lost.matrix.aqm);
    let control = take_away(w, &mut shadow.adm, &lost.adm);
    if adapters || domains || control {
        locks.update_guest_apcb(mdev);
    }
}

/// Models `vfio_ap_on_scan_complete`.
///
/// Locks: those of [`vfio_ap_on_cfg_changed`].
///
/// # Violations
///
/// Those of [`vfio_ap_on_cfg_changed`].
pub fn vfio_ap_on_scan_complete(w: &World) {
    let _function = function("vfio_ap_on_scan_complete");
    let mut guests = w.matrix_dev.guests_lock.lock();
    for mdev in w.matrix_dev.mdev_list.walk() {
        let added = guests.added[mdev];
        if added.is_empty() {
            continue;
        }
        expect_guest(w, mdev);
        let mut locks = lock_guest(w, guests, Some(mdev));
        hot_plug_cfg(w, &mut locks, mdev, &added);
        guests = locks.release_guest();
        guests.added[mdev] = ApConfig::default();
    }
    w.matrix_dev.mdev_list.walked();
    guests.unlock();
}

/// Models `vfio_ap_mdev_hot_plug_cfg`, which gives the guest the resources that the host gained.
///
/// Up to v6.7 it filters even if neither an adapter nor a domain was gained, and checks no queue
/// then (B30).
fn hot_plug_cfg(w: &World, locks: &mut UpdateLocks<'_>, mdev: usize, added: &ApConfig) {
    let _function = function("vfio_ap_mdev_hot_plug_cfg");
    let control = !added.adm.is_empty() && vfio_ap_mdev_filter_cdoms(locks, mdev);
    let ApMatrix { apm, aqm } = added.matrix;
    let queues = !apm.is_empty() || !aqm.is_empty();
    if queues || !w.has(Commit::FilterEntireMatrix) {
        let checked = match (apm.is_empty(), aqm.is_empty()) {
            (false, false) => added.matrix.into(),
            (false, true) => Checked::adapters_of_shadow(apm),
            (true, _) => Checked::domains_of_shadow(aqm),
        };
        filter_and_update(w, locks, mdev, checked, control);
    } else if control {
        locks.update_guest_apcb(mdev);
    }
    if !queues && w.has(Commit::ResetFiltered) && !w.has(Commit::FilteredInitialised) {
        // The mask of adapters to reset was not initialised, so this assumes the worst content of
        // the stack.
        vfio_ap_mdev_reset_queues_of(w, locks, mdev, &ApMask::all());
    }
}
