//! The AP bus: its masks, its queue devices, and the question whether a queue is in use.
//!
//! Source: `drivers/s390/crypto/ap_bus.c` as of commit 4f8206b88286, which added the `in_use`
//! callback of drivers. The posted versions 11 to 18 of the series take the same locks in the same
//! order here.

use std::collections::BTreeSet;

use selvedge_core::sync::{Ghost, ModuleRef, Mutex};
use selvedge_core::{function, invariant_broken};

use super::driver_override::{DriverOverride, Overrides};
use super::perms::Dimension;
use super::{ApDriver, ApMask, ApMatrix, ApPerms, Apqn, Driver, QueueDevice};
use crate::Errno;

/// The bus.
#[derive(Debug)]
pub struct ApBus {
    ap_perms_mutex: Mutex<ApPerms>,
    queues: Vec<QueueDevice>,
    /// The module `vfio_ap`. The bus itself is built into the kernel.
    vfio_ap: ModuleRef,
    /// The queues that are assigned to mediated devices, for INV-07.
    assigned: Ghost<BTreeSet<Apqn>>,
    reprobe: Reprobe,
    rules: Rules,
    unbound: Unbound,
    commit: Commit,
    overrides: Overrides,
}

/// When the bus moves queues to other drivers after a mask was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reprobe {
    /// After `ap_perms_mutex` is released, as in every version.
    Released,
    /// While the mutex is held, which no version does. It shows what would go wrong.
    Held,
}

/// When INV-07 is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rules {
    /// When the mask is written, which is the earliest moment at which it can be wrong.
    Written,
    /// When a queue is removed from the driver because of the mask. It shows the effect of a wrong
    /// mask.
    Taken,
    /// Never, for a driver that answers by another criterion.
    Never,
}

/// When the mutex of the masks is held between parsing, checking and writing a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Commit {
    /// All the time, as in every version.
    Locked,
    /// It is released and taken again after the string is parsed. No version does so.
    ParsedBefore,
    /// It is released and taken again after the driver has answered. No version does so.
    CheckedBefore,
}

/// What the bus does with a queue that has no driver when it revises the bindings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unbound {
    /// It counts as not bound to the host's driver.
    NotTheHosts,
    /// The flags of its driver are read through a NULL pointer, as in Linux. On s390 the page is
    /// readable, so one of its bits decides.
    Reported,
}

impl ApBus {
    /// Creates a bus with these masks and queues. Every queue is bound to the driver that the masks
    /// select, and the queues of `assigned` belong to mediated devices.
    pub fn new(
        ap_perms: ApPerms,
        queues: impl IntoIterator<Item = Apqn>,
        assigned: impl IntoIterator<Item = Apqn>,
    ) -> Self {
        let driver = |apqn| if ap_perms.reserves(apqn) { Driver::Zcrypt } else { Driver::VfioAp };
        let queue = |apqn| QueueDevice::new(apqn, driver(apqn));
        Self {
            ap_perms_mutex: Mutex::new("ap_perms_mutex", ap_perms),
            queues: queues.into_iter().map(queue).collect(),
            vfio_ap: ModuleRef::new("vfio_ap"),
            assigned: Ghost::new("assigned", assigned.into_iter().collect()),
            reprobe: Reprobe::Released,
            rules: Rules::Written,
            unbound: Unbound::NotTheHosts,
            commit: Commit::Locked,
            overrides: Overrides::None,
        }
    }

    /// Makes this the bus of v6.19 or later, in which an administrator can choose the driver of a
    /// queue. Every queue has the driver `chosen` now, if any. No driver can be chosen while a mask
    /// is in use, so the queues have room for choices only if no mask is in use now.
    #[must_use]
    pub fn with_overrides(mut self, overrides: Overrides, chosen: Option<Driver>) -> Self {
        if overrides == Overrides::None {
            return self;
        }
        let mut ap_perms = *self.ap_perms_mutex.lock();
        let room = !ap_perms.in_use();
        for queue in &mut self.queues {
            queue.driver_override = Some(DriverOverride::new(overrides, chosen, room));
            if chosen.is_some() {
                ap_perms.overrides += 1;
                queue.driver.store(chosen);
            }
        }
        self.ap_perms_mutex = Mutex::new("ap_attr_mutex", ap_perms);
        self.overrides = overrides;
        self
    }

