//! A flag, and `msleep` until it is clear.
//!
//! This is the second of two fixes of February 2021 before the wait queue of v5.13. The mutex is
//! released between two checks of the flag, so there is no cycle of locks. Nevertheless PQAP(AQIC)
//! holds `vcpu->mutex` while it polls the flag, which is cleared only after `kvm->lock` was taken.
//! Where a wait queue would deadlock, this polls for ever.

use selvedge_core::poll;
use selvedge_core::sync::{Atomic, Mutex};

use super::Design;
use super::guest::{Aqic, Guest};

/// The guest, the driver's mutex, and the flag.
#[derive(Debug)]
pub struct Polling {
    guest: Guest,
    lock: Mutex,
    kvm_busy: Atomic,
}

impl Polling {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(vcpus: usize) -> Self {
        Self {
            guest: Guest::new(vcpus),
            lock: Mutex::new("matrix_dev->lock", ()),
            kvm_busy: Atomic::new("kvm_busy", 0),
        }
    }
}

impl Design for Polling {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> `matrix_dev->lock`, repeatedly while the flag is set.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _locked = poll("kvm_busy", || {
            let locked = self.lock.lock();
            (self.kvm_busy.load() == 0).then_some(locked)
        });
        self.guest.handle_pqap(aqic);
    }

    /// Locks: `matrix_dev->lock`; `kvm->lock`; `matrix_dev->lock`, with the flag set from the first
    /// to the last.
    fn update(&self) {
        let locked = self.lock.lock();
        self.kvm_busy.store(1);
        self.guest.unassign();
        locked.unlock();
        self.guest.clear_masks();
        let _locked = self.lock.lock();
        self.guest.reset_queue();
        self.kvm_busy.store(0);
    }

    /// Locks: `matrix_dev->lock`.
    fn admin(&self) {
        let _locked = self.lock.lock();
        self.guest.assign_to_another();
    }
}
