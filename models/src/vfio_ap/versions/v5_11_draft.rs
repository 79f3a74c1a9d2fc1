//! A draft of the patch of v5.11, with one unlock too many.
//!
//! The third version of the patch moved `mutex_lock` and `mutex_unlock` from `vfio_ap_mdev_set_kvm`
//! to the notifier that calls it, and did not remove the unlock in the error branch.
//!
//! Source: "Re: [PATCH v3] s390/vfio-ap: clean up vfio_ap resources when KVM pointer
//! invalidated", T. Krowiak, 2020-12-16.

use selvedge_core::function;

use crate::Errno;
use crate::vfio_ap::world::World;

/// Models `vfio_ap_mdev_group_notifier`. Locks: `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Eperm`] if the guest already has a mediated device.
pub fn vfio_ap_mdev_group_notifier(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_group_notifier");
    w.matrix_dev.lock.raw_lock();
    let result = vfio_ap_mdev_set_kvm(w, mdev, vm);
    w.matrix_dev.lock.raw_unlock();
    result
}

/// Models the failure of `vfio_ap_mdev_set_kvm`.
fn vfio_ap_mdev_set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_set_kvm");
    for other in (0..w.matrix_dev.mdevs()).filter(|other| *other != mdev) {
        if w.matrix_dev.mdev(other).kvm(&w.kvms).is_some_and(|kvm| kvm.vm == vm) {
            w.matrix_dev.lock.raw_unlock();
            return Err(Errno::Eperm);
        }
    }
    Ok(())
}
