//! The driver as seen by the AP bus and the module loader: `vfio_ap_drv`.
//!
//! Source: commits 3f85d1df26a9 and eeb386aeb5b7, v6.0; `vfio_ap_drv.c`.

use selvedge_core::function;
use selvedge_core::sync::Tracked;

use super::ap_queue::{ApQueue, Config};
use super::config::{vfio_ap_on_cfg_changed, vfio_ap_on_scan_complete};
use super::locks::UpdateLocks;
use super::world::World;
use crate::Errno;
use crate::ap::{ApConfig, ApDriver, ApMask, Apqn};
use crate::vfio_ap::versions::commits::Commit;
use crate::vfio_ap::versions::v6_0::vfio_ap_mdev_remove;

/// The alternative in which a queue is in use if a guest has it, and not if it is assigned. A world
/// has it as its [own](World::own) object.
#[derive(Clone, Copy, Debug)]
pub(super) struct InUseByGuest;

impl ApDriver for World {
    /// Models `vfio_ap_mdev_resource_in_use`. Up to v5.19 the bus does not call it.
    ///
    /// Locks: (`ap_perms_mutex`) -> `guests_lock` -> `mdevs_lock`.
    fn in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        if !self.has(Commit::DynamicConfiguration) {
            return Ok(());
        }
        let _function = function("vfio_ap_mdev_resource_in_use");
        let guests = self.matrix_dev.guests_lock.lock();
        let mdevs = self.matrix_dev.lock.lock();
        let by_guest = self.own.of::<InUseByGuest>().is_some();
        let in_use = mdevs.mdevs.iter().enumerate().any(|(mdev, m)| {
            m.listed
                && m.assigned.matrix.intersects(apm, aqm)
                && (!by_guest || self.matrix_dev.mdev(mdev).kvm(&self.kvms).is_some())
        });
        mdevs.unlock();
        guests.unlock();
        if in_use { Err(Errno::Eaddrinuse) } else { Ok(()) }
    }

    fn probe(&self, apqn: Apqn) -> Result<(), Errno> {
        (self.probe_queue)(self, apqn)
    }

    /// Runs the remove function of the driver and then `ap_queue_remove` of the bus, which resets
    /// the queue.
    fn remove(&self, apqn: Apqn) {
        (self.remove_queue)(self, apqn);
        self.hardware.zapq(apqn);
    }

    fn zcrypt_probe(&self, apqn: Apqn) {
        self.hardware.check_no_guest_has(apqn);
    }
}

impl World {
    /// Records for INV-07 that a matrix has changed.
    #[track_caller]
    pub fn now_assigned(&self, locks: &UpdateLocks<'_>) {
        let listed = locks.mdevs.mdevs.iter().filter(|m| m.listed);
        self.bus.now_assigned(listed.flat_map(|m| m.assigned.matrix.apqns()));
    }

    /// Models `ap_scan_bus`, which detects a change of the host's AP configuration.
    ///
    /// Locks: those of [`vfio_ap_on_cfg_changed`]; then, for each queue that is lost or gained, the
    /// device lock and those of the driver; then those of [`vfio_ap_on_scan_complete`].
    pub fn ap_scan_bus(&self, old: &ApConfig, new: &ApConfig) {
        let _function = function("ap_scan_bus");
        let (lost, gained) = (old.without(new), new.without(old));
        let concerns = |changed: &ApConfig, apqn: Apqn| {
            changed.matrix.apm.test(apqn.apid) || changed.matrix.aqm.test(apqn.apqi)
        };
        for apqn in self.bus.apqns() {
            if concerns(&lost, apqn) {
                self.hardware.happens(apqn, ApQueue::leaves);
            } else if concerns(&gained, apqn) {
                self.hardware.happens(apqn, |queue| queue.config = Config::Configured);
            }
        }
        vfio_ap_on_cfg_changed(self, new, old);
        for apqn in self.bus.apqns() {
            if concerns(&lost, apqn) {
                self.bus.unbind(self, apqn);
            } else if concerns(&gained, apqn) {
                self.bus.bind(self, apqn);
            }
        }
        vfio_ap_on_scan_complete(self);
    }

    /// Models `vfio_ap_matrix_dev_release`, which runs when the driver's device has lost its last
    /// reference. It frees the result of `dev_get_drvdata`, which is NULL up to v6.2.
    pub fn vfio_ap_matrix_dev_release(&self, matrix_dev: &Tracked) {
        let _function = function("vfio_ap_matrix_dev_release");
        let drvdata = self.has(Commit::MatrixDevFreed).then_some(matrix_dev);
        if let Some(matrix_dev) = drvdata {
            matrix_dev.release();
        }
    }

    /// Models `delete_module` up to the point where the text would be freed. It is refused while a
    /// callback runs. Then `vfio_ap_exit` removes the mediated devices, none of which is open, and
    /// releases the queues.
    pub fn delete_module(&self) {
        let _function = function("vfio_ap_exit");
        if self.bus.vfio_ap().delete().is_err() {
            return;
        }
        // mdev_unregister_parent
        let listed = self.matrix_dev.mdev_list.walk();
        self.matrix_dev.mdev_list.walked();
        listed.into_iter().for_each(|mdev| vfio_ap_mdev_remove(self, mdev));
        // ap_driver_unregister
        for apqn in self.bus.apqns() {
            self.bus.unbind(self, apqn);
        }
    }
}
