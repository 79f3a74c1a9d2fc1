//! v5.13 and v5.14: a flag in place of the mutex, and a wait queue for it.
//!
//! To break the cycle the mutex is released before `kvm->lock` is taken. A flag, `kvm_busy`,
//! records that the guest is being attached or detached meanwhile. Stores then refuse, and
//! PQAP(AQIC) waits. For lockdep a flag is not a lock, so it reports nothing. But a thread that
//! detaches a guest still makes PQAP(AQIC) wait under `vcpu->mutex` for `kvm->lock`.
//!
//! Source: commit 0cc00c8d4050, v5.13. The objection is by J. Gunthorpe in the review of June 2021,
//! and in the text of commit 86956e70761b.

use selvedge_core::function;

use crate::Errno;
use crate::ap::ApConfig;
use crate::vfio_ap::ap_queue::ResponseCode;
use crate::vfio_ap::aqic::WithoutGuest;
use crate::vfio_ap::kvm::Kvm;
use crate::vfio_ap::matrix_dev::{Locked, Mdevs};
use crate::vfio_ap::pqap::{execute, hook_read_under_rwsem, hook_read_without_lock};
use crate::vfio_ap::reset::{Protocol, vfio_ap_mdev_reset_queues};
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::stores::{self, in_use_or_busy};
use crate::vfio_ap::versions::v5_3::{attached_elsewhere, write_masks};
use crate::vfio_ap::world::{Aqic, Version, World};

/// v5.13 and v5.14.
#[derive(Debug)]
pub enum V5_13 {}

/// Commit 1e753732bda6 without the one that follows it: the hook has its semaphore, and the flag
/// still exists. Only a bisection reaches this state.
#[derive(Debug)]
pub enum V5_15Bisect {}

/// Models `wait_event_cmd` on `kvm_busy`, which releases the mutex while the thread sleeps.
fn wait_for_kvm<'a>(w: &'a World, mdevs: Locked<'a>, mdev: usize) -> Locked<'a> {
    let matrix_mdev = w.matrix_dev.mdev(mdev);
    let idle = |mdevs: &Mdevs| {
        // The flag is in the same memory as the wait queue.
        matrix_mdev.wait_for_kvm();
        !mdevs.mdevs[mdev].kvm_busy
    };
    matrix_mdev.wait_for_kvm().wait_event_cmd(&w.matrix_dev.lock, mdevs, idle)
}

fn begin(w: &World, mdevs: &mut Locked<'_>, mdev: usize) {
    mdevs.mdevs[mdev].kvm_busy = true;
    w.matrix_dev.mdev(mdev).wait_for_kvm().promise();
}

fn end(w: &World, mdevs: &mut Locked<'_>, mdev: usize) {
    mdevs.mdevs[mdev].kvm_busy = false;
    let queue = w.matrix_dev.mdev(mdev).wait_for_kvm();
    queue.fulfil();
    queue.wake_up_all();
}

/// Models the part of the driver in `handle_pqap`. Locks: `matrix_dev->lock` -> `iommu->lock`, and
/// a wait for `kvm_busy` in between that releases only the mutex.
fn handler(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
    let mdevs = w.matrix_dev.lock.lock();
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    let mut mdevs = wait_for_kvm(w, mdevs, mdev);
    execute(w, &mut mdevs, mdev, aqic, WithoutGuest::Keep)
}

/// Models `vfio_ap_mdev_remove` of v5.13 (commit 8c0795d2a0f5), which always cleans up without a
/// check.
///
/// Locks: `matrix_dev->lock`.
pub(crate) fn vfio_ap_mdev_remove(w: &World, mdev: usize) {
    let _function = function("vfio_ap_mdev_remove");
    let mut mdevs = w.matrix_dev.lock.lock();
    _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11);
    mdevs.mdevs[mdev].listed = false;
    w.matrix_dev.free_mdev(mdev);
}

/// Models `vfio_ap_mdev_remove` before the release of v5.13 (commit 0cc00c8d4050), which refuses if
/// a guest uses the device. Its caller, the core of mediated devices, ignores the result.
///
/// Locks: `matrix_dev->lock`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if a guest uses the device.
pub fn vfio_ap_mdev_remove_or_refuse(w: &World, mdev: usize) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_remove");
    let mut mdevs = w.matrix_dev.lock.lock();
    if in_use_or_busy(w, mdev, &mdevs) {
        return Err(Errno::Ebusy);
    }
    _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11);
    mdevs.mdevs[mdev].listed = false;
    w.matrix_dev.free_mdev(mdev);
    Ok(())
}

