//! What the bus calls in a driver: `struct ap_driver`.

use super::{ApMask, Apqn};
use crate::Errno;

/// The callbacks of a driver that passes queues through to guests.
pub trait ApDriver {
    /// Whether a queue of adapters `apm` and domains `aqm` is in use. Called with
    /// `ap_perms_mutex` held.
    ///
    /// # Errors
    ///
    /// Whatever the driver says to veto the change of a mask.
    fn in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno>;

    /// The queue's device is being bound to the driver. Called with its device lock held.
    ///
    /// # Errors
    ///
    /// If the driver cannot take it, and the device stays unbound.
    fn probe(&self, apqn: Apqn) -> Result<(), Errno>;

    /// The queue's device is being unbound from the driver. Called with its device lock held.
    fn remove(&self, apqn: Apqn);

    /// The device is bound to the host's own driver instead, which uses the queue from now on.
    fn zcrypt_probe(&self, apqn: Apqn);
}
