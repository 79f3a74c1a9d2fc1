//! The lookup of a queue by its number, and a queue that is being removed meanwhile.
//!
//! Up to v5.19 the lookup walked the driver core's list of bound devices and compared numbers. The
//! number is in the memory of the queue, which the device points to. A device leaves that list only
//! after the driver's remove function has returned, and by then the pointer is NULL. Since v6.0 a
//! mediated device has a table of its queues.
//!
//! Source: `vfio_ap_find_queue` in `drivers/s390/crypto/vfio_ap_ops.c`, v5.10, and commit
//! 49b0109fb399.

use selvedge_core::function;
use selvedge_core::sync::{Mutex, RwSem};

use super::matrix_dev::not_null;
use crate::ap::Apqn;

/// The structure that the driver searches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// v5.3 to v5.19: `driver_find_device`.
    DriverList,
    /// Since v6.0: `matrix_mdev->qtable`.
    Table,
}

/// The queues that are bound to the driver.
#[derive(Debug)]
pub struct Queues {
    lookup: Lookup,
    /// The list of the driver core.
    klist_devices: RwSem<Vec<Apqn>>,
    /// The driver's mutex, and for each device the number in the memory that it points to.
    lock: Mutex<Vec<(Apqn, Option<Apqn>)>>,
}

impl Queues {
    /// Creates a driver with these queues bound.
    pub fn new(lookup: Lookup, apqns: &[Apqn]) -> Self {
        let drvdata = apqns.iter().map(|apqn| (*apqn, Some(*apqn))).collect();
        Self {
            lookup,
            klist_devices: RwSem::new("klist_devices", apqns.to_vec()),
            lock: Mutex::new("matrix_dev->lock", drvdata),
        }
    }

    /// Models the lookup in `handle_pqap`. Locks: `matrix_dev->lock` -> the list.
    pub fn handle_pqap(&self, apqn: Apqn) -> bool {
        let _function = function("vfio_ap_get_queue");
        let drvdata = self.lock.lock();
        let data = |device: Apqn| drvdata.iter().find(|(of, _)| *of == device)?.1;
        match self.lookup {
            Lookup::DriverList => {
                let devices = self.klist_devices.down_read();
                let mut devices = devices.iter();
                devices.any(|device| not_null(data(*device), "dev->driver_data") == apqn)
            }
            Lookup::Table => data(apqn) == Some(apqn),
        }
    }

    /// Unbinds the device, in the driver's remove function and then in the driver core.
    ///
    /// Locks: `matrix_dev->lock`; the list.
    pub fn unbind(&self, apqn: Apqn) {
        let _function = function("vfio_ap_queue_dev_remove");
        let mut drvdata = self.lock.lock();
        if let Some((_, data)) = drvdata.iter_mut().find(|(of, _)| *of == apqn) {
            *data = None;
        }
        drvdata.unlock();
        self.klist_devices.down_write().retain(|device| *device != apqn);
    }
}
