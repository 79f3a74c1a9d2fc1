//! Version 17 of the series: a list of guests, a trylock, and one mutex for every guest's hook.
//!
//! `guests_lock` is a semaphore here. It is taken for writing to attach and detach, and for reading
//! to update a guest. Assigning tries `ap_perms_mutex` and returns `-EAGAIN` if any thread holds it
//! (B02). The hook has one mutex for all guests, which is held while PQAP(AQIC) executes. This is
//! harmless if a thread that changes the hook unlocks the mutex before it takes `kvm->lock`.
//!
//! Source: "[PATCH v17 00/15] s390/vfio-ap: dynamic configuration support", T. Krowiak, October
//! 2021, as far as a work-in-progress tree of it shows. The tree does not show the hot plug of
//! queues. The model assumes that it takes the locks of the stores and finds the guest on the list.

use selvedge_core::function;
use selvedge_core::sync::{Mutex, MutexGuard, ReadGuard, RwSem};

use crate::Errno;
use crate::ap::Apqn;
use crate::vfio_ap::ap_queue::ResponseCode;
use crate::vfio_ap::aqic::WithoutGuest;
use crate::vfio_ap::kvm::{Kvm, KvmGuard};
use crate::vfio_ap::matrix_dev::{Locked, Queue, not_null};
use crate::vfio_ap::pqap::execute;
use crate::vfio_ap::reset::{Protocol, vfio_ap_mdev_reset_queue, vfio_ap_mdev_reset_queues};
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::stores::{self, plugged};
use crate::vfio_ap::versions::v5_3::attached_elsewhere;
use crate::vfio_ap::versions::v5_13::vfio_ap_mdev_remove;
use crate::vfio_ap::world::{Aqic, Own, Version, World};

/// Version 17 of the series and two variants of it. With `HOOK_KEPT` the mutex of the hook is kept
/// while the guest is attached or detached. With `FAILURE_PATH` a failed trylock releases
/// `kvm->lock`, which the thread does not hold.
#[derive(Debug)]
pub enum Series<const HOOK_KEPT: bool, const FAILURE_PATH: bool> {}

/// Version 17 of the series.
pub type P17 = Series<false, false>;

/// Version 17, with the mutex of the hook kept.
pub type P17HookKept = Series<true, false>;

/// Version 17, with the failure path of the tree.
pub type P17FailurePath = Series<false, true>;

/// The locks that only this version has.
#[derive(Debug)]
pub struct Locks {
    /// Protects the list of guests, which is here a list of the mediated devices that have one.
    guests_lock: RwSem<Vec<usize>>,
    pqap_hook_lock: Mutex,
}

impl Locks {
    /// Creates the locks, all of them free.
    pub fn new() -> Self {
        Self {
            guests_lock: RwSem::new("guests_lock", Vec::new()),
            pqap_hook_lock: Mutex::new("pqap_hook_lock", ()),
        }
    }
}

fn locks(w: &World) -> &Locks {
    w.own.of().expect("the world has the locks of this version")
}

impl Default for Locks {
    fn default() -> Self {
        Self::new()
    }
}

/// Changes the hook under its mutex, and returns the guard if the mutex is kept.
fn change_hook<'a>(
    w: &'a World,
    kvm: &Kvm,
    mdev: Option<usize>,
    keep: bool,
) -> Option<MutexGuard<'a, ()>> {
    let hook = locks(w).pqap_hook_lock.lock();
    kvm.set_pqap_hook(mdev);
    if keep {
        return Some(hook);
    }
    hook.unlock();
    None
}