    /// Makes the bus report that it follows the pointer to the driver of a queue that has none.
    pub fn report_unbound(&mut self) {
        self.unbound = Unbound::Reported;
    }

    /// Makes the bus keep `ap_perms_mutex` while it moves queues to other drivers. No version does
    /// this.
    pub fn reprobe_under_ap_perms_mutex(&mut self) {
        self.reprobe = Reprobe::Held;
    }

    /// Makes the bus check INV-07 when a queue that the host gains is removed from the driver, and
    /// not when the mask is written.
    pub fn check_when_taken(&mut self) {
        self.rules = Rules::Taken;
    }

    /// Makes the bus check INV-07 nowhere.
    pub fn check_never(&mut self) {
        self.rules = Rules::Never;
    }

    /// Makes the bus release the mutex after it has parsed what is written into a mask.
    pub fn release_after_parsing(&mut self) {
        self.commit = Commit::ParsedBefore;
    }

    /// Makes the bus release the mutex after the driver has answered that no queue is in use.
    pub fn release_after_checking(&mut self) {
        self.commit = Commit::CheckedBefore;
    }

    /// Returns the device of a queue, if the bus has it.
    pub fn queue(&self, apqn: Apqn) -> Option<&QueueDevice> {
        self.queues.iter().find(|queue| queue.apqn == apqn)
    }

    /// Returns `ap_perms_mutex`.
    pub fn ap_perms_mutex(&self) -> &Mutex<ApPerms> {
        &self.ap_perms_mutex
    }

    /// Returns the module that contains the driver.
    pub fn vfio_ap(&self) -> &ModuleRef {
        &self.vfio_ap
    }

    /// Records for INV-07 that mediated devices now have these queues.
    #[track_caller]
    pub fn now_assigned(&self, apqns: impl Iterator<Item = Apqn>) {
        self.assigned.update(|assigned| *assigned = apqns.collect());
    }

    /// Checks at the end, when no other thread runs, that no queue is both assigned to a mediated
    /// device and reserved for the host's drivers. This is the other half of INV-07: an assignment
    /// that was refused has no effect.
    pub fn check_nothing_shared(&self, assigned: &ApMatrix) {
        let ap_perms = self.ap_perms_mutex.lock();
        if let Some(apqn) = assigned.apqns().find(|apqn| ap_perms.reserves(*apqn)) {
            let message = format!("queue {apqn} is assigned and also reserved for the host");
            invariant_broken("INV-07", message);
        }
    }

    /// Models `apmask_store`, with which the administrator writes `/sys/bus/ap/apmask`.
    ///
    /// Locks: `ap_perms_mutex` (interruptible), under it the locks of the driver's `in_use`
    /// callback; then, with the mutex released, for each queue whose owner changes the device lock
    /// and the locks with which the driver releases it.
    ///
    /// # Errors
    ///
    /// [`Errno::Erestartsys`] after a signal, [`Errno::Einval`] for a string that is not a mask
    /// and, since v6.19, if the driver of a queue was chosen, [`Errno::Ebusy`] if the driver
    /// vetoes. The mask is then unchanged.
    pub fn apmask_store(&self, driver: &impl ApDriver, text: &str) -> Result<(), Errno> {
        let _function = function("apmask_store");
        self.mask_store(Dimension::Adapters, driver, text)
    }

