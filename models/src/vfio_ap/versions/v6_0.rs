//! v6.0 and later: a guest's queues change while it runs.
//!
//! Up to v5.19 a mediated device with a guest cannot be changed, and a queue that is unbound from
//! the driver stays with the guest. Since v6.0 both are *hot plug*. Assigning and unassigning
//! ([`assign`]), hot plug of queue devices ([`queue_device`](crate::vfio_ap::queue_device)), and
//! the host's own configuration ([`config`](crate::vfio_ap::config)) change the guest's resources
//! immediately. They need `kvm->lock` for that, before `mdevs_lock`. To determine the guest, they
//! need a third mutex before both: `ap_perms_mutex` -> `guests_lock` -> `kvm->lock` ->
//! `vcpu->mutex` -> `pqap_hook_rwsem` -> `mdevs_lock` ([`locks`](crate::vfio_ap::locks)).
//!
//! | version | what is new |
//! |---|---|
//! | v6.0 | hot plug |
//! | v6.2 | VFIO keeps the guest from open to close |
//! | v6.4 | a reset is polled, and the response is checked |
//! | v6.6 | a work item waits for the end of a reset |
//! | v6.8 | the whole matrix is filtered, and withheld queues are reset |
//! | v6.15 | the guest can be asked to release everything |
//! | v6.19 | the AP bus has `driver_override` |
//! | 2026 | the hook changes under all locks: `kvm->lock` -> `pqap_hook_rwsem` -> `mdevs_lock` |
//!
//! Source: commits 034921cdea1c to eeb386aeb5b7, v6.0. [`Commit`] lists the others.

use selvedge_core::function;

use crate::Errno;
use crate::ap::Apqn;
use crate::vfio_ap::ap_queue::ResponseCode;
use crate::vfio_ap::aqic::WithoutGuest;
use crate::vfio_ap::assign;
use crate::vfio_ap::kvm::Kvm;
use crate::vfio_ap::locks::{
    UpdateLocks, get_update_locks_for_hook, get_update_locks_for_kvm, get_update_locks_for_mdev,
};
use crate::vfio_ap::pqap::{hook_read_under_rwsem, switch};
use crate::vfio_ap::queue_device::{Kzalloc, vfio_ap_mdev_probe_queue, vfio_ap_mdev_remove_queue};
use crate::vfio_ap::reset_work::vfio_ap_mdev_reset_qlist;
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::versions::commits::Commit;
use crate::vfio_ap::versions::v5_3::attached_elsewhere;
use crate::vfio_ap::world::{Aqic, Version, World};

/// A version from v6.0 on, identified by the last of its commits.
pub trait Release: 'static {
    /// The last commit.
    const HEAD: Commit;
}

/// Defines a version by its last commit.
macro_rules! releases {
    ($($(#[$doc:meta])* $name:ident: $head:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Release for $name {
            const HEAD: Commit = Commit::$head;
        }
    )*};
}

releases! {
    /// The series as merged for v6.0, without the fix that followed a few weeks later.
    V6_0Rc1: DynamicConfiguration;
    /// v6.0 and v6.1.
    V6_0: AssignedOnce;
    /// v6.2, before the leak of `matrix_dev` was fixed.
    V6_2: ProbeUndone;
    /// v6.3.
    V6_3: MatrixDevFreed;
    /// v6.4 and v6.5.
    V6_4: ResetPolled;
    /// v6.6 and v6.7.
    V6_6: ResetVerifiedByWork;
    /// v6.8 to v6.14.
    V6_8: NoResetOfAbsent;
    /// v6.15 to v6.18.
    V6_15: Request;
    /// v6.19 to v7.1, with the AP bus of v6.19 and v7.0.
    V6_19: DriverOverride;
    /// 2026, with every fix of that year's series.
    V2026: StatusOptional;
    /// 2026, and the patch of August 2022 that was not merged.
    V2026Unlinking: UnlinkAll;
    /// 2026, that patch, and a proposed fix of the rest.
    V2026Proposed: DevicesLockedAlone;
}

/// Models `vfio_ap_mdev_set_kvm`.
///
/// Locks: `pqap_hook_rwsem` for writing; `guests_lock` -> `kvm->lock` -> `mdevs_lock`. Since
/// commit bc833a7b1e7f, 2026: `guests_lock` -> `kvm->lock` -> `pqap_hook_rwsem` for writing ->
/// `mdevs_lock`.
fn vfio_ap_mdev_set_kvm(w: &World, mdev: usize, kvm: &Kvm) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_set_kvm");
    let mut locks = if w.has(Commit::HookUnderLocks) {
        let locks = get_update_locks_for_hook(w, kvm);
        if kvm.pqap_hook().is_some() {
            locks.release();
            return Err(Errno::Eperm);
        }
        kvm.set_pqap_hook(Some(mdev));
        locks
    } else {
        let hook = kvm.pqap_hook_rwsem.down_write();
        w.matrix_dev.mdev(mdev);
        kvm.set_pqap_hook(Some(mdev));
        hook.up_write();
        let locks = get_update_locks_for_kvm(w, Some(kvm));
        if attached_elsewhere(w, &locks.mdevs, mdev, kvm.vm) {
            // The hook is not restored.
            locks.release();
            return Err(Errno::Eperm);
        }
        locks
    };
    kvm.get();
    w.matrix_dev.mdev(mdev).set_kvm(Some(kvm));
    locks.attached = Some(mdev);
    locks.update_guest_apcb(mdev);
    locks.release();
    Ok(())
}

