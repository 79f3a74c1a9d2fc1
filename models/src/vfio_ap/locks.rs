//! `guests_lock` -> `kvm->lock` -> `mdevs_lock`: the functions that take the locks for an update.
//!
//! Four functions take them, depending on what the caller knows: the guest, the mediated device, a
//! queue, or the number of a queue. `kvm->lock` is taken if there is a guest, and `guests_lock`
//! keeps that unchanged until the end.
//!
//! Source: commits 21195eb038bc, b84eb8e05057, 8ee13ad99337 and 2c1ee8983aa3, v6.0.

use selvedge_core::sync::{MutexGuard, WriteGuard};
use selvedge_core::{function, invariant_broken};

use super::guests::Guests;
use super::invariants;
use super::kvm::{Kvm, KvmGuard};
use super::matrix_dev::{Locked, Queue};
use super::world::World;
use crate::ap::{ApConfig, Apqn};

/// The guard of a held `guests_lock`.
pub type GuestsLocked<'a> = MutexGuard<'a, Guests>;

/// The guard of the locks for an update. The fields are in the order in which they are released.
#[derive(Debug)]
pub struct UpdateLocks<'a> {
    w: &'a World,
    /// The mediated device that the guest is attached to, if any.
    pub attached: Option<usize>,
    /// `mdevs_lock`.
    pub mdevs: Locked<'a>,
    /// `pqap_hook_rwsem`, if the hook changes.
    hook: Option<WriteGuard<'a, ()>>,
    /// The guest, if there is one, and its `kvm->lock`.
    pub kvm: Option<(&'a Kvm, KvmGuard<'a>)>,
    /// `guests_lock`.
    pub guests: GuestsLocked<'a>,
}

/// Models `get_update_locks_for_kvm`, for a caller that knows the guest.
#[track_caller]
pub fn get_update_locks_for_kvm<'a>(w: &'a World, kvm: Option<&'a Kvm>) -> UpdateLocks<'a> {
    let guests = w.matrix_dev.guests_lock.lock();
    let kvm = kvm.map(|kvm| (kvm, kvm.lock()));
    let mdevs = w.matrix_dev.lock.lock();
    UpdateLocks { w, attached: None, mdevs, hook: None, kvm, guests }
}

/// Takes the same locks since commit bc833a7b1e7f, 2026, to also change the hook: `guests_lock` ->
/// `kvm->lock` -> `pqap_hook_rwsem` for writing -> `mdevs_lock`.
#[track_caller]
pub fn get_update_locks_for_hook<'a>(w: &'a World, kvm: &'a Kvm) -> UpdateLocks<'a> {
    let guests = w.matrix_dev.guests_lock.lock();
    let locked = kvm.lock();
    let hook = Some(kvm.pqap_hook_rwsem.down_write());
    let mdevs = w.matrix_dev.lock.lock();
    UpdateLocks { w, attached: None, mdevs, hook, kvm: Some((kvm, locked)), guests }
}

/// Models `get_update_locks_for_mdev`, for a caller that knows the mediated device.
#[track_caller]
pub fn get_update_locks_for_mdev(w: &World, mdev: usize) -> UpdateLocks<'_> {
    lock_guest(w, w.matrix_dev.guests_lock.lock(), Some(mdev))
}

/// Models `get_update_locks_by_apqn`, for a caller that knows the number of a queue. Returns the
/// mediated device that it is assigned to.
///
/// # Violations
///
/// INV-20 if the list changes meanwhile.
#[track_caller]
pub fn get_update_locks_by_apqn(w: &World, apqn: Apqn) -> (UpdateLocks<'_>, Option<usize>) {
    let guests = w.matrix_dev.guests_lock.lock();
    let mut mdevs = w.matrix_dev.mdev_list.walk().into_iter();
    let mdev = mdevs.find(|mdev| guests.assigned[*mdev].matrix.contains(apqn));
    w.matrix_dev.mdev_list.walked();
    (lock_guest(w, guests, mdev), mdev)
}

/// Models `get_update_locks_for_queue`, for a caller that knows the queue, which points to its
/// mediated device.
///
/// # Violations
///
/// A use after release if the pointer is stale.
#[track_caller]
pub fn get_update_locks_for_queue(w: &World, apqn: Apqn) -> UpdateLocks<'_> {
    let guests = w.matrix_dev.guests_lock.lock();
    let mdev = guests.links.get(&apqn).copied();
    lock_guest(w, guests, mdev)
}

