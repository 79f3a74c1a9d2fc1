//! PQAP(AQIC) tries the driver's mutex, and reports a busy queue if it is held.
//!
//! This was not proposed. It is the smallest change to v5.11 that breaks the cycle. The guest has
//! to retry, which the architecture of the instruction allows. Nothing guarantees that it succeeds.

use selvedge_core::sync::Mutex;

use super::Design;
use super::guest::{Aqic, Guest};

/// The guest and the driver's mutex.
#[derive(Debug)]
pub struct Trylock {
    guest: Guest,
    lock: Mutex,
}

impl Trylock {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(vcpus: usize) -> Self {
        Self { guest: Guest::new(vcpus), lock: Mutex::new("matrix_dev->lock", ()) }
    }
}

impl Design for Trylock {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex`; `matrix_dev->lock`, if it is free.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        if let Some(_locked) = self.lock.try_lock() {
            self.guest.handle_pqap(aqic);
        }
    }

    /// Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn update(&self) {
        let _locked = self.lock.lock();
        self.guest.unassign();
        self.guest.clear_masks();
        self.guest.reset_queue();
    }

    /// Locks: `matrix_dev->lock`.
    fn admin(&self) {
        let _locked = self.lock.lock();
        self.guest.assign_to_another();
    }
}
