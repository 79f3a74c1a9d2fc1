//! Alternative 1: the VMM handles PQAP(AQIC) and calls the driver by an ioctl.
//!
//! P. Morel proposed this at first, and H. Pasic regrets that he argued against it. The vCPU leaves
//! KVM_RUN with the instruction intercepted, so `vcpu->mutex` is unlocked. The ioctl takes only the
//! driver's mutex. The information of the VMM may be out of date by then, so the driver has to
//! check again under its mutex. This works, but requires a VMM that supports it. For an old one KVM
//! either handles the instruction as before, and has the cycle, or refuses it.

use selvedge_core::sync::Mutex;

use super::Design;
use super::guest::{Aqic, Guest};

/// When the matrix is checked, and with which lock held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// In the ioctl, under the mutex.
    Alternative1,
    /// In KVM_RUN, before the ioctl, which does not check again.
    WithoutRecheck,
    /// In the ioctl, which is issued from within KVM_RUN with `vcpu->mutex` held.
    Alternative1b,
    /// By KVM, with `vcpu->mutex` held, for a VMM that does not know the ioctl.
    OldVmm,
    /// Nowhere: KVM refuses the instruction for a VMM that does not know the ioctl.
    OldVmmRefused,
}

/// The guest, and the driver's mutex.
#[derive(Debug)]
pub struct Ioctl {
    variant: Variant,
    guest: Guest,
    lock: Mutex,
}

impl Ioctl {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        Self { variant, guest: Guest::new(vcpus), lock: Mutex::new("matrix_dev->lock", ()) }
    }
}

impl Design for Ioctl {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex`; `matrix_dev->lock`; `vcpu->mutex`. In 1b the second is taken under the
    /// first.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let running = self.guest.kvm.vcpu(vcpu);
        match self.variant {
            Variant::Alternative1b | Variant::OldVmm => {
                let _locked = self.lock.lock();
                self.guest.handle_pqap(aqic);
                return;
            }
            Variant::OldVmmRefused => return,
            Variant::Alternative1 | Variant::WithoutRecheck => {}
        }
        let seen = self.variant == Variant::Alternative1 || self.guest.is_assigned();
        running.unlock();
        let locked = self.lock.lock();
        match self.variant {
            Variant::WithoutRecheck if seen => self.guest.aqic(aqic),
            Variant::WithoutRecheck => {}
            _ => self.guest.handle_pqap(aqic),
        }
        locked.unlock();
        // The second KVM_RUN writes the status into the vCPU's registers.
        self.guest.kvm.vcpu(vcpu).unlock();
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
