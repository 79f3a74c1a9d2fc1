//! The AP bus: masks, queue devices, and the question whether a queue is in use.
//!
//! Source: `drivers/s390/crypto/ap_bus.c` as of commit 4f8206b88286, which gave drivers the
//! `in_use` callback; the posted versions 11 to 18 of the series take the same locks in the
//! same order here.

use std::collections::BTreeSet;

use selvedge_core::sync::{Atomic, Ghost, ModuleRef, Mutex};
use selvedge_core::{function, invariant_broken};

use super::{ApMask, ApMatrix, Apqn, Errno, MatrixDev, VfioAp};

/// `struct ap_perms`: what is reserved for the host's drivers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ApPerms {
    /// Adapters.
    pub apm: ApMask,
    /// Domains.
    pub aqm: ApMask,
}

impl ApPerms {
    /// Whether a queue is reserved for the host's drivers: both its bits are set.
    pub fn reserves(&self, apqn: Apqn) -> bool {
        self.apm.test(apqn.apid) && self.aqm.test(apqn.apqi)
    }

    fn mask(&mut self, dimension: Dimension) -> &mut ApMask {
        match dimension {
            Dimension::Adapters => &mut self.apm,
            Dimension::Domains => &mut self.aqm,
        }
    }
}

/// Which of the two masks is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dimension {
    Adapters,
    Domains,
}

/// A driver that a queue device can be bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Driver {
    /// The host's own: `AP_DRIVER_FLAG_DEFAULT`.
    Zcrypt,
    /// The one that passes queues through to guests.
    VfioAp,
}

/// A queue's device.
#[derive(Debug)]
pub struct QueueDevice {
    apqn: Apqn,
    /// `device_lock(dev)`.
    device_lock: Mutex,
    /// `dev->driver`, read without the lock by whoever walks the bus.
    driver: Atomic,
    /// How often vfio_ap's remove function has run since its probe function has.
    removed: Ghost<u32>,
}

impl QueueDevice {
    fn new(apqn: Apqn) -> Self {
        let driver = Atomic::new("dev->driver", bound_to(Some(Driver::VfioAp)));
        let removed = Ghost::new("removed", 0);
        Self { apqn, device_lock: Mutex::new("device_lock", ()), driver, removed }
    }

    /// The driver that the device is bound to at this moment.
    #[track_caller]
    pub fn driver(&self) -> Option<Driver> {
        match self.driver.load() {
            1 => Some(Driver::Zcrypt),
            2 => Some(Driver::VfioAp),
            _ => None,
        }
    }
}

fn bound_to(driver: Option<Driver>) -> u64 {
    match driver {
        None => 0,
        Some(Driver::Zcrypt) => 1,
        Some(Driver::VfioAp) => 2,
    }
}

/// The bus.
#[derive(Debug)]
pub struct ApBus {
    ap_perms_mutex: Mutex<ApPerms>,
    queues: Vec<QueueDevice>,
    /// The module `vfio_ap`; the bus itself is built into the kernel.
    vfio_ap: ModuleRef,
    /// What is assigned to mediated devices, for INV-07.
    assigned: Ghost<BTreeSet<Apqn>>,
}

impl ApBus {
    /// A bus with these masks and queues. Every queue is bound to vfio_ap, and `assigned` to its
    /// mediated device.
    pub fn new(
        ap_perms: ApPerms,
        queues: impl IntoIterator<Item = Apqn>,
        assigned: &ApMatrix,
    ) -> Self {
        Self {
            ap_perms_mutex: Mutex::new("ap_perms_mutex", ap_perms),
            queues: queues.into_iter().map(QueueDevice::new).collect(),
            vfio_ap: ModuleRef::new("vfio_ap"),
            assigned: Ghost::new("assigned", assigned.apqns().collect()),
        }
    }

    /// The device of a queue, if the bus has it.
    pub fn queue(&self, apqn: Apqn) -> Option<&QueueDevice> {
        self.queues.iter().find(|queue| queue.apqn == apqn)
    }

    /// `ap_perms_mutex`.
    pub fn ap_perms_mutex(&self) -> &Mutex<ApPerms> {
        &self.ap_perms_mutex
    }

    /// The bookkeeping of INV-07: the mediated device now has these queues.
    #[track_caller]
    pub fn now_assigned(&self, matrix: &ApMatrix) {
        self.assigned.update(|assigned| *assigned = matrix.apqns().collect());
    }

    /// At the end, when nobody is about: no queue is assigned to a mediated device and reserved
    /// for the host's drivers at once. The other half of INV-07: an assignment that was refused
    /// has left nothing behind.
    pub fn check_nothing_shared(&self, assigned: &ApMatrix) {
        let ap_perms = self.ap_perms_mutex.lock();
        if let Some(apqn) = assigned.apqns().find(|apqn| ap_perms.reserves(*apqn)) {
            let message = format!("queue {apqn} is both assigned and reserved for the host");
            invariant_broken("INV-07", message);
        }
    }

    /// `apmask_store`: the administrator writes `/sys/bus/ap/apmask`.
    ///
    /// Locks: `ap_perms_mutex` (interruptible), under it whatever the `in_use` callback of the
    /// driver takes; then, with the mutex released, for each queue whose owner changes the
    /// device lock and what the driver takes to let go of it.
    ///
    /// # Errors
    ///
    /// [`Errno::Erestartsys`] after a signal, [`Errno::Einval`] for a string that is no mask,
    /// [`Errno::Ebusy`] if the driver vetoes. The mask is then as it was.
    pub fn apmask_store<V: VfioAp>(
        &self,
        matrix_dev: &V::MatrixDev,
        text: &str,
    ) -> Result<(), Errno> {
        let _function = function("apmask_store");
        self.mask_store::<V>(Dimension::Adapters, matrix_dev, text)
    }