/// Models `vfio_ap_mdev_set_kvm`. Locks: `pqap_hook_lock`; `guests_lock` for writing -> `kvm->lock`
/// -> `matrix_dev->lock`.
fn set_kvm(w: &World, mdev: usize, vm: u8, keep_hook: bool) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_set_kvm");
    let kvm = w.guest(vm);
    let kept = change_hook(w, kvm, Some(mdev), keep_hook);
    let mut guests = locks(w).guests_lock.down_write();
    let locked = kvm.lock();
    let mdevs = w.matrix_dev.lock.lock();
    let result = if attached_elsewhere(w, &mdevs, mdev, vm) {
        Err(Errno::Eperm)
    } else {
        kvm.get();
        w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
        guests.push(mdev);
        kvm.crypto_set_masks(&w.hardware, plugged(&mdevs, mdev));
        Ok(())
    };
    mdevs.unlock();
    locked.unlock();
    guests.up_write();
    drop(kept);
    result
}

/// Models `vfio_ap_mdev_unset_kvm`. Locks: those of [`set_kvm`].
fn close(w: &World, mdev: usize, keep_hook: bool) {
    let _function = function("vfio_ap_mdev_unset_kvm");
    let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) else { return };
    let kept = change_hook(w, kvm, None, keep_hook);
    let mut guests = locks(w).guests_lock.down_write();
    let locked = kvm.lock();
    let mut mdevs = w.matrix_dev.lock.lock();
    kvm.crypto_clear_masks(&w.hardware);
    _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11);
    kvm.put();
    w.matrix_dev.mdev(mdev).set_kvm(None);
    guests.retain(|attached| *attached != mdev);
    mdevs.unlock();
    locked.unlock();
    guests.up_write();
    drop(kept);
}

/// Models `assign_adapter_store` and the similar functions. Locks: `ap_perms_mutex` if it is free
/// -> `guests_lock` for reading -> `kvm->lock` -> `matrix_dev->lock`. For a control domain, which
/// is not exclusive, all but the first. This is an assumption, since v6.0 does so.
fn assign_store(w: &World, mdev: usize, resource: Resource, unlock_kvm: bool) -> Result<(), Errno> {
    let _function = function(resource.assign_store());
    let mut ap_perms = None;
    if !matches!(resource, Resource::ControlDomain(_)) {
        ap_perms = w.bus.ap_perms_mutex().try_lock();
        if ap_perms.is_none() {
            if unlock_kvm {
                // mutex_unlock(&matrix_mdev->kvm->lock)
                _ = not_null(w.matrix_dev.mdev(mdev).kvm(&w.kvms), "matrix_mdev->kvm");
            }
            return Err(Errno::Eagain);
        }
    }
    let guests = locks(w).guests_lock.down_read();
    let kvm = w.matrix_dev.mdev(mdev).kvm(&w.kvms);
    let locked = kvm.map(|kvm| kvm.lock());
    let mut mdevs = w.matrix_dev.lock.lock();
    let added = resource.queues(&mdevs.mdevs[mdev].assigned.matrix);
    let result = ap_perms
        .as_ref()
        .map_or(Ok(()), |ap_perms| w.bus.owned_by_def_drv(ap_perms, &added))
        .and_then(|()| stores::assign(w, &mut mdevs, mdev, resource))
        .map(|()| {
            if let Some(kvm) = kvm {
                kvm.crypto_set_masks(&w.hardware, plugged(&mdevs, mdev));
            }
        });
    mdevs.unlock();
    drop(locked);
    guests.up_read();
    drop(ap_perms);
    result
}

/// Locks: `guests_lock` for reading -> `kvm->lock` -> `matrix_dev->lock`.
fn unassign_store(w: &World, mdev: usize, resource: Resource) {
    let _function = function(resource.unassign_store());
    let guests = locks(w).guests_lock.down_read();
    let kvm = w.matrix_dev.mdev(mdev).kvm(&w.kvms);
    let locked = kvm.map(|kvm| kvm.lock());
    let mut mdevs = w.matrix_dev.lock.lock();
    let before = mdevs.mdevs[mdev].assigned.matrix;
    stores::unassign(w, &mut mdevs, mdev, resource);
    if let Some(kvm) = kvm {
        kvm.crypto_set_masks(&w.hardware, plugged(&mdevs, mdev));
    }
    for apqn in resource.queues(&before).and(&before).apqns() {
        _ = vfio_ap_mdev_reset_queue(w, &mut mdevs, apqn, Protocol::V5_11);
    }
    mdevs.unlock();
    drop(locked);
    guests.up_read();
}