    /// Models `aqmask_store`, which is [`apmask_store`](Self::apmask_store) for domains.
    ///
    /// # Errors
    ///
    /// Those of [`apmask_store`](Self::apmask_store).
    pub fn aqmask_store(&self, driver: &impl ApDriver, text: &str) -> Result<(), Errno> {
        let _function = function("aqmask_store");
        self.mask_store(Dimension::Domains, driver, text)
    }

    fn mask_store(
        &self,
        dimension: Dimension,
        driver: &impl ApDriver,
        text: &str,
    ) -> Result<(), Errno> {
        let mut ap_perms =
            self.ap_perms_mutex.lock_interruptible().map_err(|_| Errno::Erestartsys)?;
        if ap_perms.overrides > 0 {
            return Err(Errno::Einval);
        }
        let old = *ap_perms.mask(dimension);
        let new = old.parse(text)?;
        if new == old {
            return Ok(());
        }
        if self.commit == Commit::ParsedBefore {
            ap_perms.unlock();
            ap_perms = self.ap_perms_mutex.lock();
        }
        // The driver is asked only about the queues that the host gains, not about those that it
        // loses.
        let gained = new.without(&old);
        let mut others = *ap_perms;
        if self.overrides > Overrides::None {
            // Commit 6917f434fda3: the other mask does not count.
            (others.apm, others.aqm) = (ApMask::all(), ApMask::all());
        }
        let (apm, aqm) = match dimension {
            Dimension::Adapters => (gained, others.aqm),
            Dimension::Domains => (others.apm, gained),
        };
        if !apm.is_empty() && !aqm.is_empty() {
            self.verify_reservations(driver, &apm, &aqm)?;
        }
        if self.commit == Commit::CheckedBefore {
            ap_perms.unlock();
            ap_perms = self.ap_perms_mutex.lock();
        }
        let before = *ap_perms;
        *ap_perms.mask(dimension) = new;
        if self.rules == Rules::Written {
            self.check_inv_07(&before, &ap_perms);
        }
        match self.reprobe {
            Reprobe::Released => {
                ap_perms.unlock();
                self.ap_bus_revise_bindings(driver, None);
            }
            Reprobe::Held => self.ap_bus_revise_bindings(driver, Some(&ap_perms)),
        }
        Ok(())
    }

    /// Checks INV-07: if `in_use` answers no for a set of queues, none of them becomes assigned
    /// until the masks are written. The masks are written now, so the host must not gain an
    /// assigned queue.
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

    /// Checks INV-07 when the queue is about to be removed from the driver.
    #[track_caller]
    fn check_not_assigned(&self, apqn: Apqn) {
        self.assigned.check("INV-07", |assigned| match assigned.contains(&apqn) {
            false => Ok(()),
            true => Err(format!("queue {apqn} is removed from the driver while it is assigned")),
        });
    }

