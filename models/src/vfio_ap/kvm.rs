//! What KVM contributes: a guest with its locks, its control block and its hook for PQAP.
//!
//! Three locks of KVM meet those of the driver. `kvm->lock` must be held to change what a guest
//! may use, because all its vCPUs have to be stopped for that. `vcpu->mutex` is held for as long
//! as a vCPU runs, intercepts included, so whatever the driver does for PQAP(AQIC) it does under
//! that mutex. And KVM's own rule is that `kvm->lock` comes before `vcpu->mutex`; protected
//! virtualization, v5.7, was the first to make use of it. An intercept is handled as a reader of
//! `kvm->srcu`, too: whoever changes the guest's memory slots waits for it.

use std::sync::Arc;

use selvedge_core::function;
use selvedge_core::sync::{Atomic, Kref, Mutex, MutexGuard, RwSem, Srcu, SrcuReader, Tracked};

use super::hardware::Hardware;
use crate::ap::ApConfig;

/// `struct kvm`: a guest.
#[derive(Debug)]
pub struct Kvm {
    /// Its number.
    pub vm: u8,
    /// The memory that everything here is in.
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
    /// `kvm->arch.crypto.pqap_hook`: the mediated device to call, by number and one more; or 0.
    pqap_hook: Atomic,
}

impl Kvm {
    /// Guest `vm`, referenced by whoever has its file descriptor.
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
            pqap_hook: Atomic::new("pqap_hook", 0),
        }
    }

    /// `mutex_lock(&kvm->lock)`.
    #[track_caller]
    pub fn lock(&self) -> KvmGuard<'_> {
        self.memory.get();
        KvmGuard { kvm: self, guard: Some(self.lock.lock()) }
    }

    /// `kvm->lock` for a work item, which has no pointer to the guest.
    pub fn shared_lock(&self) -> Arc<Mutex> {
        Arc::clone(&self.lock)
    }

    /// `mutex_lock(&vcpu->mutex)`, as KVM_RUN does for the whole time that the vCPU runs.
    #[track_caller]
    pub fn vcpu(&self, vcpu: usize) -> MutexGuard<'_, ()> {
        self.vcpus[vcpu].lock()
    }

    /// The vCPU is in the host: `srcu_read_lock(&vcpu->kvm->srcu)`.
    #[track_caller]
    pub fn intercept(&self) -> SrcuReader<'_> {
        self.srcu.read_lock()
    }

    /// `KVM_SET_USER_MEMORY_REGION`, `install_new_memslots`: waits for every intercept that may still
    /// see the old memory slots.
    ///
    /// Locks: `kvm->slots_lock`, with a wait for the readers of `kvm->srcu`.
    pub fn set_memory_region(&self) {
        let _function = function("kvm_vm_ioctl_set_memory_region");
        let slots = self.slots_lock.lock();
        self.srcu.synchronize();
        slots.unlock();
    }

    /// The mediated device that the hook points to.
    #[track_caller]
    pub fn pqap_hook(&self) -> Option<usize> {
        (self.pqap_hook.load() as usize).checked_sub(1)
    }

    /// Makes the hook point to a mediated device, or nowhere.
    #[track_caller]
    pub fn set_pqap_hook(&self, mdev: Option<usize>) {
        self.pqap_hook.store(mdev.map_or(0, |mdev| mdev as u64 + 1));
    }

    /// `kvm_get_kvm`.
    #[track_caller]
    pub fn get(&self) {
        self.users_count.get();
    }

    /// `kvm_put_kvm`: the last one destroys the guest. Whether it was the last.
    #[track_caller]
    pub fn put(&self) -> bool {
        let last = self.users_count.put();
        if last {
            self.memory.release();
        }
        last
    }

    /// `kvm_arch_crypto_set_masks` since v5.15: gives the guest these queues, and control of these
    /// domains. The caller holds `kvm->lock`. `kvm_s390_vcpu_block_all` keeps the vCPUs out of SIE
    /// meanwhile; it does not take their mutexes, so a vCPU in an intercept does not hold it up.
    #[track_caller]
    pub fn crypto_set_masks(&self, hardware: &Hardware, config: ApConfig) {
        hardware.set_apcb(self.vm, config);
    }

    /// `kvm_arch_crypto_clear_masks` since v5.15. The caller holds `kvm->lock`.
    #[track_caller]
    pub fn crypto_clear_masks(&self, hardware: &Hardware) {
        hardware.set_apcb(self.vm, ApConfig::default());
    }

    /// `KVM_S390_PV_COMMAND`: makes the guest a protected one. Since v5.7.
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

/// Holds `kvm->lock`.
#[derive(Debug)]
pub struct KvmGuard<'a> {
    kvm: &'a Kvm,
    guard: Option<MutexGuard<'a, ()>>,
}

impl KvmGuard<'_> {
    /// `mutex_unlock(&kvm->lock)`.
    #[track_caller]
    pub fn unlock(mut self) {
        self.give_back();
    }

    #[track_caller]
    fn give_back(&mut self) {
        if let Some(guard) = self.guard.take() {
            // The lock is in the guest's memory.
            self.kvm.memory.get();
            guard.unlock();
        }
    }
}

impl Drop for KvmGuard<'_> {
    #[track_caller]
    fn drop(&mut self) {
        self.give_back();
    }
}
