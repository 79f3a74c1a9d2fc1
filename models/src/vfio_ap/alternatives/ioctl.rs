//! Alternative 1: the VMM handles PQAP(AQIC), and asks the driver by an ioctl.
//!
//! This is what P. Morel proposed at first, and what H. Pasic regrets to have argued against. The
//! vCPU leaves KVM_RUN with the instruction intercepted, so `vcpu->mutex` is given back; the ioctl
//! takes the driver's mutex alone. What the VMM was told may be out of date by then, so the driver
//! has to look again, under its mutex. Technically it works; it needs a VMM that knows of it.

use selvedge_core::sync::Mutex;

use super::Design;
use super::guest::{Aqic, Guest};

/// When the matrix is looked at, and with what held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// In the ioctl, under the mutex.
    Alternative1,
    /// In KVM_RUN, before the ioctl; the ioctl trusts it.
    WithoutRecheck,
    /// In the ioctl; but the ioctl is issued from within KVM_RUN, with `vcpu->mutex` held.
    Alternative1b,
}

/// The guest, and the driver's mutex.
#[derive(Debug)]
pub struct Ioctl {
    variant: Variant,
    guest: Guest,
    lock: Mutex,
}

impl Ioctl {
    /// A running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        Self { variant, guest: Guest::new(vcpus), lock: Mutex::new("matrix_dev->lock", ()) }
    }
}

impl Design for Ioctl {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex`; `matrix_dev->lock`; `vcpu->mutex`. In 1b the second inside of the
    /// first.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let running = self.guest.kvm.vcpu(vcpu);
        if self.variant == Variant::Alternative1b {
            let _locked = self.lock.lock();
            self.guest.handle_pqap(aqic);
            return;
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
        // KVM_RUN again: the status is written into the vCPU's registers.
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
