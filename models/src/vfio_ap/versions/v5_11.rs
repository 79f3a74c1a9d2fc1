//! v5.11: everything runs under `matrix_dev->lock`, including `kvm->lock`, which closes the cycle.
//!
//! The notifier now cleans up when the guest is gone, with the function that closing uses, and
//! holds `matrix_dev->lock` throughout. Writing the masks takes `kvm->lock`, so the order is
//! `matrix_dev->lock` -> `kvm->lock`. PQAP(AQIC) takes `vcpu->mutex` -> `matrix_dev->lock`, and
//! making a guest protected takes `kvm->lock` -> `vcpu->mutex`.
//!
//! Source: commits f21916ec4826 and 6c12a6384e0c, v5.11; lockdep's report and the text of commit
//! 0cc00c8d4050.

use selvedge_core::function;

use crate::Errno;
use crate::ap::ApConfig;
use crate::vfio_ap::ap_queue::ResponseCode;
use crate::vfio_ap::aqic::WithoutGuest;
use crate::vfio_ap::kvm::Kvm;
use crate::vfio_ap::matrix_dev::Locked;
use crate::vfio_ap::pqap::{hook_read_without_lock, vfio_ap_handle_pqap};
use crate::vfio_ap::reset::{Protocol, vfio_ap_mdev_reset_queues};
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::stores::{assign_store_unlocked, unassign_store_unlocked};
use crate::vfio_ap::versions::v5_3::{attached_elsewhere, vfio_ap_mdev_remove, write_masks};
use crate::vfio_ap::world::{Aqic, Version, World};

/// v5.11.
#[derive(Debug)]
pub enum V5_11 {}

/// Models `vfio_ap_mdev_unset_kvm`. The caller holds `matrix_dev->lock`, and `kvm->lock` is taken
/// under it.
fn vfio_ap_mdev_unset_kvm(w: &World, mdevs: &mut Locked<'_>, mdev: usize) {
    let _function = function("vfio_ap_mdev_unset_kvm");
    let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) else { return };
    write_masks(w, kvm, ApConfig::default());
    kvm.set_pqap_hook(None);
    _ = vfio_ap_mdev_reset_queues(w, mdevs, mdev, Protocol::V5_11);
    if kvm.put() {
        // Destroying the guest closes its KVM-VFIO device, which calls the notifier of the group.
        V5_11::kvm_is_gone(w, mdev);
    }
    w.matrix_dev.mdev(mdev).set_kvm(None);
}

impl Version for V5_11 {
    /// Models `vfio_ap_mdev_group_notifier` and `vfio_ap_mdev_set_kvm`.
    ///
    /// Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_set_kvm");
        let mdevs = w.matrix_dev.lock.lock();
        if attached_elsewhere(w, &mdevs, mdev, vm) {
            return Err(Errno::Eperm);
        }
        let kvm = w.guest(vm);
        w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
        kvm.get();
        kvm.set_pqap_hook(Some(mdev));
        write_masks(w, kvm, mdevs.mdevs[mdev].assigned);
        Ok(())
    }

    /// Models `vfio_ap_mdev_group_notifier` with NULL. Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn kvm_is_gone(w: &World, mdev: usize) {
        let _function = function("vfio_ap_mdev_group_notifier");
        vfio_ap_mdev_unset_kvm(w, &mut w.matrix_dev.lock.lock(), mdev);
    }

    /// Models `vfio_ap_mdev_release`. Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn close(w: &World, mdev: usize) {
        let _function = function("vfio_ap_mdev_release");
        vfio_ap_mdev_unset_kvm(w, &mut w.matrix_dev.lock.lock(), mdev);
    }

    /// Locks: (`vcpu->mutex`) -> `matrix_dev->lock` -> `iommu->lock`.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        hook_read_without_lock(w, kvm, aqic, |w, kvm, aqic| {
            vfio_ap_handle_pqap(w, kvm, aqic, WithoutGuest::Keep)
        })
    }

    /// Locks: none to check whether a guest uses the device; then `matrix_dev->lock`.
    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        vfio_ap_mdev_remove(w, mdev, Protocol::V5_11)
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
        vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11)
    }
}
