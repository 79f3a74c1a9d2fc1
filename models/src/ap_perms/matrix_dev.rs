//! `matrix_dev`, the only device of the driver: its locks, and the functions that do the same under
//! them in every version.

use std::fmt;

use selvedge_core::function;
use selvedge_core::sync::Mutex;

use crate::Errno;
use crate::ap::{ApBus, ApMatrix, Apqn};
use crate::ap_perms::MatrixMdev;

/// The device of the driver, with one mediated device.
pub trait MatrixDev: fmt::Debug + Send + Sync + 'static {
    /// Creates the device, with `matrix` assigned to its mediated device.
    fn new(matrix: ApMatrix) -> Self;

    /// Unbinds the queue device from the driver. The caller holds the device lock.
    fn vfio_ap_mdev_remove_queue(&self, apqn: Apqn);

    /// Unassigns an adapter from the mediated device, as the administrator does. No version takes
    /// `ap_perms_mutex` here, since releasing a queue cannot conflict with a mask.
    ///
    /// # Errors
    ///
    /// The error of the write to the sysfs file.
    fn unassign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno>;

    /// Executes PQAP(AQIC) in a guest. Only the driver's own lock is modelled here, since the other
    /// locks of this path do not conflict with the masks.
    fn handle_pqap(&self);

    /// Returns the matrix that is assigned to the mediated device.
    fn matrix(&self) -> ApMatrix;
}

/// The locking up to v5.19, and of the series up to version 16: one mutex for everything.
#[derive(Debug)]
pub struct OneLock {
    /// `matrix_dev->lock`.
    pub lock: Mutex<MatrixMdev>,
}

impl MatrixDev for OneLock {
    fn new(matrix: ApMatrix) -> Self {
        Self { lock: Mutex::new("matrix_dev->lock", MatrixMdev { matrix }) }
    }

    /// Locks: (device lock) -> `matrix_dev->lock`.
    fn vfio_ap_mdev_remove_queue(&self, _apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        self.lock.lock().unlock();
    }

    /// Locks: `matrix_dev->lock`.
    fn unassign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("unassign_adapter_store");
        let mut mdev = self.lock.lock();
        mdev.matrix.apm.set(apid, false);
        bus.now_assigned(mdev.matrix.apqns());
        Ok(())
    }

    /// Locks: (`vcpu->mutex`) -> `matrix_dev->lock`.
    fn handle_pqap(&self) {
        let _function = function("handle_pqap");
        self.lock.lock().unlock();
    }

    fn matrix(&self) -> ApMatrix {
        self.lock.lock().matrix
    }
}

/// The locking of the series from version 18 on, and from v6.0 on. `guests_lock` protects the guest
/// of every mediated device, `kvm->lock` is needed to change the queues of a guest, and
/// `mdevs_lock` protects the rest. They are taken in this order. The mediated device has a guest.
#[derive(Debug)]
pub struct ThreeLocks {
    /// `matrix_dev->guests_lock`.
    pub guests_lock: Mutex,
    /// `kvm->lock` of the guest.
    pub kvm_lock: Mutex,
    /// `matrix_dev->mdevs_lock`.
    pub mdevs_lock: Mutex<MatrixMdev>,
}

impl MatrixDev for ThreeLocks {
    fn new(matrix: ApMatrix) -> Self {
        Self {
            guests_lock: Mutex::new("guests_lock", ()),
            kvm_lock: Mutex::new("kvm->lock", ()),
            mdevs_lock: Mutex::new("mdevs_lock", MatrixMdev { matrix }),
        }
    }

    /// Locks: (device lock) -> `guests_lock` -> `kvm->lock` -> `mdevs_lock`, by
    /// `get_update_locks_for_queue`.
    fn vfio_ap_mdev_remove_queue(&self, _apqn: Apqn) {
        let _function = function("vfio_ap_mdev_remove_queue");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        self.mdevs_lock.lock().unlock();
    }

    /// Locks: `guests_lock` -> `kvm->lock` -> `mdevs_lock`, by `get_update_locks_for_mdev`.
    fn unassign_adapter_store(&self, bus: &ApBus, apid: u8) -> Result<(), Errno> {
        let _function = function("unassign_adapter_store");
        let _guests = self.guests_lock.lock();
        let _kvm = self.kvm_lock.lock();
        let mut mdev = self.mdevs_lock.lock();
        mdev.matrix.apm.set(apid, false);
        bus.now_assigned(mdev.matrix.apqns());
        Ok(())
    }

    /// Locks: (`vcpu->mutex` -> `pqap_hook_rwsem`) -> `mdevs_lock`.
    fn handle_pqap(&self) {
        let _function = function("handle_pqap");
        self.mdevs_lock.lock().unlock();
    }

    fn matrix(&self) -> ApMatrix {
        self.mdevs_lock.lock().matrix
    }
}