/// Models `vfio_ap_mdev_unset_kvm`. Locks: those of [`vfio_ap_mdev_set_kvm`], under which it waits
/// for the reset.
fn vfio_ap_mdev_unset_kvm(w: &World, mdev: usize, kvm: &Kvm) {
    let _function = function("vfio_ap_mdev_unset_kvm");
    let mut locks = if w.has(Commit::HookUnderLocks) {
        let locks = get_update_locks_for_hook(w, kvm);
        kvm.set_pqap_hook(None);
        locks
    } else {
        let hook = kvm.pqap_hook_rwsem.down_write();
        kvm.set_pqap_hook(None);
        hook.up_write();
        get_update_locks_for_kvm(w, Some(kvm))
    };
    kvm.crypto_clear_masks(&w.hardware);
    reset_queues(w, &mut locks, mdev);
    if !w.has(Commit::HookUnderLocks) {
        // This may be the last reference, which frees kvm->lock.
        kvm.put();
    }
    w.matrix_dev.mdev(mdev).set_kvm(None);
    locks.mdevs.mdevs[mdev].requested = false;
    locks.release();
    if w.has(Commit::HookUnderLocks) {
        kvm.put();
    }
}

fn reset_queues(w: &World, locks: &mut UpdateLocks<'_>, mdev: usize) {
    let queues = locks.mdevs.hashed(mdev);
    _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &queues);
}

/// Models the part of the driver in `handle_pqap`. The queue must be in the mediated device's
/// table.
/// Locks: `mdevs_lock` -> `iommu->lock`.
fn handler(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
    let mut mdevs = w.matrix_dev.lock.lock();
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    let attached = w.matrix_dev.mdev(mdev).kvm(&w.kvms).is_some();
    if !attached || !mdevs.hashed(mdev).contains(&aqic.apqn) {
        return ResponseCode::QNotAvail;
    }
    switch(w, &mut mdevs, mdev, aqic, WithoutGuest::Keep)
}

/// Models `vfio_ap_mdev_remove`, which runs when the device is not open. The assigned queues stay
/// in the table, which is freed with the device.
///
/// Locks: `guests_lock` -> `mdevs_lock` -> `iommu->lock`.
///
/// # Violations
///
/// INV-20 if another thread walks the list.
pub fn vfio_ap_mdev_remove(w: &World, mdev: usize) {
    let _function = function("vfio_ap_mdev_remove");
    let mut locks = get_update_locks_for_kvm(w, None);
    reset_queues(w, &mut locks, mdev);
    let linked: Vec<Apqn> = locks.mdevs.hashed(mdev);
    linked.into_iter().for_each(|apqn| {
        locks.unlink_mdev_fr_queue(apqn);
        locks.unlink_queue_fr_mdev(apqn);
    });
    locks.mdevs.mdevs[mdev].listed = false;
    w.now_assigned(&locks);
    w.matrix_dev.mdev_list.list_del(mdev);
    locks.release();
    w.matrix_dev.free_mdev(mdev);
}

/// Models `vfio_ap_mdev_request`, which asks for the release of the device. The guest loses its
/// queues at once. The shadow stays for the next guest.
///
/// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`.
pub fn vfio_ap_mdev_request(w: &World, mdev: usize) {
    let _function = function("vfio_ap_mdev_request");
    let mut locks = get_update_locks_for_mdev(w, mdev);
    if let Some((kvm, _)) = &locks.kvm {
        kvm.crypto_clear_masks(&w.hardware);
        locks.mdevs.mdevs[mdev].requested = true;
    }
    locks.release();
}

impl<R: Release> Version for R {
    const LOCK: &'static str = "mdevs_lock";
    const HEAD: Commit = R::HEAD;

    /// Models `vfio_ap_mdev_open_device`, and VFIO around it.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        let kvm = w.guest(vm);
        if w.has(Commit::VfioKeepsGuest) {
            kvm.get();
        }
        let result = vfio_ap_mdev_set_kvm(w, mdev, kvm);
        if result.is_err() && w.has(Commit::VfioKeepsGuest) {
            kvm.put();
        }
        result
    }

    fn kvm_is_gone(_: &World, _: usize) {}

    /// Models `vfio_ap_mdev_close_device`, and VFIO around it. The pointer to the guest is read
    /// without a lock, since only closing clears it.
    fn close(w: &World, mdev: usize) {
        let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) else { return };
        vfio_ap_mdev_unset_kvm(w, mdev, kvm);
        if w.has(Commit::VfioKeepsGuest) {
            kvm.put();
        }
    }

    /// Locks: (`vcpu->mutex`) -> `pqap_hook_rwsem` for reading -> `mdevs_lock` -> `iommu->lock`.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        hook_read_under_rwsem(w, kvm, aqic, handler)
    }

    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        vfio_ap_mdev_remove(w, mdev);
        Ok(())
    }

    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        assign::assign_store(w, mdev, resource)
    }

    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        assign::unassign_store(w, mdev, resource);
        Ok(())
    }

    /// Locks: `mdevs_lock` -> `iommu->lock`.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        let mut mdevs = w.matrix_dev.lock.lock();
        let queues = mdevs.hashed(mdev);
        vfio_ap_mdev_reset_qlist(w, &mut mdevs, &queues)
    }

    fn probe_queue(w: &World, apqn: Apqn) -> Result<(), Errno> {
        vfio_ap_mdev_probe_queue(w, apqn, Kzalloc::Succeeds)
    }

    fn remove_queue(w: &World, apqn: Apqn) {
        vfio_ap_mdev_remove_queue(w, apqn);
    }
}
