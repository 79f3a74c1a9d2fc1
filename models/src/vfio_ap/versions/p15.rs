//! Versions 13 to 16 of the series: the guest is updated with `matrix_dev->lock` held.
//!
//! Hot plug was added to the driver of v5.13, which releases its mutex before it takes `kvm->lock`
//! to attach or detach a guest. The stores, which no longer refuse while a guest runs, did not
//! release it, and neither did the functions for hot plug of queues. They held `matrix_dev->lock`,
//! took `kvm->lock` under it, and the cycle of v5.11 was back (B23).
//!
//! Source: "s390/vfio-ap: dynamic configuration support", versions 13 to 16, T. Krowiak, 2021; H.
//! Pasic on version 15, 2021-04-08.

use selvedge_core::function;

use crate::Errno;
use crate::ap::{ApConfig, Apqn};
use crate::vfio_ap::ap_queue::ResponseCode;
use crate::vfio_ap::kvm::Kvm;
use crate::vfio_ap::matrix_dev::{Locked, Queue};
use crate::vfio_ap::reset::{Protocol, vfio_ap_mdev_reset_queue};
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::stores::{self, plugged};
use crate::vfio_ap::versions::v5_3::write_masks;
use crate::vfio_ap::versions::v5_13::V5_13;
use crate::vfio_ap::world::{Aqic, Version, World};

/// Versions 13 to 16 of the series, on v5.13.
#[derive(Debug)]
pub enum P15 {}

/// Models `vfio_ap_mdev_refresh_apcb`, which writes `apcb` to the guest, if there is one. The
/// caller holds `matrix_dev->lock`, and `kvm->lock` is taken under it.
fn vfio_ap_mdev_refresh_apcb(w: &World, mdev: usize, apcb: ApConfig) {
    if let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) {
        write_masks(w, kvm, apcb);
    }
}

/// Returns the mediated device that a queue is assigned to.
fn assigned_to(mdevs: &Locked<'_>, apqn: Apqn) -> Option<usize> {
    mdevs.mdevs.iter().position(|m| m.listed && m.assigned.matrix.contains(apqn))
}

impl Version for P15 {
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno> {
        V5_13::set_kvm(w, mdev, vm)
    }

    fn kvm_is_gone(w: &World, mdev: usize) {
        V5_13::kvm_is_gone(w, mdev);
    }

    fn close(w: &World, mdev: usize) {
        V5_13::close(w, mdev);
    }

    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
        V5_13::handle_pqap(w, kvm, aqic)
    }

    fn remove(w: &World, mdev: usize) -> Result<(), Errno> {
        V5_13::remove(w, mdev)
    }

    /// Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        let _function = function(resource.assign_store());
        let mut mdevs = w.matrix_dev.lock.lock();
        if mdevs.mdevs[mdev].kvm_busy {
            return Err(Errno::Ebusy);
        }
        stores::assign(w, &mut mdevs, mdev, resource)?;
        vfio_ap_mdev_refresh_apcb(w, mdev, plugged(&mdevs, mdev));
        Ok(())
    }

    /// Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno> {
        let _function = function(resource.unassign_store());
        let mut mdevs = w.matrix_dev.lock.lock();
        if mdevs.mdevs[mdev].kvm_busy {
            return Err(Errno::Ebusy);
        }
        let before = mdevs.mdevs[mdev].assigned.matrix;
        stores::unassign(w, &mut mdevs, mdev, resource);
        vfio_ap_mdev_refresh_apcb(w, mdev, plugged(&mdevs, mdev));
        for apqn in resource.queues(&before).and(&before).apqns() {
            _ = vfio_ap_mdev_reset_queue(w, &mut mdevs, apqn, Protocol::V5_11);
        }
        Ok(())
    }

    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        V5_13::reset(w, mdev)
    }

    /// Models `vfio_ap_mdev_probe_queue`. Locks: (device lock) -> `matrix_dev->lock` ->
    /// `kvm->lock`.
    fn probe_queue(w: &World, apqn: Apqn) -> Result<(), Errno> {
        let _function = function("vfio_ap_mdev_probe_queue");
        let mut mdevs = w.matrix_dev.lock.lock();
        mdevs.queues.insert(apqn, Queue::default());
        if let Some(mdev) = assigned_to(&mdevs, apqn) {
            vfio_ap_mdev_refresh_apcb(w, mdev, plugged(&mdevs, mdev));
        }
        Ok(())
    }

    /// Models `vfio_ap_mdev_remove_queue`. Locks: (device lock) -> `matrix_dev->lock` ->
    /// `kvm->lock`; `matrix_dev->lock` -> `iommu->lock`.
    fn remove_queue(w: &World, apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        let mut mdevs = w.matrix_dev.lock.lock();
        if let Some(mdev) = assigned_to(&mdevs, apqn) {
            let mut apcb = plugged(&mdevs, mdev);
            apcb.matrix.apm.set(apqn.apid, false);
            vfio_ap_mdev_refresh_apcb(w, mdev, apcb);
        }
        _ = vfio_ap_mdev_reset_queue(w, &mut mdevs, apqn, Protocol::V5_11);
        mdevs.queues.remove(&apqn);
    }
}
