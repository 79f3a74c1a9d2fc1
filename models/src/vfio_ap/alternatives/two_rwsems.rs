//! Two read-write semaphores, one of each mediated device and one of all, and stores that only try.
//!
//! H. Pasic sketched this in the review of June 2021. PQAP(AQIC) takes both for reading. Whoever
//! attaches a guest or detaches it holds the device's for writing, and wants `kvm->lock` then: the
//! circle is closed by that semaphore. A store that tries and gives up when the device is in use
//! cannot be on a circle, but fails because a guest executes PQAP(AQIC). J. Gunthorpe objected that
//! this is no better than a lock of one's own making.

use selvedge_core::invariant_broken;
use selvedge_core::sync::RwSem;

use super::Design;
use super::guest::{Aqic, Guest};

/// The guest and the two semaphores.
#[derive(Debug)]
pub struct TwoRwsems {
    guest: Guest,
    mdev: RwSem,
    matrix: RwSem,
}

impl TwoRwsems {
    /// A running guest with `vcpus` vCPUs.
    pub fn new(vcpus: usize) -> Self {
        Self {
            guest: Guest::new(vcpus),
            mdev: RwSem::new("matrix_mdev->rwsem", ()),
            matrix: RwSem::new("matrix_dev->rwsem", ()),
        }
    }
}

impl Design for TwoRwsems {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> `matrix_mdev->rwsem` for reading -> `matrix_dev->rwsem` for reading.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _mdev = self.mdev.down_read();
        let _matrix = self.matrix.down_read();
        self.guest.handle_pqap(aqic);
    }

    /// Locks: `matrix_mdev->rwsem` for writing -> `kvm->lock`; `matrix_mdev->rwsem` for writing ->
    /// `matrix_dev->rwsem` for writing.
    fn update(&self) {
        let _mdev = self.mdev.down_write();
        self.guest.unassign();
        self.guest.clear_masks();
        let _matrix = self.matrix.down_write();
        self.guest.reset_queue();
    }

    /// A store to a file of the guest's own device. Locks: `matrix_mdev->rwsem` for writing, if it
    /// is free.
    ///
    /// # Violations
    ///
    /// INV-24: it fails only because the semaphore was held.
    fn admin(&self) {
        match self.mdev.try_down_write() {
            Some(mdev) => mdev.up_write(),
            None => invariant_broken("INV-24", "a store returns -EBUSY though nothing conflicts"),
        }
    }
}