    /// Models `__verify_card_reservations` and `__verify_queue_reservations`, which the commit of
    /// the mask calls. They ask the driver whether it uses a queue that the host gains. The
    /// callback runs in a module, so a module reference protects its text. If no reference is
    /// available, the queue is not in use.
    fn verify_reservations(
        &self,
        driver: &impl ApDriver,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno> {
        if !self.vfio_ap.try_get() {
            return Ok(());
        }
        let in_use = driver.in_use(apm, aqm);
        self.vfio_ap.put();
        in_use.map_err(|_| Errno::Ebusy)
    }

    /// Returns whether a queue is reserved for the host's drivers. It uses the masks that the
    /// caller holds, or else takes `ap_perms_mutex` for the duration of the check.
    #[track_caller]
    fn reserved(&self, apqn: Apqn, held: Option<&ApPerms>) -> bool {
        match held {
            Some(ap_perms) => ap_perms.reserves(apqn),
            None => self.ap_perms_mutex.lock().reserves(apqn),
        }
    }

    /// Models `ap_bus_revise_bindings`, which moves each queue to the driver that the masks now
    /// select. The caller has released `ap_perms_mutex`, since a probe takes it under the device
    /// lock.
    fn ap_bus_revise_bindings(&self, driver: &impl ApDriver, held: Option<&ApPerms>) {
        let _function = function("__ap_revise_reserved");
        for queue in &self.queues {
            let bound = queue.driver();
            if bound.is_none() && self.unbound == Unbound::Reported {
                invariant_broken("NULL", "dev->driver is NULL, and its flags are read");
            }
            let matches = |chosen: &DriverOverride| chosen.device_match_driver_override(bound);
            if let Some(matches) = queue.driver_override.as_ref().and_then(matches) {
                if !matches {
                    self.device_reprobe(driver, queue, held);
                }
                continue;
            }
            let reserved = self.reserved(queue.apqn, held);
            if reserved != (bound == Some(Driver::Zcrypt)) {
                self.device_reprobe(driver, queue, held);
            }
        }
    }

    /// Models `device_reprobe`, which unbinds the device and binds it to the driver that now may
    /// have it.
    ///
    /// Locks: the device lock -> the locks of the driver; then under it those of a probe.
    fn device_reprobe(&self, driver: &impl ApDriver, queue: &QueueDevice, held: Option<&ApPerms>) {
        let _function = function("device_reprobe");
        let device = queue.device_lock.lock();
        self.ap_device_remove(driver, queue);
        self.ap_device_probe(driver, queue, held);
        device.unlock();
    }

    /// Models `ap_device_remove`. The caller holds the device lock.
    fn ap_device_remove(&self, driver: &impl ApDriver, queue: &QueueDevice) {
        if queue.driver() == Some(Driver::VfioAp) {
            if self.rules == Rules::Taken {
                self.check_not_assigned(queue.apqn);
            }
            driver.remove(queue.apqn);
            queue.removed.update(|times| *times += 1);
            queue.removed.check("REMOVE-ONCE", |times| match times {
                1 => Ok(()),
                n => Err(format!("queue {} was removed from its driver {n} times", queue.apqn)),
            });
        }
    }

    /// Models `ap_device_probe`. The caller holds the device lock.
    ///
    /// Locks: (device lock) -> `ap_perms_mutex`, unless the driver was chosen; then those of the
    /// driver.
    fn ap_device_probe(&self, driver: &impl ApDriver, queue: &QueueDevice, held: Option<&ApPerms>) {
        let chosen = queue.driver_override.as_ref().and_then(DriverOverride::chosen);
        let the_hosts = match chosen {
            Some(chosen) => chosen == Driver::Zcrypt,
            None => self.reserved(queue.apqn, held),
        };
        let bound = if the_hosts {
            driver.zcrypt_probe(queue.apqn);
            Some(Driver::Zcrypt)
        } else {
            queue.removed.update(|times| *times = 0);
            driver.probe(queue.apqn).ok().map(|()| Driver::VfioAp)
        };
        queue.driver.store(bound);
    }

    /// Binds the device of the queue, if it is on the bus, to the driver that may have it. A write
    /// to the file `bind` of the driver does this, and so does a scan that discovers the device.
    ///
    /// Locks: device lock -> `ap_perms_mutex`; device lock -> the locks of the driver.
    #[track_caller]
    pub fn bind(&self, driver: &impl ApDriver, apqn: Apqn) {
        let _function = function("device_driver_attach");
        let Some(queue) = self.queue(apqn) else { return };
        let device = queue.device_lock.lock();
        if queue.driver().is_none() {
            self.ap_device_probe(driver, queue, None);
        }
        device.unlock();
    }

    /// Unbinds the device of the queue from vfio_ap if it is bound to it. A write to the file
    /// `unbind` of the driver does this, and so do the exit of the module and the loss of the
    /// device. Nothing checks whether the queue is in use.
    ///
    /// Locks: device lock -> the locks of the driver.
    #[track_caller]
    pub fn unbind(&self, driver: &impl ApDriver, apqn: Apqn) {
        let _function = function("device_driver_detach");
        let Some(queue) = self.queue(apqn) else { return };
        let device = queue.device_lock.lock();
        if queue.driver() == Some(Driver::VfioAp) {
            self.ap_device_remove(driver, queue);
            queue.driver.store(None);
        }
        device.unlock();
    }

    /// Models `driver_override_store` of a queue, with which the administrator chooses its driver
    /// or, with `None`, leaves it to the masks again.
    ///
    /// Locks: `ap_attr_mutex` (interruptible) -> those of
    /// `driver_set_override`.
    ///
    /// # Errors
    ///
    /// [`Errno::Erestartsys`] after a signal, [`Errno::Einval`] if a mask is in use.
    pub fn driver_override_store(&self, apqn: Apqn, chosen: Option<Driver>) -> Result<(), Errno> {
        let _function = function("driver_override_store");
        let mut attributes =
            self.ap_perms_mutex.lock_interruptible().map_err(|_| Errno::Erestartsys)?;
        let queue = self.queue(apqn).filter(|_| !attributes.in_use());
        let (queue, choice) = queue
            .and_then(|queue| Some((queue, queue.driver_override.as_ref()?)))
            .ok_or(Errno::Einval)?;
        let before = choice.is_set();
        choice.driver_set_override(&queue.device_lock, chosen);
        match (before, chosen.is_some()) {
            (true, false) => attributes.overrides -= 1,
            (false, true) => attributes.overrides += 1,
            _ => {}
        }
        Ok(())
    }

    /// Checks at the end that no queue of a mediated device is bound to the host's driver, and
    /// frees the names of the chosen drivers.
    pub fn check_not_taken(&self, assigned: &ApMatrix) {
        let taken = |queue: &&QueueDevice| {
            assigned.contains(queue.apqn) && queue.driver() == Some(Driver::Zcrypt)
        };
        if let Some(queue) = self.queues.iter().find(taken) {
            let message = format!("queue {} is assigned, and the host's driver has it", queue.apqn);
            invariant_broken("TAKEN", message);
        }
        self.queues
            .iter()
            .filter_map(|q| q.driver_override.as_ref())
            .for_each(DriverOverride::free);
    }

    /// Returns the numbers of the queues that have a device.
    pub fn apqns(&self) -> impl Iterator<Item = Apqn> + '_ {
        self.queues.iter().map(|queue| queue.apqn)
    }

