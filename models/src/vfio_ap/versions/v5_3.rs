//! v5.3 to v5.10: interrupts for guests, and a notifier that does not clean up.
//!
//! `matrix_dev->lock` protects everything, but the notifier that supplies the guest does half of
//! its work outside it. When the guest is gone, the notifier only clears the pointer. The
//! reference, the hook, the queues and their interrupts stay. Closing the device would clean up,
//! but by then it has no guest.
//!
//! Source: commits ec89b55e3bce and 258287c994de; `drivers/s390/crypto/vfio_ap_ops.c`, v5.10.

use selvedge_core::function;

use crate::Errno;
use crate::ap::{ApConfig, Apqn};
use crate::vfio_ap::ap_queue::ResponseCode;
use crate::vfio_ap::aqic::WithoutGuest;
use crate::vfio_ap::kvm::Kvm;
use crate::vfio_ap::matrix_dev::{Mdevs, not_null};
use crate::vfio_ap::pqap::{hook_read_without_lock, vfio_ap_handle_pqap};
use crate::vfio_ap::queue_device::vfio_ap_queue_dev_remove;
use crate::vfio_ap::reset::{Protocol, vfio_ap_mdev_reset_queues};
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::stores::{assign_store_unlocked, unassign_store_unlocked};
use crate::vfio_ap::world::{Aqic, Version, World};

/// v5.3 to v5.10.
#[derive(Debug)]
pub enum V5_3 {}

/// Models `kvm_arch_crypto_set_masks` and `kvm_arch_crypto_clear_masks` up to v5.14, which take
/// `kvm->lock` themselves.
pub(crate) fn write_masks(w: &World, kvm: &Kvm, config: ApConfig) {
    let _function = function("kvm_arch_crypto_set_masks");
    let locked = kvm.lock();
    kvm.crypto_set_masks(&w.hardware, config);
    locked.unlock();
}

/// Returns whether another mediated device already has guest `vm`.
pub(crate) fn attached_elsewhere(w: &World, mdevs: &Mdevs, mdev: usize, vm: u8) -> bool {
    let others = mdevs.mdevs.iter().enumerate().filter(|(other, m)| m.listed && *other != mdev);
    let has = |kvm: &Kvm| kvm.vm == vm;
    { others }.any(|(other, _)| w.matrix_dev.mdev(other).kvm(&w.kvms).is_some_and(has))
}

/// Models `vfio_ap_mdev_remove` up to v5.12. Locks: none to check whether a guest uses the device;
/// then `matrix_dev->lock`.
pub(crate) fn vfio_ap_mdev_remove(w: &World, mdev: usize, reset: Protocol) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_remove");
    if w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some() {
        return Err(Errno::Ebusy);
    }
    let mut mdevs = w.matrix_dev.lock.lock();
    _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, reset);
    mdevs.mdevs[mdev].listed = false;
    mdevs.unlock();
    w.matrix_dev.free_mdev(mdev);
    Ok(())
}

/// Models `vfio_ap_mdev_set_kvm`. Locks: `matrix_dev->lock`.
fn vfio_ap_mdev_set_kvm(w: &World, mdev: usize, kvm: &Kvm) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_set_kvm");
    let mdevs = w.matrix_dev.lock.lock();
    if attached_elsewhere(w, &mdevs, mdev, kvm.vm) {
        return Err(Errno::Eperm);
    }
    w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
    kvm.get();
    kvm.set_pqap_hook(Some(mdev));
    Ok(())
}

impl Version for V5_3 {
    /// Models `vfio_ap_mdev_group_notifier`. Locks: `matrix_dev->lock`; `kvm->lock`.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_group_notifier");
        vfio_ap_mdev_set_kvm(w, mdev, w.guest(vm))?;
        // matrix_mdev->kvm->arch.crypto.crycbd is read again, without the mutex.
        let kvm = not_null(w.matrix_dev.mdev(mdev).kvm(&w.kvms), "matrix_mdev->kvm");
        let _function = function("kvm_arch_crypto_set_masks");
        let locked = kvm.lock();
        // The masks belong to the mediated device, whose mutex is not held.
        kvm.crypto_set_masks(&w.hardware, w.matrix_dev.mdev(mdev).masks.load());
        locked.unlock();
        Ok(())
    }

    /// Models `vfio_ap_mdev_group_notifier` with NULL. Locks: none.
    fn kvm_is_gone(w: &World, mdev: usize) {
        let _function = function("vfio_ap_mdev_group_notifier");
        w.matrix_dev.mdev(mdev).set_kvm(None);
    }

    /// Models `vfio_ap_mdev_release`. Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn close(w: &World, mdev: usize) {
        let _function = function("vfio_ap_mdev_release");
        let mut mdevs = w.matrix_dev.lock.lock();
        if let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) {
            write_masks(w, kvm, ApConfig::default());
            kvm.set_pqap_hook(None);
            _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_3);
            _ = kvm.put();
            w.matrix_dev.mdev(mdev).set_kvm(None);
        }
    }

    /// Locks: (`vcpu->mutex`) -> `matrix_dev->lock` -> `iommu->lock`.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        hook_read_without_lock(w, kvm, aqic, |w, kvm, aqic| {
            vfio_ap_handle_pqap(w, kvm, aqic, WithoutGuest::Follow)
        })
    }

    /// Locks: none to check whether a guest uses the device; then `matrix_dev->lock`.
    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        vfio_ap_mdev_remove(w, mdev, Protocol::V5_3)
    }

    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        assign_store_unlocked(w, mdev, resource)
    }

    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        unassign_store_unlocked(w, mdev, resource)
    }

    /// Locks: `matrix_dev->lock` -> `iommu->lock`.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        let mut mdevs = w.matrix_dev.lock.lock();
        vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_3)
    }

    /// Locks: (device lock) -> `matrix_dev->lock` -> `iommu->lock`.
    fn remove_queue(w: &World, apqn: Apqn) {
        vfio_ap_queue_dev_remove(w, apqn, Protocol::V5_3);
    }
}
