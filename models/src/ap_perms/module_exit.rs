//! A callback into a module that is being unloaded.
//!
//! The AP bus is built in, vfio_ap is a module: when the bus calls the driver's `in_use`, the
//! driver may be on its way out. Two things can keep its text: a reference to the module, and
//! the bus's list of drivers, from which unregistering waits to be able to take the driver while
//! somebody walks the list with a hold on its node. Cornelia Huck asked whether the list is not
//! enough; Harald Freudenberger kept the reference, because removing the like in zcrypt had
//! crashed at once.
//!
//! Source: "[PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in use", review
//! of 2020-04-14 to 2020-04-17.

use selvedge_core::function;
use selvedge_core::sync::{ModuleRef, Mutex, RwSem};

/// What keeps the driver while it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Nothing: the walk takes the pointer from the list and lets go of its node.
    ByNothing,
    /// The walk holds the driver's node during the call (`bus_for_each_drv`).
    ByKlist,
    /// A module reference (`try_module_get`, `module_put`), asked for after the node was let go.
    ByLateModuleRef,
    /// A module reference, taken while the node is held, which is then let go.
    ByModuleRef,
    /// As merged: the node is held over the whole call, and a reference too.
    ByBoth,
}

/// The bus's list of drivers and the module whose driver is on it.
#[derive(Debug)]
pub struct DriverCore {
    kept: Kept,
    /// `bus->p->klist_drivers`: whoever walks it holds the node it stands on; `klist_remove`
    /// waits until nobody does. The value: whether the driver is on it.
    klist_drivers: RwSem<bool>,
    vfio_ap: ModuleRef,
    /// `matrix_dev->lock`, in the module's memory.
    matrix_dev_lock: Mutex,
}

impl DriverCore {
    /// The driver is registered and its module loaded.
    pub fn new(kept: Kept) -> Self {
        Self {
            kept,
            klist_drivers: RwSem::new("klist_drivers", true),
            vfio_ap: ModuleRef::new("vfio_ap"),
            matrix_dev_lock: Mutex::new("matrix_dev->lock", ()),
        }
    }

    /// `bus_for_each_drv(__verify_card_reservations)`, called by `apmask_store`.
    pub fn bus_for_each_drv(&self) {
        let _function = function("bus_for_each_drv");
        let node = self.klist_drivers.down_read();
        if !*node {
            return;
        }
        match self.kept {
            Kept::ByNothing => {
                node.up_read();
                self.vfio_ap_mdev_resource_in_use();
            }
            Kept::ByKlist => self.vfio_ap_mdev_resource_in_use(),
            Kept::ByLateModuleRef => {
                node.up_read();
                if self.vfio_ap.try_get() {
                    self.vfio_ap_mdev_resource_in_use();
                    self.vfio_ap.put();
                }
            }
            Kept::ByModuleRef => {
                let got = self.vfio_ap.try_get();
                node.up_read();
                if got {
                    self.vfio_ap_mdev_resource_in_use();
                    self.vfio_ap.put();
                }
            }
            Kept::ByBoth => {
                if self.vfio_ap.try_get() {
                    self.vfio_ap_mdev_resource_in_use();
                    self.vfio_ap.put();
                }
            }
        }
    }

    fn vfio_ap_mdev_resource_in_use(&self) {
        let _function = function("vfio_ap_mdev_resource_in_use");
        self.vfio_ap.call();
        self.matrix_dev_lock.lock().unlock();
        // The return is a jump into the text too.
        self.vfio_ap.call();
    }

    /// `delete_module(2)`: fails while the module is referenced, else runs its exit function
    /// and frees it.
    pub fn delete_module(&self) {
        let _function = function("delete_module");
        if self.vfio_ap.delete().is_err() {
            return;
        }
        self.vfio_ap_exit();
        self.vfio_ap.free();
    }

    /// `vfio_ap_exit`: `ap_driver_unregister` takes the driver off the bus's list.
    fn vfio_ap_exit(&self) {
        let _function = function("vfio_ap_exit");
        self.matrix_dev_lock.lock().unlock();
        *self.klist_drivers.down_write() = false;
    }
}
