//! A separate lock for the guest's control block, so that `kvm->lock` is not needed.
//!
//! J. Gunthorpe proposed this, and T. Krowiak answered with the purpose of `kvm->lock`. While the
//! control block is written, no vCPU may be in SIE, the instruction that runs the guest and reads
//! the block. Each vCPU is therefore kept out of SIE meanwhile. This does not include a vCPU that
//! is created meanwhile, which only `kvm->lock` prevents.

use selvedge_core::invariant_broken;
use selvedge_core::sync::{Atomic, Mutex};

/// The lock that is held while the control block is written.
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
    /// The number of vCPUs: `kvm->online_vcpus`.
    online_vcpus: Atomic,
    /// One lock for each vCPU, held by the vCPU in SIE and by a thread that keeps it out.
    sie: [Mutex; 2],
    apm: Atomic,
    aqm: Atomic,
}

impl ApcbLock {
    /// Creates a guest with one vCPU and one queue.
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

    /// Replaces the queue of the guest by another one, which changes both masks.
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

    /// Models `KVM_CREATE_VCPU` and runs the new vCPU. Locks: `kvm->lock`.
    ///
    /// # Violations
    ///
    /// INV-14: the vCPU runs with masks that the guest should never have together.
    pub fn create_vcpu(&self) {
        let kvm = self.kvm_lock.lock();
        self.online_vcpus.store(2);
        kvm.unlock();
        let _in_sie = self.sie[1].lock();
        let (apm, aqm) = (self.apm.load(), self.aqm.load());
        if apm != aqm {
            invariant_broken(
                "INV-14",
                format!("a vCPU runs with masks of different updates: {apm} and {aqm}"),
            );
        }
    }
}
