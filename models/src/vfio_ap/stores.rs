//! The stores to the attributes of a mediated device, up to v5.19: they work on a device that no
//! guest uses, and refuse otherwise. When they ask, the versions differ in.
//!
//! Source: `assign_adapter_store` and `unassign_adapter_store` in
//! `drivers/s390/crypto/vfio_ap_ops.c`.

use selvedge_core::function;

use super::matrix_dev::{Locked, Mdevs};
use super::world::World;
use crate::ap::{ApMask, ApMatrix, Errno};

/// How a version finds out whether a guest uses the mediated device.
pub type InUse = fn(&World, usize, &Locked<'_>) -> bool;

/// Up to v5.12: the pointer is read before the mutex is taken, and nobody looks again.
fn in_use_unlocked(w: &World, mdev: usize) -> bool {
    w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some()
}

/// v5.13 and v5.14: under the mutex, and a guest that is just being attached counts.
pub fn in_use_or_busy(w: &World, mdev: usize, mdevs: &Locked<'_>) -> bool {
    mdevs.mdevs[mdev].kvm_busy || w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some()
}

/// v5.15 to v5.19: under the mutex.
pub fn in_use(w: &World, mdev: usize, _: &Locked<'_>) -> bool {
    w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some()
}

/// Assigns adapter `apid`.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] if a queue is not bound to the driver, [`Errno::Eaddrinuse`] if
/// another device has it.
pub fn assign(w: &World, mdevs: &mut Locked<'_>, mdev: usize, apid: u8) -> Result<(), Errno> {
    let added = ApMatrix { apm: ApMask::of([apid]), aqm: mdevs.mdevs[mdev].matrix.aqm };
    // vfio_ap_mdev_verify_queues_reserved_for_apid
    if !added.apqns().all(|apqn| mdevs.queues.contains_key(&apqn)) {
        return Err(Errno::Eaddrnotavail);
    }
    // Assigned first and then verified, as whoever reads the masks without the mutex can see.
    set_adapter(w, mdevs, mdev, apid, true);
    let verified = mdevs.verify_no_sharing(mdev, &added);
    if verified.is_err() {
        set_adapter(w, mdevs, mdev, apid, false);
    }
    verified
}

/// Unassigns adapter `apid`.
pub fn unassign(w: &World, mdevs: &mut Locked<'_>, mdev: usize, apid: u8) {
    set_adapter(w, mdevs, mdev, apid, false);
}

fn set_adapter(w: &World, mdevs: &mut Locked<'_>, mdev: usize, apid: u8, assigned: bool) {
    let apm = &mut mdevs.mdevs[mdev].matrix.apm;
    apm.set(apid, assigned);
    w.matrix_dev.mdev(mdev).masks.set_apm(apm);
}

/// What of its matrix a mediated device can give to a guest, in versions 13 to 17 of the series:
/// the adapters all of whose queues are bound to the driver.
pub fn plugged(mdevs: &Mdevs, mdev: usize) -> ApMatrix {
    let mut matrix = mdevs.mdevs[mdev].matrix;
    for apqn in mdevs.mdevs[mdev].matrix.apqns() {
        if !mdevs.queues.contains_key(&apqn) {
            matrix.apm.set(apqn.apid, false);
        }
    }
    matrix
}

/// `assign_adapter_store`, up to v5.12.
///
/// Locks: none to ask whether a guest uses the device; then `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if a guest uses the device, [`Errno::Eaddrnotavail`] if a queue is not bound
/// to the driver, [`Errno::Eaddrinuse`] if another device has it.
pub fn assign_adapter_store_unlocked(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
    let _function = function("assign_adapter_store");
    if in_use_unlocked(w, mdev) {
        return Err(Errno::Ebusy);
    }
    assign(w, &mut w.matrix_dev.lock.lock(), mdev, apid)
}

/// `unassign_adapter_store`, up to v5.12.
///
/// Locks: none to ask whether a guest uses the device; then `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if a guest uses the device.
pub fn unassign_adapter_store_unlocked(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
    let _function = function("unassign_adapter_store");
    if in_use_unlocked(w, mdev) {
        return Err(Errno::Ebusy);
    }
    unassign(w, &mut w.matrix_dev.lock.lock(), mdev, apid);
    Ok(())
}

/// `assign_adapter_store`, v5.13 to v5.19.
///
/// Locks: `matrix_dev->lock`.
///
/// # Errors
///
/// As up to v5.12.
pub fn assign_adapter_store(w: &World, mdev: usize, apid: u8, in_use: InUse) -> Result<(), Errno> {
    let _function = function("assign_adapter_store");
    let mut mdevs = w.matrix_dev.lock.lock();
    if in_use(w, mdev, &mdevs) {
        return Err(Errno::Ebusy);
    }
    assign(w, &mut mdevs, mdev, apid)
}

/// `unassign_adapter_store`, v5.13 to v5.19.
///
/// Locks: `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if a guest uses the device.
pub fn unassign_adapter_store(
    w: &World,
    mdev: usize,
    apid: u8,
    in_use: InUse,
) -> Result<(), Errno> {
    let _function = function("unassign_adapter_store");
    let mut mdevs = w.matrix_dev.lock.lock();
    if in_use(w, mdev, &mdevs) {
        return Err(Errno::Ebusy);
    }
    unassign(w, &mut mdevs, mdev, apid);
    Ok(())
}
