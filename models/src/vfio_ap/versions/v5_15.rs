//! v5.15 to v5.19: `kvm->lock` is taken first.
//!
//! Writing the masks no longer takes `kvm->lock`. The caller takes it, before `matrix_dev->lock`.
//! The hook has its own semaphore, which a thread that changes it takes without other locks. The
//! order is therefore `kvm->lock` -> `vcpu->mutex` -> `pqap_hook_rwsem` -> `matrix_dev->lock`,
//! which has no cycle. This works because PQAP(AQIC) never takes `kvm->lock`.
//!
//! Two bugs remain. The hook is published before the driver knows whether the guest may be
//! attached, and it stays if it may not (B12). The last reference to the guest may be dropped while
//! the guest's own lock is held (B21).
//!
//! v5.19 drops the notifier. VFIO supplies the guest when the device is opened, and the driver is
//! not notified when the guest is gone. The locks are the same, except those of the attribute
//! `status`, v5.17 to v5.19, which [`status`](crate::vfio_ap::status) models separately.
//!
//! Source: commits 1e753732bda6 and 86956e70761b, v5.15; 421cfe6596f6, v5.19.

use selvedge_core::function;

use crate::Errno;
use crate::vfio_ap::ap_queue::ResponseCode;
use crate::vfio_ap::aqic::WithoutGuest;
use crate::vfio_ap::kvm::Kvm;
use crate::vfio_ap::pqap::{hook_read_under_rwsem, vfio_ap_handle_pqap};
use crate::vfio_ap::reset::{Protocol, vfio_ap_mdev_reset_queues};
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::stores::{self, in_use};
use crate::vfio_ap::versions::v5_3::attached_elsewhere;
use crate::vfio_ap::versions::v5_13::vfio_ap_mdev_remove;
use crate::vfio_ap::world::{Aqic, Version, World};

/// v5.15 to v5.18.
#[derive(Debug)]
pub enum V5_15 {}

/// v5.19.
#[derive(Debug)]
pub enum V5_19 {}

impl Version for V5_15 {
    /// Models `vfio_ap_mdev_set_kvm`. Locks: `pqap_hook_rwsem` for writing; `kvm->lock` ->
    /// `matrix_dev->lock`.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_set_kvm");
        let kvm = w.guest(vm);
        let hook = kvm.pqap_hook_rwsem.down_write();
        w.matrix_dev.mdev(mdev);
        kvm.set_pqap_hook(Some(mdev));
        hook.up_write();
        let locked = kvm.lock();
        let mdevs = w.matrix_dev.lock.lock();
        if attached_elsewhere(w, &mdevs, mdev, vm) {
            // The hook is not restored.
            locked.unlock();
            mdevs.unlock();
            return Err(Errno::Eperm);
        }
        kvm.get();
        w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
        kvm.crypto_set_masks(&w.hardware, mdevs.mdevs[mdev].assigned);
        locked.unlock();
        mdevs.unlock();
        Ok(())
    }

    fn kvm_is_gone(w: &World, mdev: usize) {
        Self::close(w, mdev);
    }

    /// Models `vfio_ap_mdev_unset_kvm`. Locks: `pqap_hook_rwsem` for writing; `kvm->lock` ->
    /// `matrix_dev->lock`.
    fn close(w: &World, mdev: usize) {
        let _function = function("vfio_ap_mdev_unset_kvm");
        let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) else { return };
        let hook = kvm.pqap_hook_rwsem.down_write();
        kvm.set_pqap_hook(None);
        hook.up_write();
        let locked = kvm.lock();
        let mut mdevs = w.matrix_dev.lock.lock();
        kvm.crypto_clear_masks(&w.hardware);
        _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11);
        // This may be the last reference, which frees kvm->lock.
        _ = kvm.put();
        w.matrix_dev.mdev(mdev).set_kvm(None);
        locked.unlock();
        mdevs.unlock();
    }

    /// Locks: (`vcpu->mutex`) -> `pqap_hook_rwsem` for reading -> `matrix_dev->lock` ->
    /// `iommu->lock`.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        hook_read_under_rwsem(w, kvm, aqic, |w, kvm, aqic| {
            vfio_ap_handle_pqap(w, kvm, aqic, WithoutGuest::Keep)
        })
    }

    /// Removes a device that is not open, since `vfio_unregister_group_dev` waits for that.
    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        vfio_ap_mdev_remove(w, mdev);
        Ok(())
    }

    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        stores::assign_store(w, mdev, resource, in_use)
    }

    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        stores::unassign_store(w, mdev, resource, in_use)
    }

    /// Locks: `matrix_dev->lock` -> `iommu->lock`.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        let mut mdevs = w.matrix_dev.lock.lock();
        vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11)
    }
}

impl Version for V5_19 {
    /// Models `vfio_ap_mdev_open_device`. Locks: as in v5.15.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        V5_15::set_kvm(w, mdev, vm)
    }

    fn kvm_is_gone(_: &World, _: usize) {}

    fn close(w: &World, mdev: usize) {
        V5_15::close(w, mdev);
    }

    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        V5_15::handle_pqap(w, kvm, aqic)
    }

    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        V5_15::remove(w, mdev)
    }

    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        V5_15::assign_store(w, mdev, resource)
    }

    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        V5_15::unassign_store(w, mdev, resource)
    }

    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        V5_15::reset(w, mdev)
    }
}
