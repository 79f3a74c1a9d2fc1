//! The `status` attribute of a queue device, and the wait for its readers.
//!
//! Removing an attribute waits until it has no readers. A reader takes the driver's mutex, so the
//! attribute must not be removed with the mutex held.
//!
//! Source: commit f139862b92cf, v5.17; v6.0 removes the attribute first.

use selvedge_core::function;
use selvedge_core::sync::Mutex;

use super::attributes::Attributes;

/// When the attribute is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// v5.17 to v5.19: with the driver's mutex held.
    UnderTheMutex,
    /// Since v6.0: before the mutex is taken.
    First,
}

/// A queue device with its attribute.
#[derive(Debug)]
pub struct QueueDevice {
    removed: Removed,
    matrix_dev_lock: Mutex,
    /// The attributes.
    pub attributes: Attributes,
}

impl QueueDevice {
    /// Creates a device that is bound to the driver.
    pub fn new(removed: Removed) -> Self {
        Self {
            removed,
            matrix_dev_lock: Mutex::new("matrix_dev->lock", ()),
            attributes: Attributes::new(),
        }
    }

    /// Models `status_show`. Locks: (the active reference) -> `matrix_dev->lock`.
    pub fn status_show(&self) {
        if let Some(_active) = self.attributes.read() {
            let _function = function("status_show");
            self.matrix_dev_lock.lock().unlock();
        }
    }

    /// Models `vfio_ap_queue_dev_remove`, later `vfio_ap_mdev_remove_queue`.
    pub fn remove_queue(&self) {
        let _function = function("vfio_ap_mdev_remove_queue");
        match self.removed {
            Removed::UnderTheMutex => {
                let _matrix_dev = self.matrix_dev_lock.lock();
                self.attributes.remove();
            }
            Removed::First => {
                self.attributes.remove();
                self.matrix_dev_lock.lock().unlock();
            }
        }
    }
}
