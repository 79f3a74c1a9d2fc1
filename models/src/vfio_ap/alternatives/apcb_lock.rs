//! A lock of its own for the guest's control block, so that `kvm->lock` is not needed.
//!
//! J. Gunthorpe proposed it; T. Krowiak answered what `kvm->lock` is there for. While the control
//! block is written, no vCPU may be in SIE, the instruction that runs the guest and reads the block.
//! So each vCPU is kept out meanwhile; but a vCPU that is created then is not among them, and
//! `kvm->lock` is what keeps it from being created.

use selvedge_core::invariant_broken;
use selvedge_core::sync::{Atomic, Mutex};

/// What is held while the control block is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// The lock of the control block.
    ApcbLock,
    /// `kvm->lock`.
    KvmLock,
}

/// A guest that creates its second vCPU.
#[derive(Debug)]
pub struct ApcbLock {
    variant: Variant,
    kvm_lock: Mutex,
    apcb_lock: Mutex,
    /// How many vCPUs there are: `kvm->online_vcpus`.
    online_vcpus: Atomic,
    /// By vCPU: held by the vCPU in SIE, and by whoever keeps it out.
    sie: [Mutex; 2],
    apm: Atomic,
    aqm: Atomic,
}

impl ApcbLock {
    /// A guest with one vCPU and one queue.
    pub fn new(variant: Variant) -> Self {
        Self {
            variant,
            kvm_lock: Mutex::new("kvm->lock", ()),
            apcb_lock: Mutex::new("apcb_lock", ()),
            online_vcpus: Atomic::new("kvm->online_vcpus", 1),
            sie: ["SIE of vCPU 0", "SIE of vCPU 1"].map(|class| Mutex::new(class, ())),
            apm: Atomic::new("apcb.apm", 1),
            aqm: Atomic::new("apcb.aqm", 1),
        }
    }

    /// The guest gets another queue in place of its own: both masks change.
    ///
    /// Locks: `apcb_lock` or `kvm->lock`, then each vCPU is kept out of SIE.
    pub fn set_masks(&self) {
        let _lock = match self.variant {
            Variant::ApcbLock => self.apcb_lock.lock(),
            Variant::KvmLock => self.kvm_lock.lock(),
        };
        let vcpus = &self.sie[..self.online_vcpus.load() as usize];
        let _blocked: Vec<_> = vcpus.iter().map(|vcpu| vcpu.lock()).collect();
        self.apm.store(2);
        self.aqm.store(2);
    }

    /// `KVM_CREATE_VCPU`, and the new vCPU runs. Locks: `kvm->lock`.
    ///
    /// # Violations
    ///
    /// INV-14: it runs with masks that the guest was never meant to have together.
    pub fn create_vcpu(&self) {
        let kvm = self.kvm_lock.lock();
        self.online_vcpus.store(2);
        kvm.unlock();
        let _in_sie = self.sie[1].lock();
        let (apm, aqm) = (self.apm.load(), self.aqm.load());
        if apm != aqm {
            invariant_broken("INV-14", format!("a vCPU runs with half of each: {apm} and {aqm}"));
        }
    }
}
