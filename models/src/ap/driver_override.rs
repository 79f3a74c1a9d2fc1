//! `driver_override`: the driver that an administrator has chosen for a queue, since v6.19.
//!
//! The choice is a string, and NULL leaves the queue to the masks. v6.19 replaces the string with
//! the device lock held and frees the old one. `__ap_revise_reserved` reads it without a lock,
//! after `apmask_store` has released `ap_attr_mutex` (commit 81d6f7c3a70b: a use after free). Since
//! then a spinlock of the device protects the string.
//!
//! Source: commits d38a87d7c064, 46030379f13c and 6917f434fda3, v6.19; `driver_set_override` in
//! `drivers/base/driver.c`; 81d6f7c3a70b, 2026.

use selvedge_core::function;
use selvedge_core::sync::{Atomic, Ghost, Mutex, SpinLock, Tracked};

use super::Driver;

/// What protects the string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Overrides {
    /// There is no such attribute, up to v6.18.
    None,
    /// The device lock while it is replaced, and nothing while it is read: v6.19 and v7.0.
    WrittenUnderDeviceLock,
    /// A spinlock: commit 81d6f7c3a70b.
    UnderSpinLock,
}

/// The string of a queue device.
#[derive(Debug)]
pub struct DriverOverride {
    /// `ap_dev->driver_override`: 0 for NULL, or the number of a string.
    pointer: Atomic,
    /// The memory of the strings. The device begins with the first one, if it has one.
    strings: Vec<(Tracked, Driver)>,
    /// Which of them are freed.
    freed: Ghost<Vec<bool>>,
    /// `dev->driver_override.lock`, if it protects the string.
    lock: Option<SpinLock>,
}

impl DriverOverride {
    /// Creates the choice of a queue. It can be changed if there is `room` for the strings.
    pub(super) fn new(overrides: Overrides, chosen: Option<Driver>, room: bool) -> Self {
        let first = chosen.unwrap_or(Driver::VfioAp);
        let other = if first == Driver::VfioAp { Driver::Zcrypt } else { Driver::VfioAp };
        let string = |driver| (Tracked::new("driver_override", ()), driver);
        let drivers = if room { vec![first, other, first, other] } else { Vec::new() };
        let strings: Vec<_> = drivers.into_iter().map(string).collect();
        let spins = overrides == Overrides::UnderSpinLock;
        Self {
            pointer: Atomic::new("driver_override", u64::from(chosen.is_some())),
            freed: Ghost::new("freed", vec![false; strings.len()]),
            strings,
            lock: spins.then(|| SpinLock::new("driver_override.lock", ())),
        }
    }

    /// Returns whether a driver was chosen: `device_has_driver_override`.
    #[track_caller]
    pub(super) fn is_set(&self) -> bool {
        self.pointer.load() != 0
    }

    /// Returns the driver that was chosen.
    ///
    /// # Violations
    ///
    /// A use after release if the string is freed before it is read.
    #[track_caller]
    pub(super) fn chosen(&self) -> Option<Driver> {
        let _locked = self.lock.as_ref().map(SpinLock::spin_lock);
        let number = self.pointer.load();
        let (memory, driver) = self.strings.get((number as usize).checked_sub(1)?)?;
        memory.get();
        Some(*driver)
    }

    /// Models `device_match_driver_override`: returns whether `bound` is the driver that was
    /// chosen, if one was.
    #[track_caller]
    pub(super) fn device_match_driver_override(&self, bound: Option<Driver>) -> Option<bool> {
        self.chosen().map(|chosen| bound == Some(chosen))
    }

    /// Models `driver_set_override`, which replaces the string and then frees the old one.
    ///
    /// Locks: the device lock; since commit 81d6f7c3a70b `driver_override.lock` instead.
    pub(super) fn driver_set_override(&self, device_lock: &Mutex, chosen: Option<Driver>) {
        let _function = function("driver_set_override");
        let old = match &self.lock {
            Some(lock) => {
                let _locked = lock.spin_lock();
                self.replace(chosen)
            }
            None => {
                let _device = device_lock.lock();
                self.replace(chosen)
            }
        };
        if let Some(index) = (old as usize).checked_sub(1) {
            self.strings[index].0.release();
            self.freed.update(|freed| freed[index] = true);
        }
    }

    /// Stores a pointer to a new string with the name of `chosen`, and returns the old pointer.
    fn replace(&self, chosen: Option<Driver>) -> u64 {
        let old = self.pointer.load();
        let new = chosen.map_or(0, |chosen| {
            let mut strings = self.strings.iter().enumerate().skip(old as usize);
            let fresh = strings.find(|(_, (_, driver))| *driver == chosen);
            fresh.expect("there is room for each driver twice").0 as u64 + 1
        });
        self.pointer.store(new);
        old
    }

    /// Frees the other strings at the end.
    pub(super) fn free(&self) {
        let mut freed = Vec::new();
        self.freed.update(|now| freed.clone_from(now));
        let left = self.strings.iter().zip(freed).filter(|(_, freed)| !freed);
        left.for_each(|((memory, _), _)| memory.release());
    }
}
