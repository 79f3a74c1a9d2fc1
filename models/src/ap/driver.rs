//! The functions that the bus calls in a driver: `struct ap_driver`.

use super::{ApMask, Apqn};
use crate::Errno;

/// The callbacks of a driver that passes queues through to guests.
pub trait ApDriver {
    /// Checks whether a queue of the adapters `apm` and domains `aqm` is in use. The caller holds
    /// `ap_perms_mutex`.
    ///
    /// # Errors
    ///
    /// The error with which the driver vetoes the change of a mask.
    fn in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno>;

    /// Binds the device of the queue to the driver. The caller holds the device lock.
    ///
    /// # Errors
    ///
    /// If the driver cannot take the device, which then stays unbound.
    fn probe(&self, apqn: Apqn) -> Result<(), Errno>;

    /// Unbinds the device of the queue from the driver. The caller holds the device lock.
    fn remove(&self, apqn: Apqn);

    /// Binds the device to the host's own driver, which uses the queue from now on.
    fn zcrypt_probe(&self, apqn: Apqn);
}
