//! The state that the threads of a scenario share, and their system calls.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use selvedge_core::invariant_broken;

use super::ap_queue::{ApQueue, Irq, ResponseCode};
use super::hardware::Hardware;
use super::kvm::Kvm;
use super::matrix_dev::MatrixDev;
use super::queue_device::{vfio_ap_queue_dev_probe, vfio_ap_queue_dev_remove};
use super::reset::Protocol;
use super::resource::Resource;
use super::type1::Type1;
use crate::Errno;
use crate::ap::{ApBus, ApMask, ApMatrix, ApPerms, Apqn, Overrides};
use crate::vfio_ap::versions::commits::Commit;

/// A version of the driver, including the behaviour of VFIO and KVM around it.
///
/// Each function has the name of the kernel function that it models and takes its locks in the same
/// order.
pub trait Version: 'static {
    /// The class of the driver's mutex: `matrix_dev->lock`, and `mdevs_lock` since v6.0.
    const LOCK: &'static str = "matrix_dev->lock";

    /// The last of the [`Commit`]s that the version has.
    const HEAD: Commit = Commit::None;

    /// Returns the objects that only this version has, for [`World::own`].
    fn own() -> Own {
        Own::default()
    }

    /// Opens mediated device `mdev` for guest `vm`: `vfio_ap_mdev_set_kvm` and its callers.
    ///
    /// # Errors
    ///
    /// [`Errno::Eperm`] if the guest already has a mediated device.
    fn set_kvm(w: &World, mdev: usize, vm: u8) -> Result<(), Errno>;

    /// Drops the guest's last other reference before the mediated device is closed. The notifier
    /// gets `SET_KVM` with NULL. Since v5.19 the driver is not notified.
    fn kvm_is_gone(w: &World, mdev: usize);

    /// Closes mediated device `mdev`: `vfio_ap_mdev_release`, later `vfio_ap_mdev_close_device`.
    fn close(w: &World, mdev: usize);

    /// Handles the interception of PQAP(AQIC): `handle_pqap` in `arch/s390/kvm/priv.c` and in the
    /// driver. The caller holds `vcpu->mutex`.
    fn handle_pqap(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode;

    /// Models `vfio_ap_mdev_remove`.
    ///
    /// # Errors
    ///
    /// [`Errno::Ebusy`] if the mediated device is in use, in versions that refuse then.
    fn remove(w: &World, mdev: usize) -> Result<(), Errno>;

    /// Models `assign_adapter_store` and the similar functions for domains and control domains.
    ///
    /// # Errors
    ///
    /// The error of the write to the sysfs file.
    fn assign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno>;

    /// Models `unassign_adapter_store` and the similar functions.
    ///
    /// # Errors
    ///
    /// The error of the write to the sysfs file.
    fn unassign_store(w: &World, mdev: usize, resource: Resource) -> Result<(), Errno>;

    /// Calls [`assign_store`](Self::assign_store) for an adapter.
    ///
    /// # Errors
    ///
    /// The error of the write to the sysfs file.
    fn assign_adapter_store(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
        Self::assign_store(w, mdev, Resource::Adapter(apid))
    }

    /// Calls [`unassign_store`](Self::unassign_store) for an adapter.
    ///
    /// # Errors
    ///
    /// The error of the write to the sysfs file.
    fn unassign_adapter_store(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
        Self::unassign_store(w, mdev, Resource::Adapter(apid))
    }

    /// Models `VFIO_DEVICE_RESET`, which resets the queues of a mediated device.
    ///
    /// # Errors
    ///
    /// [`Errno::Eio`] or [`Errno::Ebusy`] if a queue could not be reset.
    fn reset(w: &World, mdev: usize) -> Result<(), Errno>;

    /// Runs the driver's probe function, which binds a queue. The caller holds the device lock.
    ///
    /// # Errors
    ///
    /// If the queue cannot be bound.
    fn probe_queue(w: &World, apqn: Apqn) -> Result<(), Errno> {
        vfio_ap_queue_dev_probe(w, apqn);
        Ok(())
    }

    /// Runs the driver's remove function, which unbinds a queue. The caller holds the device lock.
    fn remove_queue(w: &World, apqn: Apqn) {
        vfio_ap_queue_dev_remove(w, apqn, Protocol::V5_11);
    }
}

/// A request of a guest to PQAP(AQIC), which enables or disables the interrupts of `apqn`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aqic {
    /// The queue.
    pub apqn: Apqn,
    /// The requested target of the interrupts.
    pub irq: Option<Irq>,
}

/// Objects that only one version or one scenario has.
#[derive(Clone, Default)]
pub struct Own(Option<Arc<dyn Any + Send + Sync>>);

