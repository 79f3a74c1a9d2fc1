//! The stores to the attributes of a mediated device up to v5.19. They fail if a guest uses the
//! device, and the versions differ in when they check that.
//!
//! Source: `assign_adapter_store`, `assign_domain_store`, `assign_control_domain_store` and the
//! corresponding functions that unassign, in `drivers/s390/crypto/vfio_ap_ops.c`.

use selvedge_core::function;

use super::matrix_dev::{Locked, Mdevs};
use super::resource::Resource;
use super::world::World;
use crate::Errno;
use crate::ap::ApConfig;

/// How a version determines whether a guest uses the mediated device.
pub type InUse = fn(&World, usize, &Locked<'_>) -> bool;

/// Reads the pointer before the mutex is taken and does not check again, up to v5.12.
fn in_use_unlocked(w: &World, mdev: usize) -> bool {
    w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some()
}

/// Checks under the mutex, and counts a guest that is being attached, in v5.13 and v5.14.
pub fn in_use_or_busy(w: &World, mdev: usize, mdevs: &Locked<'_>) -> bool {
    mdevs.mdevs[mdev].kvm_busy || w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some()
}

/// Checks under the mutex, in v5.15 to v5.19.
pub fn in_use(w: &World, mdev: usize, _: &Locked<'_>) -> bool {
    w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some()
}

/// Assigns a resource.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] if a queue is not bound to the driver, [`Errno::Eaddrinuse`] if
/// another device has it.
pub fn assign(
    w: &World,
    mdevs: &mut Locked<'_>,
    mdev: usize,
    resource: Resource,
) -> Result<(), Errno> {
    let added = resource.queues(&mdevs.mdevs[mdev].assigned.matrix);
    // vfio_ap_mdev_verify_queues_reserved_for_apid, _for_apqi
    if !added.apqns().all(|apqn| mdevs.queues.contains_key(&apqn)) {
        return Err(Errno::Eaddrnotavail);
    }
    // The resource is assigned first and then verified, which a reader without the mutex can see.
    set(w, mdevs, mdev, resource, true);
    let verified = mdevs.verify_no_sharing(mdev, &added);
    if verified.is_err() {
        set(w, mdevs, mdev, resource, false);
    }
    verified
}

/// Unassigns a resource.
pub fn unassign(w: &World, mdevs: &mut Locked<'_>, mdev: usize, resource: Resource) {
    set(w, mdevs, mdev, resource, false);
}

fn set(w: &World, mdevs: &mut Locked<'_>, mdev: usize, resource: Resource, assigned: bool) {
    let config = resource.set(mdevs.mdevs[mdev].assigned, assigned);
    mdevs.mdevs[mdev].assigned = config;
    w.matrix_dev.mdev(mdev).masks.write(resource, &config);
}

/// Returns the part of its masks that a mediated device can give to a guest in versions 13 to 17 of
/// the series: the adapters all of whose queues are bound to the driver.
pub fn plugged(mdevs: &Mdevs, mdev: usize) -> ApConfig {
    let mut config = mdevs.mdevs[mdev].assigned;
    for apqn in mdevs.mdevs[mdev].assigned.matrix.apqns() {
        if !mdevs.queues.contains_key(&apqn) {
            config.matrix.apm.set(apqn.apid, false);
        }
    }
    config
}

/// Models `assign_adapter_store` and the similar functions, up to v5.12.
///
/// Locks: none to check whether a guest uses the device; then `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if a guest uses the device, [`Errno::Eaddrnotavail`] if a queue is not bound
/// to the driver, [`Errno::Eaddrinuse`] if another device has it.
pub fn assign_store_unlocked(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
    let _function = function(resource.assign_store());
    if in_use_unlocked(w, mdev) {
        return Err(Errno::Ebusy);
    }
    assign(w, &mut w.matrix_dev.lock.lock(), mdev, resource)
}

/// Models `unassign_adapter_store` and the similar functions, up to v5.12.
///
/// Locks: none to check whether a guest uses the device; then `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if a guest uses the device.
pub fn unassign_store_unlocked(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
    let _function = function(resource.unassign_store());
    if in_use_unlocked(w, mdev) {
        return Err(Errno::Ebusy);
    }
    unassign(w, &mut w.matrix_dev.lock.lock(), mdev, resource);
    Ok(())
}

/// Models `assign_adapter_store` and the similar functions, v5.13 to v5.19.
///
/// Locks: `matrix_dev->lock`.
///
/// # Errors
///
/// Those of [`assign_store_unlocked`].
pub fn assign_store(
    w: &World,
    mdev: usize,
    resource: Resource,
    in_use: InUse,
) -> Result<(), Errno> {
    let _function = function(resource.assign_store());
    let mut mdevs = w.matrix_dev.lock.lock();
    if in_use(w, mdev, &mdevs) {
        return Err(Errno::Ebusy);
    }
    assign(w, &mut mdevs, mdev, resource)
}

/// Models `unassign_adapter_store` and the similar functions, v5.13 to v5.19.
///
/// Locks: `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if a guest uses the device.
pub fn unassign_store(
    w: &World,
    mdev: usize,
    resource: Resource,
    in_use: InUse,
) -> Result<(), Errno> {
    let _function = function(resource.unassign_store());
    let mut mdevs = w.matrix_dev.lock.lock();
    if in_use(w, mdev, &mdevs) {
        return Err(Errno::Ebusy);
    }
    unassign(w, &mut mdevs, mdev, resource);
    Ok(())
}
