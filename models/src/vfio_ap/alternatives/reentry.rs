//! Alternative 2: KVM leaves the vCPU for the duration of the call and enters it again, as the VMM
//! would.
//!
//! For the locks this is alternative 1 without a VMM that has to support it. But the VMM does not
//! know that its vCPU is between two halves of an instruction. Another of its threads may make the
//! guest protected meanwhile, and then the status is written into registers that the host no longer
//! has (INV-16). A flag that keeps other threads out until the instruction is complete closes the
//! cycle again.

use selvedge_core::sync::{Atomic, Ghost, Mutex, WaitQueue};

use super::Design;
use super::guest::{Aqic, Guest};

/// What keeps other threads away from a vCPU that KVM has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// Nothing.
    Alternative2,
    /// A flag that the PV ioctl waits for, with `kvm->lock` held.
    InFlight,
}

/// The guest, the driver's mutex, and the state of vCPU 0.
#[derive(Debug)]
pub struct Reentry {
    variant: Variant,
    guest: Guest,
    lock: Mutex,
    in_flight: Atomic,
    wait: WaitQueue,
    vcpu: Ghost<Vcpu>,
}

/// The ghost state of a vCPU.
#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct Vcpu {
    is_protected: bool,
    /// Whether it was protected when the instruction was intercepted.
    was_protected: bool,
}

impl Reentry {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        Self {
            variant,
            guest: Guest::new(vcpus),
            lock: Mutex::new("matrix_dev->lock", ()),
            in_flight: Atomic::new("in_flight", 0),
            wait: WaitQueue::new("in_flight_wait"),
            vcpu: Ghost::new("vCPU", Vcpu::default()),
        }
    }
}

impl Design for Reentry {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex`; `matrix_dev->lock`; `vcpu->mutex`.
    ///
    /// # Violations
    ///
    /// INV-16: the vCPU has become protected before the status is delivered to it.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let running = self.guest.kvm.vcpu(vcpu);
        self.vcpu.update(|vcpu| vcpu.was_protected = vcpu.is_protected);
        if self.variant == Variant::InFlight {
            self.in_flight.store(1);
            self.wait.promise();
        }
        running.unlock();
        let locked = self.lock.lock();
        self.guest.handle_pqap(aqic);
        locked.unlock();
        let _running = self.guest.kvm.vcpu(vcpu);
        self.vcpu.check("INV-16", |vcpu| match vcpu.was_protected == vcpu.is_protected {
            true => Ok(()),
            false => Err("the status is delivered to a vCPU that has become protected".to_owned()),
        });
        if self.variant == Variant::InFlight {
            self.in_flight.store(0);
            self.wait.fulfil();
            self.wait.wake_up_all();
        }
    }

    /// Locks: `matrix_dev->lock` -> `kvm->lock`.
    fn update(&self) {
        let _locked = self.lock.lock();
        self.guest.unassign();
        self.guest.clear_masks();
        self.guest.reset_queue();
    }

    /// Locks: `kvm->lock` -> `vcpu->mutex`, with a wait for the flag in between that holds the
    /// former.
    fn pv(&self) {
        let _kvm = self.guest.kvm.lock();
        let mut running = self.guest.kvm.vcpu(0);
        while self.variant == Variant::InFlight && self.in_flight.load() != 0 {
            running.unlock();
            self.wait.wait_event(|| self.in_flight.load() == 0);
            running = self.guest.kvm.vcpu(0);
        }
        self.vcpu.update(|vcpu| vcpu.is_protected = true);
        running.unlock();
    }

    /// Locks: `matrix_dev->lock`.
    fn admin(&self) {
        let _locked = self.lock.lock();
        self.guest.assign_to_another();
    }
}