/// Takes the lock of the guest of mediated device `mdev`, if it has one, and `mdevs_lock`. The
/// caller holds `guests_lock`.
#[track_caller]
pub fn lock_guest<'a>(
    w: &'a World,
    guests: GuestsLocked<'a>,
    mdev: Option<usize>,
) -> UpdateLocks<'a> {
    let kvm = mdev.and_then(|mdev| w.matrix_dev.mdev(mdev).kvm(&w.kvms));
    let kvm = kvm.map(|kvm| (kvm, kvm.lock()));
    let mdevs = w.matrix_dev.lock.lock();
    let attached = mdev.filter(|_| kvm.is_some());
    UpdateLocks { w, attached, mdevs, hook: None, kvm, guests }
}

impl<'a> UpdateLocks<'a> {
    /// Models `release_update_locks_for_mdev` and the similar functions.
    ///
    /// # Violations
    ///
    /// INV-10 and INV-21.
    #[track_caller]
    pub fn release(self) {
        self.release_guest().unlock();
    }

    /// Releases all locks except `guests_lock`.
    ///
    /// # Violations
    ///
    /// INV-10 and INV-21.
    #[track_caller]
    pub fn release_guest(self) -> GuestsLocked<'a> {
        self.check();
        let Self { mdevs, hook, kvm, guests, .. } = self;
        mdevs.unlock();
        if let Some(hook) = hook {
            hook.up_write();
        }
        if let Some((_, locked)) = kvm {
            locked.unlock();
        }
        guests
    }

    #[track_caller]
    fn check(&self) {
        let _function = function("release_update_locks");
        let attached = self.attached.zip(self.kvm.as_ref());
        let broken = invariants::shadows(&self.guests, &self.mdevs).or_else(|| {
            let (mdev, (kvm, _)) = attached?;
            let masks = self.w.hardware.masks(kvm.vm);
            invariants::guest(&self.guests, &self.mdevs, mdev, masks)
        });
        if let Some((id, message)) = broken {
            invariant_broken(id, message);
        }
    }

    /// Models `vfio_ap_mdev_update_guest_apcb`, which writes the shadow to the guest, if there is
    /// one.
    #[track_caller]
    pub fn update_guest_apcb(&self, mdev: usize) {
        let _function = function("vfio_ap_mdev_update_guest_apcb");
        if let Some((kvm, _)) = &self.kvm {
            let m = &self.mdevs.mdevs[mdev];
            kvm.crypto_set_masks(&self.w.hardware, m.shadow_apcb);
        }
    }

    /// Changes the assigned configuration of a mediated device.
    pub fn assign(&mut self, mdev: usize, config: ApConfig) {
        self.guests.assigned[mdev] = config;
        self.mdevs.mdevs[mdev].assigned = config;
    }

    /// Returns the host's configuration, by which mediated devices are filtered.
    pub fn info(&self) -> ApConfig {
        self.guests.info
    }

    /// Models `vfio_ap_mdev_link_queue`. A queue that is bound to the driver enters the table of
    /// the mediated device and points to it.
    ///
    /// # Violations
    ///
    /// INV-20 if it is already in a table, since its node would then point to itself (B16).
    pub fn link(&mut self, apqn: Apqn, mdev: usize) {
        let Some(queue) = self.mdevs.queues.get_mut(&apqn) else { return };
        if queue.hashed {
            let message = format!("queue {apqn} is added to a hash table that already has it");
            invariant_broken("INV-20", message);
        }
        queue.hashed = true;
        queue.matrix_mdev = Some(mdev);
        self.guests.links.insert(apqn, mdev);
    }

    /// Models `vfio_ap_unlink_queue_fr_mdev`. The queue leaves the table and still points to the
    /// mediated device.
    pub fn unlink_queue_fr_mdev(&mut self, apqn: Apqn) {
        if let Some(queue) = self.mdevs.queues.get_mut(&apqn) {
            queue.hashed = false;
        }
    }

    /// Models `vfio_ap_unlink_mdev_fr_queue`. The queue then points to no mediated device.
    pub fn unlink_mdev_fr_queue(&mut self, apqn: Apqn) {
        if let Some(queue) = self.mdevs.queues.get_mut(&apqn) {
            queue.matrix_mdev = None;
        }
        self.guests.links.remove(&apqn);
    }

    /// Binds a queue to the driver: `dev_set_drvdata`.
    pub fn add_queue(&mut self, apqn: Apqn) {
        self.mdevs.queues.insert(apqn, Queue::default());
    }

    /// Unbinds a queue: `dev_set_drvdata` with NULL, and `kfree`.
    pub fn free_queue(&mut self, apqn: Apqn) {
        self.mdevs.queues.remove(&apqn);
        self.guests.links.remove(&apqn);
    }
}
