//! Version 17 of the series: a list of guests, a trylock, and one mutex for every guest's hook.
//!
//! `guests_lock` is a semaphore here: written to attach and detach, read by whoever updates a
//! guest. Assigning asks for `ap_perms_mutex` with a trylock and returns `-EAGAIN` if it is held,
//! by whomever (B02). And the hook has one mutex for all guests, held while PQAP(AQIC) executes:
//! harmless for as long as whoever changes the hook lets go of it before `kvm->lock`.
//!
//! Source: "[PATCH v17 00/15] s390/vfio-ap: dynamic configuration support", T. Krowiak, October
//! 2021, as far as a work-in-progress tree of it shows.

use selvedge_core::function;
use selvedge_core::sync::{Mutex, MutexGuard, RwSem};

use super::ap_queue::ResponseCode;
use super::aqic::WithoutGuest;
use super::kvm::Kvm;
use super::matrix_dev::not_null;
use super::pqap::execute;
use super::reset::{Protocol, vfio_ap_mdev_reset_queue, vfio_ap_mdev_reset_queues};
use super::stores;
use super::v5_3::attached_elsewhere;
use super::v5_13::vfio_ap_mdev_remove;
use super::world::{Aqic, Version, World};
use crate::ap::{ApMask, ApMatrix, Errno};

/// Version 17 of the series and two relatives of it. `HOOK_KEPT`: the mutex of the hook is kept
/// while the guest is attached or detached. `FAILURE_PATH`: when the trylock fails, `kvm->lock`
/// is released, which nobody has taken.
#[derive(Debug)]
pub enum Series<const HOOK_KEPT: bool, const FAILURE_PATH: bool> {}

/// Version 17 of the series.
pub type P17 = Series<false, false>;

/// The same, had the mutex of the hook been kept.
pub type P17HookKept = Series<true, false>;

/// The same, with the failure path as the tree has it.
pub type P17FailurePath = Series<false, true>;

/// The locks that only this version has.
#[derive(Debug)]
pub struct Locks {
    guests_lock: RwSem,
    pqap_hook_lock: Mutex,
}

impl Locks {
    /// Free locks.
    pub fn new() -> Self {
        Self {
            guests_lock: RwSem::new("guests_lock", ()),
            pqap_hook_lock: Mutex::new("pqap_hook_lock", ()),
        }
    }
}

impl Default for Locks {
    fn default() -> Self {
        Self::new()
    }
}

/// Changes the hook under its mutex, which the caller gets if it is to keep it.
fn change_hook<'a>(
    w: &'a World,
    kvm: &Kvm,
    mdev: Option<usize>,
    keep: bool,
) -> Option<MutexGuard<'a, ()>> {
    let hook = w.matrix_dev.p17.pqap_hook_lock.lock();
    kvm.set_pqap_hook(mdev);
    if keep {
        return Some(hook);
    }
    hook.unlock();
    None
}

/// `vfio_ap_mdev_set_kvm`. Locks: `pqap_hook_lock`; `guests_lock` for writing -> `kvm->lock` ->
/// `matrix_dev->lock`.
fn set_kvm(w: &World, mdev: usize, vm: u8, keep_hook: bool) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_set_kvm");
    let kvm = w.guest(vm);
    let kept = change_hook(w, kvm, Some(mdev), keep_hook);
    let guests = w.matrix_dev.p17.guests_lock.down_write();
    let locked = kvm.lock();
    let mdevs = w.matrix_dev.lock.lock();
    let result = if attached_elsewhere(w, &mdevs, mdev, vm) {
        Err(Errno::Eperm)
    } else {
        kvm.get();
        w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
        kvm.crypto_set_masks(&w.machine, mdevs.mdevs[mdev].matrix, ApMask::default());
        Ok(())
    };
    mdevs.unlock();
    locked.unlock();
    guests.up_write();
    drop(kept);
    result
}

/// `vfio_ap_mdev_unset_kvm`. Locks: as [`set_kvm`].
fn close(w: &World, mdev: usize, keep_hook: bool) {
    let _function = function("vfio_ap_mdev_unset_kvm");
    let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) else { return };
    let kept = change_hook(w, kvm, None, keep_hook);
    let guests = w.matrix_dev.p17.guests_lock.down_write();
    let locked = kvm.lock();
    let mut mdevs = w.matrix_dev.lock.lock();
    kvm.crypto_clear_masks(&w.machine);
    _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11);
    kvm.put();
    w.matrix_dev.mdev(mdev).set_kvm(None);
    mdevs.unlock();
    locked.unlock();
    guests.up_write();
    drop(kept);
}

