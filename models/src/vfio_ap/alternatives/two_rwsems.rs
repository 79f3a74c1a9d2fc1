//! Two read-write semaphores, one for each mediated device and one for all, and stores that only
//! try.
//!
//! H. Pasic sketched this in the review of June 2021. PQAP(AQIC) takes both for reading. A thread
//! that attaches or detaches a guest holds the device's semaphore for writing and then takes
//! `kvm->lock`, so that semaphore closes the cycle. A store that tries and fails when the device is
//! in use cannot be on a cycle, but it fails because a guest executes PQAP(AQIC). J. Gunthorpe
//! objected that this is no better than a hand-made lock.

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
    /// Creates a running guest with `vcpus` vCPUs.
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

    /// Stores to a file of the guest's own device. Locks: `matrix_mdev->rwsem` for writing, if it
    /// is free.
    ///
    /// # Violations
    ///
    /// INV-24: the store fails only because the semaphore was held.
    fn admin(&self) {
        match self.mdev.try_down_write() {
            Some(mdev) => mdev.up_write(),
            None => invariant_broken("INV-24", "a store returns -EBUSY without a conflict"),
        }
    }
}
