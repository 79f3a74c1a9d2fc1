//! The part of KVM: a guest with its locks, its control block and its hook for PQAP.
//!
//! Three locks of KVM interact with those of the driver. `kvm->lock` is required to change the
//! resources of a guest, because all its vCPUs are stopped for that. `vcpu->mutex` is held while a
//! vCPU runs, intercepts included, so the driver handles PQAP(AQIC) under that mutex. The rule of
//! KVM is that `kvm->lock` comes before `vcpu->mutex`. Protected virtualization, v5.7, was the
//! first code to use that order. An intercept is also handled as a reader of `kvm->srcu`, and a
//! thread that changes the memory slots of the guest waits for it.

use std::sync::Arc;

use selvedge_core::function;
use selvedge_core::sync::{Atomic, Kref, Mutex, MutexGuard, RwSem, Srcu, SrcuReader, Tracked};

use super::hardware::Hardware;
use crate::ap::ApConfig;

/// `struct kvm`: a guest.
#[derive(Debug)]
pub struct Kvm {
    /// The number.
    pub vm: u8,
    /// The memory that contains the structure.
    memory: Tracked,
    users_count: Kref,
    /// `kvm->lock`.
    lock: Arc<Mutex>,
    slots_lock: Mutex,
    srcu: Srcu,
    /// `vcpu->mutex`, of each vCPU.
    vcpus: Vec<Mutex>,
    /// `kvm->arch.crypto.pqap_hook_rwsem`, since v5.15.
    pub pqap_hook_rwsem: RwSem,
    /// `kvm->arch.crypto.pqap_hook`: the number of the mediated device to call plus one, or 0.
    pqap_hook: Atomic<Option<usize>>,
}

impl Kvm {
    /// Creates guest `vm`, with a reference for its file descriptor.
    pub fn new(vm: u8, vcpus: usize) -> Self {
        Self {
            vm,
            memory: Tracked::new("kvm", ()),
            users_count: Kref::new("kvm->users_count"),
            lock: Arc::new(Mutex::new("kvm->lock", ())),
            slots_lock: Mutex::new("kvm->slots_lock", ()),
            srcu: Srcu::new("kvm->srcu"),
            vcpus: (0..vcpus).map(|_| Mutex::new("vcpu->mutex", ())).collect(),
            pqap_hook_rwsem: RwSem::new("pqap_hook_rwsem", ()),
            pqap_hook: Atomic::new("pqap_hook", None),
        }
    }

    /// Models `mutex_lock(&kvm->lock)`.
    #[track_caller]
    pub fn lock(&self) -> KvmGuard<'_> {
        self.memory.get();
        KvmGuard { kvm: self, guard: Some(self.lock.lock()) }
    }

    /// Returns `kvm->lock` for a work item, which has no pointer to the guest.
    pub fn shared_lock(&self) -> Arc<Mutex> {
        Arc::clone(&self.lock)
    }

    /// Models `mutex_lock(&vcpu->mutex)`, which KVM_RUN holds while the vCPU runs.
    #[track_caller]
    pub fn vcpu(&self, vcpu: usize) -> MutexGuard<'_, ()> {
        self.vcpus[vcpu].lock()
    }

    /// Models `srcu_read_lock(&vcpu->kvm->srcu)`, which a vCPU holds while it is in the host.
    #[track_caller]
    pub fn intercept(&self) -> SrcuReader<'_> {
        self.srcu.read_lock()
    }

    /// Models `KVM_SET_USER_MEMORY_REGION`, `install_new_memslots`, which waits for every intercept
    /// that may still see the old memory slots.
    ///
    /// Locks: `kvm->slots_lock`, with a wait for the readers of `kvm->srcu`.
    pub fn set_memory_region(&self) {
        let _function = function("kvm_vm_ioctl_set_memory_region");
        let slots = self.slots_lock.lock();
        self.srcu.synchronize();
        slots.unlock();
    }

    /// Returns the mediated device that the hook points to.
    #[track_caller]
    pub fn pqap_hook(&self) -> Option<usize> {
        self.pqap_hook.load()
    }

    /// Makes the hook point to a mediated device or to none.
    #[track_caller]
    pub fn set_pqap_hook(&self, mdev: Option<usize>) {
        self.pqap_hook.store(mdev);
    }

    /// Models `kvm_get_kvm`.
    #[track_caller]
    pub fn get(&self) {
        self.users_count.get();
    }

    /// Models `kvm_put_kvm`, which destroys the guest with the last reference. Returns whether it
    /// did.
    #[track_caller]
    pub fn put(&self) -> bool {
        let last = self.users_count.put();
        if last {
            self.memory.release();
        }
        last
    }

    /// Models `kvm_arch_crypto_set_masks` since v5.15, which gives the guest these queues and
    /// control of these domains. The caller holds `kvm->lock`. `kvm_s390_vcpu_block_all` keeps the
    /// vCPUs out of SIE meanwhile. It does not take their mutexes, so it does not wait for a vCPU
    /// in an intercept.
    #[track_caller]
    pub fn crypto_set_masks(&self, hardware: &Hardware, config: ApConfig) {
        hardware.set_apcb(self.vm, config);
    }

    /// Models `kvm_arch_crypto_clear_masks` since v5.15. The caller holds `kvm->lock`.
    #[track_caller]
    pub fn crypto_clear_masks(&self, hardware: &Hardware) {
        hardware.set_apcb(self.vm, ApConfig::default());
    }

    /// Models `KVM_S390_PV_COMMAND`, which makes the guest a protected guest. Since v5.7.
    ///
    /// Locks: `kvm->lock` -> each `vcpu->mutex` in turn.
    pub fn pv_command(&self) {
        let _function = function("kvm_s390_cpus_to_pv");
        let kvm = self.lock();
        for vcpu in &self.vcpus {
            vcpu.lock().unlock();
        }
        kvm.unlock();
    }
}

/// The guard of a held `kvm->lock`.
#[derive(Debug)]
pub struct KvmGuard<'a> {
    kvm: &'a Kvm,
    guard: Option<MutexGuard<'a, ()>>,
}

impl KvmGuard<'_> {
    /// Models `mutex_unlock(&kvm->lock)`.
    #[track_caller]
    pub fn unlock(mut self) {
        self.release();
    }

    #[track_caller]
    fn release(&mut self) {
        if let Some(guard) = self.guard.take() {
            // The lock is in the memory of the guest.
            self.kvm.memory.get();
            guard.unlock();
        }
    }
}

impl Drop for KvmGuard<'_> {
    #[track_caller]
    fn drop(&mut self) {
        self.release();
    }
}