impl Version for V5_13 {
    /// Models `vfio_ap_mdev_set_kvm`. Locks: `matrix_dev->lock`; `kvm->lock`; `matrix_dev->lock`,
    /// with `kvm_busy` from the first to the last.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_set_kvm");
        let mut mdevs = w.matrix_dev.lock.lock();
        if attached_elsewhere(w, &mdevs, mdev, vm) {
            return Err(Errno::Eperm);
        }
        let kvm = w.guest(vm);
        kvm.get();
        begin(w, &mut mdevs, mdev);
        let config = mdevs.mdevs[mdev].assigned;
        mdevs.unlock();
        write_masks(w, kvm, config);
        let mut mdevs = w.matrix_dev.lock.lock();
        kvm.set_pqap_hook(Some(mdev));
        w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
        end(w, &mut mdevs, mdev);
        Ok(())
    }

    fn kvm_is_gone(w: &World, mdev: usize) {
        Self::close(w, mdev);
    }

    /// Models `vfio_ap_mdev_unset_kvm`. Locks: `matrix_dev->lock`, with a wait for `kvm_busy` that
    /// releases it; `kvm->lock`; `matrix_dev->lock`, with `kvm_busy` from the first to the last.
    fn close(w: &World, mdev: usize) {
        let _function = function("vfio_ap_mdev_unset_kvm");
        let mut mdevs = wait_for_kvm(w, w.matrix_dev.lock.lock(), mdev);
        let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) else { return };
        begin(w, &mut mdevs, mdev);
        mdevs.unlock();
        write_masks(w, kvm, ApConfig::default());
        let mut mdevs = w.matrix_dev.lock.lock();
        _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11);
        kvm.set_pqap_hook(None);
        if kvm.put() {
            // Destroying the guest closes its KVM-VFIO device, which calls the notifier of the
            // group.
            Self::kvm_is_gone(w, mdev);
        }
        w.matrix_dev.mdev(mdev).set_kvm(None);
        end(w, &mut mdevs, mdev);
    }

    /// Locks: (`vcpu->mutex`) -> `matrix_dev->lock` -> `iommu->lock`, and a wait for `kvm_busy`.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        hook_read_without_lock(w, kvm, aqic, handler)
    }

    /// Removes the device as in the release. [`vfio_ap_mdev_remove_or_refuse`] has the earlier
    /// behaviour.
    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        vfio_ap_mdev_remove(w, mdev);
        Ok(())
    }

    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        stores::assign_store(w, mdev, resource, in_use_or_busy)
    }

    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        stores::unassign_store(w, mdev, resource, in_use_or_busy)
    }

    /// Locks: `matrix_dev->lock`, with a wait for `kvm_busy` that releases it, -> `iommu->lock`.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        let mut mdevs = wait_for_kvm(w, w.matrix_dev.lock.lock(), mdev);
        vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11)
    }
}

impl Version for V5_15Bisect {
    /// Locks: `matrix_dev->lock`; `pqap_hook_rwsem` for writing; `kvm->lock`;
    /// `matrix_dev->lock`, with `kvm_busy` from the first to the last.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_set_kvm");
        let mut mdevs = w.matrix_dev.lock.lock();
        if attached_elsewhere(w, &mdevs, mdev, vm) {
            return Err(Errno::Eperm);
        }
        let kvm = w.guest(vm);
        kvm.get();
        w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
        begin(w, &mut mdevs, mdev);
        let config = mdevs.mdevs[mdev].assigned;
        mdevs.unlock();
        let hook = kvm.pqap_hook_rwsem.down_write();
        kvm.set_pqap_hook(Some(mdev));
        hook.up_write();
        write_masks(w, kvm, config);
        end(w, &mut w.matrix_dev.lock.lock(), mdev);
        Ok(())
    }

    fn kvm_is_gone(w: &World, mdev: usize) {
        Self::close(w, mdev);
    }

    /// Locks: `matrix_dev->lock`, with a wait for `kvm_busy` that releases it;
    /// `pqap_hook_rwsem` for writing; `kvm->lock`; `matrix_dev->lock`, with `kvm_busy` from the
    /// first to the last.
    fn close(w: &World, mdev: usize) {
        let _function = function("vfio_ap_mdev_unset_kvm");
        let mut mdevs = wait_for_kvm(w, w.matrix_dev.lock.lock(), mdev);
        let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) else { return };
        begin(w, &mut mdevs, mdev);
        mdevs.unlock();
        let hook = kvm.pqap_hook_rwsem.down_write();
        kvm.set_pqap_hook(None);
        hook.up_write();
        write_masks(w, kvm, ApConfig::default());
        let mut mdevs = w.matrix_dev.lock.lock();
        _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11);
        _ = kvm.put();
        w.matrix_dev.mdev(mdev).set_kvm(None);
        end(w, &mut mdevs, mdev);
    }

    /// Locks: (`vcpu->mutex`) -> `pqap_hook_rwsem` for reading -> `matrix_dev->lock` ->
    /// `iommu->lock`, and a wait for `kvm_busy` that releases only the mutex.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        hook_read_under_rwsem(w, kvm, aqic, handler)
    }

    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        V5_13::remove(w, mdev)
    }

    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        V5_13::assign_store(w, mdev, resource)
    }

    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        V5_13::unassign_store(w, mdev, resource)
    }

    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        V5_13::reset(w, mdev)
    }
}
