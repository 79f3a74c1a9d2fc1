//! One mutex for the hooks of all guests, which each PQAP(AQIC) holds while it is handled.
//!
//! v17, patch 01/15, does this, and v18 dropped it. It serialises all guests. It is safe if a
//! thread that changes a hook unlocks the mutex before it takes `kvm->lock`.

use selvedge_core::sync::Mutex;

use super::Design;
use super::guest::{Aqic, Guest};

/// How long a thread that changes the hook holds the mutex.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// While the hook is changed.
    Released,
    /// Until the guest's control block is also changed.
    Kept,
}

/// The guest, the mutex of the hooks, and the driver's mutex.
#[derive(Debug)]
pub struct HookMutex {
    variant: Variant,
    guest: Guest,
    pqap_hook_lock: Mutex,
    lock: Mutex,
}

impl HookMutex {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        Self {
            variant,
            guest: Guest::new(vcpus),
            pqap_hook_lock: Mutex::new("pqap_hook_lock", ()),
            lock: Mutex::new("matrix_dev->lock", ()),
        }
    }
}

impl Design for HookMutex {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> `pqap_hook_lock` -> `matrix_dev->lock`.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _hook = self.pqap_hook_lock.lock();
        let _locked = self.lock.lock();
        self.guest.handle_pqap(aqic);
    }

    /// Locks: `pqap_hook_lock`; `kvm->lock` -> `matrix_dev->lock`; or all of them under the first.
    fn update(&self) {
        let mut hook = Some(self.pqap_hook_lock.lock());
        self.guest.unassign();
        if self.variant == Variant::Released {
            hook = None;
        }
        let _kvm = self.guest.kvm.lock();
        let _locked = self.lock.lock();
        self.guest.clear_masks_locked();
        self.guest.reset_queue();
        drop(hook);
    }

    /// Locks: `matrix_dev->lock`.
    fn admin(&self) {
        let _locked = self.lock.lock();
        self.guest.assign_to_another();
    }
}