/// A store. Locks: `ap_perms_mutex` if it is free -> `guests_lock` for reading -> `kvm->lock` ->
/// `matrix_dev->lock`.
fn assign_adapter_store(w: &World, mdev: usize, apid: u8, unlock_kvm: bool) -> Result<(), Errno> {
    let _function = function("assign_adapter_store");
    let Some(ap_perms) = w.bus.ap_perms_mutex().try_lock() else {
        if unlock_kvm {
            // mutex_unlock(&matrix_mdev->kvm->lock)
            _ = not_null(w.matrix_dev.mdev(mdev).kvm(&w.kvms), "matrix_mdev->kvm");
        }
        return Err(Errno::Eagain);
    };
    let guests = w.matrix_dev.p17.guests_lock.down_read();
    let kvm = w.matrix_dev.mdev(mdev).kvm(&w.kvms);
    let locked = kvm.map(|kvm| kvm.lock());
    let mut mdevs = w.matrix_dev.lock.lock();
    let added = ApMatrix { apm: ApMask::of([apid]), aqm: mdevs.mdevs[mdev].matrix.aqm };
    let result = ap_perms
        .owned_by_def_drv(&added)
        .and_then(|()| stores::assign(&mut mdevs, mdev, apid))
        .map(|()| {
            if let Some(kvm) = kvm {
                kvm.crypto_set_masks(&w.machine, mdevs.mdevs[mdev].matrix, ApMask::default());
            }
        });
    mdevs.unlock();
    drop(locked);
    guests.up_read();
    ap_perms.unlock();
    result
}

/// Locks: `guests_lock` for reading -> `kvm->lock` -> `matrix_dev->lock`.
fn unassign_adapter_store(w: &World, mdev: usize, apid: u8) {
    let _function = function("unassign_adapter_store");
    let guests = w.matrix_dev.p17.guests_lock.down_read();
    let kvm = w.matrix_dev.mdev(mdev).kvm(&w.kvms);
    let locked = kvm.map(|kvm| kvm.lock());
    let mut mdevs = w.matrix_dev.lock.lock();
    let before = mdevs.mdevs[mdev].matrix;
    stores::unassign(&mut mdevs, mdev, apid);
    if let Some(kvm) = kvm {
        kvm.crypto_set_masks(&w.machine, mdevs.mdevs[mdev].matrix, ApMask::default());
    }
    for apqn in before.apqns().filter(|apqn| apqn.apid == apid) {
        _ = vfio_ap_mdev_reset_queue(w, &mut mdevs, apqn, Protocol::V5_11);
    }
    mdevs.unlock();
    drop(locked);
    guests.up_read();
}

impl<const HOOK_KEPT: bool, const FAILURE_PATH: bool> Version for Series<HOOK_KEPT, FAILURE_PATH> {
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        set_kvm(w, mdev, vm, HOOK_KEPT)
    }

    fn kvm_is_gone(w: &World, mdev: usize) {
        close(w, mdev, HOOK_KEPT);
    }

    fn close(w: &World, mdev: usize) {
        close(w, mdev, HOOK_KEPT);
    }

    /// Locks: (`vcpu->mutex`) -> `pqap_hook_lock` -> `matrix_dev->lock` -> `iommu->lock`.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        let _function = function("handle_pqap");
        let _hook = w.matrix_dev.p17.pqap_hook_lock.lock();
        let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
        let mut mdevs = w.matrix_dev.lock.lock();
        execute(w, &mut mdevs, mdev, aqic, WithoutGuest::Keep)
    }

    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        vfio_ap_mdev_remove(w, mdev);
        Ok(())
    }

    fn assign_adapter_store(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
        assign_adapter_store(w, mdev, apid, FAILURE_PATH)
    }

    fn unassign_adapter_store(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
        unassign_adapter_store(w, mdev, apid);
        Ok(())
    }

    /// Locks: `matrix_dev->lock` -> `iommu->lock`.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        let mut mdevs = w.matrix_dev.lock.lock();
        vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11)
    }
}