    /// `aqmask_store`: as [`apmask_store`](Self::apmask_store), for domains.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn aqmask_store<V: VfioAp>(
        &self,
        matrix_dev: &V::MatrixDev,
        text: &str,
    ) -> Result<(), Errno> {
        let _function = function("aqmask_store");
        self.mask_store::<V>(Dimension::Domains, matrix_dev, text)
    }

    fn mask_store<V: VfioAp>(
        &self,
        dimension: Dimension,
        matrix_dev: &V::MatrixDev,
        text: &str,
    ) -> Result<(), Errno> {
        let mut ap_perms =
            self.ap_perms_mutex.lock_interruptible().map_err(|_| Errno::Erestartsys)?;
        let old = *ap_perms.mask(dimension);
        let new = old.parse(text)?;
        if new == old {
            return Ok(());
        }
        // Only what the host gains is asked for; nobody is asked about what it gives up.
        let gained = new.without(&old);
        let (apm, aqm) = match dimension {
            Dimension::Adapters => (gained, ap_perms.aqm),
            Dimension::Domains => (ap_perms.apm, gained),
        };
        if !apm.is_empty() && !aqm.is_empty() {
            self.verify_reservations::<V>(matrix_dev, &apm, &aqm)?;
        }
        let before = *ap_perms;
        *ap_perms.mask(dimension) = new;
        self.check_inv_07(&before, &ap_perms);
        ap_perms.unlock();
        self.ap_bus_revise_bindings(matrix_dev);
        Ok(())
    }

    /// INV-07: if `in_use` answers no for a set of queues, none of them becomes assigned until
    /// the masks are written. So at that moment, now, the host gains no assigned queue.
    #[track_caller]
    fn check_inv_07(&self, before: &ApPerms, after: &ApPerms) {
        self.assigned.check("INV-07", |assigned| {
            let stolen = |apqn: &&Apqn| after.reserves(**apqn) && !before.reserves(**apqn);
            match assigned.iter().find(stolen) {
                None => Ok(()),
                Some(apqn) => Err(format!(
                    "the host takes queue {apqn}, which was assigned to a mediated device after \
                     in_use had answered no"
                )),
            }
        });
    }

    /// `__verify_card_reservations` and `__verify_queue_reservations`, called by the commit of
    /// the mask: asks the driver whether it uses a queue that the host gains. The callback runs
    /// in a module, so a reference keeps its text. No reference, no use.
    fn verify_reservations<V: VfioAp>(
        &self,
        matrix_dev: &V::MatrixDev,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno> {
        if !self.vfio_ap.try_get() {
            return Ok(());
        }
        let in_use = V::vfio_ap_mdev_resource_in_use(matrix_dev, apm, aqm);
        self.vfio_ap.put();
        in_use.map_err(|_| Errno::Ebusy)
    }

    /// `ap_bus_revise_bindings`: takes each queue to the driver that the masks now say. Called
    /// with `ap_perms_mutex` released: a probe takes it under the device lock.
    fn ap_bus_revise_bindings(&self, matrix_dev: &impl MatrixDev) {
        let _function = function("__ap_revise_reserved");
        for queue in &self.queues {
            let reserved = self.ap_perms_mutex.lock().reserves(queue.apqn);
            let bound = queue.driver();
            if reserved != (bound == Some(Driver::Zcrypt)) {
                self.device_reprobe(matrix_dev, queue);
            }
        }
    }

    /// `device_reprobe`: unbinds the device and binds it to the driver that now may have it.
    fn device_reprobe(&self, matrix_dev: &impl MatrixDev, queue: &QueueDevice) {
        let _function = function("device_reprobe");
        let device = queue.device_lock.lock();
        if queue.driver() == Some(Driver::VfioAp) {
            matrix_dev.vfio_ap_mdev_remove_queue(queue.apqn);
            queue.removed.update(|times| *times += 1);
            queue.removed.check("REMOVE-ONCE", |times| match times {
                1 => Ok(()),
                n => Err(format!("queue {} was removed from its driver {n} times", queue.apqn)),
            });
        }
        // ap_device_probe
        let reserved = self.ap_perms_mutex.lock().reserves(queue.apqn);
        let next = if reserved { Driver::Zcrypt } else { Driver::VfioAp };
        if next == Driver::VfioAp {
            queue.removed.update(|times| *times = 0);
        }
        queue.driver.store(bound_to(Some(next)));
        device.unlock();
    }

    /// `ap_apqn_in_matrix_owned_by_def_drv`, as posted up to version 19: takes
    /// `ap_perms_mutex` itself.
    ///
    /// # Errors
    ///
    /// [`Errno::Eaddrnotavail`] if a queue of `matrix` is reserved for the host's drivers.
    pub fn ap_apqn_in_matrix_owned_by_def_drv(&self, matrix: &ApMatrix) -> Result<(), Errno> {
        let _function = function("ap_apqn_in_matrix_owned_by_def_drv");
        let ap_perms = self.ap_perms_mutex.lock();
        ap_perms.owned_by_def_drv(matrix)
    }
}

impl ApPerms {
    /// `ap_apqn_in_matrix_owned_by_def_drv`, as merged: the caller holds `ap_perms_mutex`.
    ///
    /// # Errors
    ///
    /// [`Errno::Eaddrnotavail`] if a queue of `matrix` is reserved for the host's drivers.
    pub fn owned_by_def_drv(&self, matrix: &ApMatrix) -> Result<(), Errno> {
        if matrix.apqns().any(|apqn| self.reserves(apqn)) {
            Err(Errno::Eaddrnotavail)
        } else {
            Ok(())
        }
    }
}