    /// Models `ap_apqn_in_matrix_owned_by_def_drv` as posted up to version 19, which takes
    /// `ap_perms_mutex` itself.
    ///
    /// # Errors
    ///
    /// [`Errno::Eaddrnotavail`] if a queue of `matrix` is reserved for the host's drivers.
    pub fn ap_apqn_in_matrix_owned_by_def_drv(&self, matrix: &ApMatrix) -> Result<(), Errno> {
        let _function = function("ap_apqn_in_matrix_owned_by_def_drv");
        let ap_perms = self.ap_perms_mutex.lock();
        self.owned_by_def_drv(&ap_perms, matrix)
    }

    /// Models `ap_apqn_in_matrix_owned_by_def_drv` as merged. The caller holds `ap_perms_mutex`.
    ///
    /// # Errors
    ///
    /// [`Errno::Eaddrnotavail`] if a queue of `matrix` is reserved for the host's drivers. Since
    /// v6.19, a queue whose driver was chosen counts by the driver that it is bound to.
    pub fn owned_by_def_drv(&self, ap_perms: &ApPerms, matrix: &ApMatrix) -> Result<(), Errno> {
        let owned = |apqn: Apqn| {
            let chosen = |queue: &&QueueDevice| {
                queue.driver_override.as_ref().is_some_and(DriverOverride::is_set)
            };
            match self.queue(apqn).filter(chosen) {
                Some(queue) => queue.driver() == Some(Driver::Zcrypt),
                None => ap_perms.reserves(apqn),
            }
        };
        if matrix.apqns().any(owned) { Err(Errno::Eaddrnotavail) } else { Ok(()) }
    }
}