/// The guard of the locks for hot plug of a queue, with the mediated device that it is plugged
/// into.
struct UpdateLocks<'a> {
    guests: ReadGuard<'a, Vec<usize>>,
    /// The mediated device, its guest and the guest's lock.
    guest: Option<(usize, &'a Kvm, KvmGuard<'a>)>,
    mdevs: Locked<'a>,
}

/// Finds the guest that a queue is assigned to on the list of guests, by masks that are read with
/// only the list locked.
///
/// Locks: `guests_lock` for reading -> `kvm->lock` -> `matrix_dev->lock`.
fn update_locks_for(w: &World, apqn: Apqn) -> UpdateLocks<'_> {
    let guests = locks(w).guests_lock.down_read();
    let has = |mdev: &usize| w.matrix_dev.mdev(*mdev).masks.load_matrix().contains(apqn);
    let mdev = guests.iter().copied().find(has);
    let guest = mdev.and_then(|mdev| {
        let kvm = w.matrix_dev.mdev(mdev).kvm(&w.kvms)?;
        Some((mdev, kvm, kvm.lock()))
    });
    UpdateLocks { guests, guest, mdevs: w.matrix_dev.lock.lock() }
}

impl UpdateLocks<'_> {
    #[track_caller]
    fn release(self) {
        self.mdevs.unlock();
        drop(self.guest);
        self.guests.up_read();
    }
}

impl<const HOOK_KEPT: bool, const FAILURE_PATH: bool> Version for Series<HOOK_KEPT, FAILURE_PATH> {
    fn own() -> Own {
        Own::new(Locks::new())
    }

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
        let _hook = locks(w).pqap_hook_lock.lock();
        let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
        let mut mdevs = w.matrix_dev.lock.lock();
        execute(w, &mut mdevs, mdev, aqic, WithoutGuest::Keep)
    }

    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        vfio_ap_mdev_remove(w, mdev);
        Ok(())
    }

    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        assign_store(w, mdev, resource, FAILURE_PATH)
    }

    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        unassign_store(w, mdev, resource);
        Ok(())
    }

    /// Locks: `matrix_dev->lock` -> `iommu->lock`.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        let mut mdevs = w.matrix_dev.lock.lock();
        vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11)
    }

    /// Models `vfio_ap_mdev_probe_queue`. Locks: (device lock) -> `guests_lock` for reading ->
    /// `kvm->lock` -> `matrix_dev->lock`.
    fn probe_queue(w: &World, apqn: Apqn) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_probe_queue");
        let mut locks = update_locks_for(w, apqn);
        locks.mdevs.queues.insert(apqn, Queue::default());
        if let Some((mdev, kvm, _)) = &locks.guest {
            kvm.crypto_set_masks(&w.hardware, plugged(&locks.mdevs, *mdev));
        }
        locks.release();
        Ok(())
    }

    /// Models `vfio_ap_mdev_remove_queue`. Locks: those of [`probe_queue`](Self::probe_queue), and
    /// `iommu->lock` after them.
    fn remove_queue(w: &World, apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        let mut locks = update_locks_for(w, apqn);
        if let Some((mdev, kvm, _)) = &locks.guest {
            let mut apcb = plugged(&locks.mdevs, *mdev);
            apcb.matrix.apm.set(apqn.apid, false);
            kvm.crypto_set_masks(&w.hardware, apcb);
        }
        _ = vfio_ap_mdev_reset_queue(w, &mut locks.mdevs, apqn, Protocol::V5_11);
        locks.mdevs.queues.remove(&apqn);
        locks.release();
    }
}