impl Own {
    /// Wraps an object.
    pub fn new(own: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(own)))
    }

    /// Returns the object if it is a `T`.
    pub fn of<T: Any>(&self) -> Option<&T> {
        self.0.as_deref()?.downcast_ref()
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

/// The hardware, the guests, and the driver.
#[derive(Debug)]
pub struct World {
    /// The hardware.
    pub hardware: Arc<Hardware>,
    /// The guests, numbered from 0.
    pub kvms: Vec<Kvm>,
    /// The driver's device.
    pub matrix_dev: MatrixDev,
    /// The container of the mediated devices' group.
    pub iommu: Arc<Type1>,
    /// The AP bus. The adapter mask selects vfio_ap for all queues.
    pub bus: ApBus,
    /// The objects that only this version or this scenario has.
    pub own: Own,
    head: Commit,
    /// [`Version::probe_queue`], for the bus, which does not depend on the version.
    pub(super) probe_queue: fn(&World, Apqn) -> Result<(), Errno>,
    /// [`Version::remove_queue`].
    pub(super) remove_queue: fn(&World, Apqn),
}

/// Returns what the AP bus of a version has.
fn overrides(head: Commit) -> Overrides {
    match head {
        head if head >= Commit::DriverOverrideLocked => Overrides::UnderSpinLock,
        head if head >= Commit::DriverOverride => Overrides::WrittenUnderDeviceLock,
        _ => Overrides::None,
    }
}

impl World {
    /// Creates a world of `guests` guests with `vcpus` vCPUs each, and closed mediated devices with
    /// these matrices. The hardware has their queues, and all are bound to the driver.
    pub fn new<V: Version>(guests: u8, vcpus: usize, matrices: &[ApMatrix]) -> Self {
        let queues = matrices.iter().flat_map(ApMatrix::apqns);
        Self::with_queues::<V>(guests, vcpus, matrices, queues.map(ApQueue::new))
    }

    /// Creates a world as [`new`](Self::new) does, with these queues bound to the driver.
    pub fn with_queues<V: Version>(
        guests: u8,
        vcpus: usize,
        matrices: &[ApMatrix],
        queues: impl IntoIterator<Item = ApQueue>,
    ) -> Self {
        let queues: Vec<ApQueue> = queues.into_iter().collect();
        let apqns = || queues.iter().map(|queue| queue.apqn);
        let adapters = ApMask::of(apqns().map(|apqn| apqn.apid));
        let ap_perms = ApPerms::new(ApMask::all().without(&adapters), ApMask::all());
        // Up to v5.19 the bus and the driver do not communicate about assignments.
        let assigned = if V::HEAD >= Commit::DynamicConfiguration { matrices } else { &[] };
        Self {
            matrix_dev: MatrixDev::new::<V>(matrices, apqns()),
            bus: ApBus::new(ap_perms, apqns(), assigned.iter().flat_map(ApMatrix::apqns))
                .with_overrides(overrides(V::HEAD), None),
            own: V::own(),
            head: V::HEAD,
            probe_queue: V::probe_queue,
            remove_queue: V::remove_queue,
            hardware: Arc::new(Hardware::new(queues)),
            kvms: (0..guests).map(|vm| Kvm::new(vm, vcpus)).collect(),
            iommu: Arc::new(Type1::new()),
        }
    }

    /// Returns whether the version has a commit.
    pub fn has(&self, commit: Commit) -> bool {
        commit <= self.head
    }

    /// Returns guest `vm`.
    pub fn guest(&self, vm: u8) -> &Kvm {
        &self.kvms[usize::from(vm)]
    }

    /// Models KVM_RUN: runs vCPU `vcpu` of guest `vm` until it executes PQAP(AQIC), which is
    /// intercepted.
    pub fn pqap<V: Version>(&self, vm: u8, vcpu: usize, aqic: Aqic) -> ResponseCode {
        let kvm = self.guest(vm);
        let _running = kvm.vcpu(vcpu);
        let _intercept = kvm.intercept();
        V::handle_pqap(self, kvm, aqic)
    }

    /// Closes every open device at the end, removes the devices, and drops the references to the
    /// guests.
    ///
    /// # Violations
    ///
    /// INV-02 if two mediated devices have the same queue, INV-02b if one guest has both. INV-04
    /// and INV-05 if the hardware still has resources of a guest or for a guest. A leak if a
    /// reference to a guest or a mediated device remains.
    pub fn at_rest<V: Version>(&self) {
        let mdevs = self.matrix_dev.lock.lock();
        let listed: Vec<usize> =
            (0..mdevs.mdevs.len()).filter(|mdev| mdevs.mdevs[*mdev].listed).collect();
        let shares = |mdev: &&usize| {
            mdevs.verify_no_sharing(**mdev, &mdevs.mdevs[**mdev].assigned.matrix).is_err()
        };
        if let Some(mdev) = listed.iter().find(shares) {
            invariant_broken("INV-02", format!("device {mdev} has a queue of another device"));
        }
        mdevs.unlock();
        let guest = |mdev: &usize| Some(self.matrix_dev.mdev(*mdev).kvm(&self.kvms)?.vm);
        let mut attached = BTreeSet::new();
        if !listed.iter().filter_map(guest).all(|vm| attached.insert(vm)) {
            invariant_broken("INV-02b", "one guest has two mediated devices");
        }
        for mdev in listed {
            V::close(self, mdev);
            _ = V::remove(self, mdev);
        }
        self.kvms.iter().for_each(|kvm| _ = kvm.put());
        self.hardware.check_at_rest();
    }
}
