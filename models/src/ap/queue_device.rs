//! The device of a queue, and the driver that it is bound to.

use selvedge_core::sync::{Atomic, AtomicValue, Ghost, Mutex};

use super::Apqn;
use super::driver_override::DriverOverride;

/// A driver that a queue device can be bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Driver {
    /// The host's own driver: `AP_DRIVER_FLAG_DEFAULT`.
    Zcrypt,
    /// The driver that passes queues through to guests.
    VfioAp,
}

impl AtomicValue for Driver {
    fn to_word(self) -> u64 {
        self as u64
    }

    fn from_word(word: u64) -> Self {
        [Self::Zcrypt, Self::VfioAp][word as usize]
    }
}

/// The device of a queue.
#[derive(Debug)]
pub struct QueueDevice {
    pub(super) apqn: Apqn,
    /// `device_lock(dev)`.
    pub(super) device_lock: Mutex,
    /// `dev->driver`, which a walk over the bus reads without the lock.
    pub(super) driver: Atomic<Option<Driver>>,
    /// How often the remove function of vfio_ap has run since its probe function ran.
    pub(super) removed: Ghost<u32>,
    /// `driver_override`, since v6.19.
    pub(super) driver_override: Option<DriverOverride>,
}

impl QueueDevice {
    pub(super) fn new(apqn: Apqn, driver: Driver) -> Self {
        Self {
            apqn,
            device_lock: Mutex::new("device_lock", ()),
            driver: Atomic::new("dev->driver", Some(driver)),
            removed: Ghost::new("removed", 0),
            driver_override: None,
        }
    }

    /// Returns the driver that the device is bound to now.
    #[track_caller]
    pub fn driver(&self) -> Option<Driver> {
        self.driver.load()
    }
}
