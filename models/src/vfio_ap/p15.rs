//! Versions 13 to 16 of the series: the guest is updated with `matrix_dev->lock` held.
//!
//! Hot plug came to the driver of v5.13, which drops its mutex before it takes `kvm->lock` to
//! attach or detach a guest. The stores, which no longer refuse while a guest runs, did not: they
//! held `matrix_dev->lock` and took `kvm->lock` under it, and the circle of v5.11 was back (B23).
//!
//! Source: "Re: [PATCH v13 00/15] s390/vfio-ap: dynamic configuration support", H. Pasic,
//! April 2021.

use selvedge_core::function;

use super::ap_queue::ResponseCode;
use super::kvm::Kvm;
use super::matrix_dev::Locked;
use super::reset::{Protocol, vfio_ap_mdev_reset_queue, vfio_ap_mdev_reset_queues};
use super::stores;
use super::v5_3::write_masks;
use super::v5_13::V5_13;
use super::world::{Aqic, Version, World};
use crate::ap::Errno;

/// Versions 13 to 16 of the series, on v5.13.
#[derive(Debug)]
pub enum P15 {}

/// `vfio_ap_mdev_refresh_apcb`: the guest gets what is assigned. Called with `matrix_dev->lock`
/// held; takes `kvm->lock` under it.
fn vfio_ap_mdev_refresh_apcb(w: &World, mdevs: &Locked<'_>, mdev: usize) {
    if let Some(kvm) = w.matrix_dev.mdev(mdev).kvm(&w.kvms) {
        write_masks(w, kvm, mdevs.mdevs[mdev].matrix);
    }
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
    fn assign_adapter_store(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
        let _function = function("assign_adapter_store");
        let mut mdevs = w.matrix_dev.lock.lock();
        if mdevs.mdevs[mdev].kvm_busy {
            return Err(Errno::Ebusy);
        }
        stores::assign(&mut mdevs, mdev, apid)?;
        vfio_ap_mdev_refresh_apcb(w, &mdevs, mdev);
        Ok(())
    }

    /// Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn unassign_adapter_store(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
        let _function = function("unassign_adapter_store");
        let mut mdevs = w.matrix_dev.lock.lock();
        if mdevs.mdevs[mdev].kvm_busy {
            return Err(Errno::Ebusy);
        }
        let before = mdevs.mdevs[mdev].matrix;
        stores::unassign(&mut mdevs, mdev, apid);
        vfio_ap_mdev_refresh_apcb(w, &mdevs, mdev);
        let removed = before.without(&mdevs.mdevs[mdev].matrix).apm;
        for apqn in before.apqns().filter(|apqn| removed.test(apqn.apid)) {
            _ = vfio_ap_mdev_reset_queue(w, &mut mdevs, apqn, Protocol::V5_11);
        }
        Ok(())
    }

    /// Locks: `matrix_dev->lock` -> `iommu->lock`.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno> {
        let mut mdevs = w.matrix_dev.lock.lock();
        vfio_ap_mdev_reset_queues(w, &mut mdevs, mdev, Protocol::V5_11)
    }
}
