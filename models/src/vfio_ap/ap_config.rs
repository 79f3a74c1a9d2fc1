//! The attribute `ap_config`, which has all masks of a mediated device.
//!
//! A write changes all masks or none. It installs the new masks to validate them, restores the old
//! ones to unplug the removed queues, and installs the new ones again. All locks are held during
//! this, so no other thread sees the intermediate steps, except a reader of the attribute, which
//! takes no lock (B25).
//!
//! Source: `ap_config_store` and `ap_config_show`, v6.10.

use selvedge_core::function;
use selvedge_core::sync::Atomic;

use super::assign::{unassign, validate};
use super::filter::{filter_and_update, vfio_ap_mdev_filter_cdoms};
use super::locks::get_update_locks_for_mdev;
use super::resource::Resource;
use super::world::World;
use crate::Errno;
use crate::ap::{ApConfig, ApMask, ApMatrix};
use crate::vfio_ap::versions::commits::Commit;

/// The masks of a mediated device, for threads that read them without a lock.
#[derive(Debug)]
pub struct Masks {
    apm: Atomic,
    aqm: Atomic,
    adm: Atomic,
}

/// Returns the first word of a mask. The first bit of the mask is the most significant one.
fn word(mask: &ApMask) -> u64 {
    mask.bits().filter(|bit| *bit < 64).fold(0, |word, bit| word | 1 << (63 - bit))
}

fn mask(word: u64) -> ApMask {
    ApMask::of((0..64).filter(|bit| word & 1 << (63 - bit) != 0))
}

impl Masks {
    /// Creates the masks of a device with this assigned configuration.
    pub fn new(config: &ApConfig) -> Self {
        let ApConfig { matrix: ApMatrix { apm, aqm }, adm } = config;
        Self {
            apm: Atomic::new("matrix.apm", word(apm)),
            aqm: Atomic::new("matrix.aqm", word(aqm)),
            adm: Atomic::new("matrix.adm", word(adm)),
        }
    }

    /// Writes one mask after the other.
    #[track_caller]
    fn install(&self, config: &ApConfig) {
        self.apm.store(word(&config.matrix.apm));
        self.aqm.store(word(&config.matrix.aqm));
        self.adm.store(word(&config.adm));
    }

    /// Writes the mask that contains a resource.
    #[track_caller]
    pub fn write(&self, resource: Resource, config: &ApConfig) {
        match resource {
            Resource::Adapter(_) => self.apm.store(word(&config.matrix.apm)),
            Resource::Domain(_) => self.aqm.store(word(&config.matrix.aqm)),
            Resource::ControlDomain(_) => self.adm.store(word(&config.adm)),
        }
    }

    /// Reads the adapters and then the domains.
    #[track_caller]
    pub fn load_matrix(&self) -> ApMatrix {
        ApMatrix { apm: mask(self.apm.load()), aqm: mask(self.aqm.load()) }
    }

    /// Reads one mask after the other.
    #[track_caller]
    pub fn load(&self) -> ApConfig {
        ApConfig { matrix: self.load_matrix(), adm: mask(self.adm.load()) }
    }
}

/// Models `ap_config_store`.
///
/// Locks: `ap_perms_mutex` -> `guests_lock` -> `kvm->lock` -> `mdevs_lock` -> `iommu->lock`.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] and [`Errno::Eaddrinuse`], as for a single adapter or domain.
pub fn ap_config_store(w: &World, mdev: usize, new: &ApConfig) -> Result<(), Errno> {
    let _function = function("ap_config_store");
    let ap_perms = w.bus.ap_perms_mutex().lock();
    let mut locks = get_update_locks_for_mdev(w, mdev);
    let old = locks.mdevs.mdevs[mdev].assigned;
    let masks = &w.matrix_dev.mdev(mdev).masks;
    masks.install(new);
    let valid = validate(w, &ap_perms, &locks, mdev, &new.matrix);
    masks.install(&old);
    if valid.is_ok() {
        let removed = old.without(new).matrix;
        for apid in removed.apm.bits() {
            unassign(w, &mut locks, mdev, Resource::Adapter(apid));
        }
        for apqi in removed.aqm.bits() {
            unassign(w, &mut locks, mdev, Resource::Domain(apqi));
        }
        masks.install(new);
        locks.assign(mdev, *new);
        w.now_assigned(&locks);
        let hashed = locks.mdevs.hashed(mdev);
        let linked = new.matrix.apqns().filter(|apqn| !hashed.contains(apqn));
        linked.for_each(|apqn| locks.link(apqn, mdev));
        let control = vfio_ap_mdev_filter_cdoms(&mut locks, mdev);
        filter_and_update(w, &mut locks, mdev, new.matrix.into(), control);
    }
    locks.release();
    ap_perms.unlock();
    valid
}

/// Models `ap_config_show`. Locks: none.
pub fn ap_config_show(w: &World, mdev: usize) -> ApConfig {
    let _function = function("ap_config_show");
    if w.has(Commit::ApConfigUnderLock) {
        return w.matrix_dev.lock.lock().mdevs[mdev].assigned;
    }
    w.matrix_dev.mdev(mdev).masks.load()
}

/// Models `matrix_show`, `control_domains_show` and `guest_matrix_show`. Returns the assigned
/// configuration and the part of it that a guest gets.
///
/// Locks: `mdevs_lock`.
pub fn matrix_show(w: &World, mdev: usize) -> (ApConfig, ApConfig) {
    let _function = function("matrix_show");
    let mdevs = w.matrix_dev.lock.lock();
    let m = &mdevs.mdevs[mdev];
    (m.assigned, m.shadow_apcb)
}
