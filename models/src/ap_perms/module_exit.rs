//! A callback into a module that is being unloaded.
//!
//! The AP bus is built in and vfio_ap is a module, so the driver may be unloading while the bus
//! calls its `in_use`. Two things can protect the text of the driver. One is a reference to the
//! module. The other is the bus's list of drivers, since unregistering the driver waits while a
//! walk over the list holds its node. Cornelia Huck asked whether the list is not enough. Harald
//! Freudenberger kept the reference, because zcrypt had crashed at once when a similar reference
//! was removed there.
//!
//! Source: "[PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in use", review
//! of 2020-04-14 to 2020-04-17.

use selvedge_core::function;
use selvedge_core::sync::{ModuleRef, Mutex, RwSem};

/// What protects the driver during the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Nothing: the walk takes the pointer from the list and releases its node before the call.
    ByNothing,
    /// The walk holds the driver's node during the call (`bus_for_each_drv`).
    ByKlist,
    /// A module reference (`try_module_get`, `module_put`) that is requested after the node is
    /// released.
    ByLateModuleRef,
    /// A module reference that is taken while the node is held. The node is released after that.
    ByModuleRef,
    /// The merged code: the node is held during the whole call, and so is a reference.
    ByBoth,
}

/// The bus's list of drivers and the module whose driver is on it.
#[derive(Debug)]
pub struct DriverCore {
    kept: Kept,
    /// `bus->p->klist_drivers`. A walk holds the node at its position, and `klist_remove` waits
    /// until no walk does. The value says whether the driver is on the list.
    klist_drivers: RwSem<bool>,
    vfio_ap: ModuleRef,
    /// `matrix_dev->lock`, in the module's memory.
    matrix_dev_lock: Mutex,
}

impl DriverCore {
    /// Creates the list with the driver registered and its module loaded.
    pub fn new(kept: Kept) -> Self {
        Self {
            kept,
            klist_drivers: RwSem::new("klist_drivers", true),
            vfio_ap: ModuleRef::new("vfio_ap"),
            matrix_dev_lock: Mutex::new("matrix_dev->lock", ()),
        }
    }

    /// Models `bus_for_each_drv(__verify_card_reservations)`, which `apmask_store` calls.
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
        // The return is also a jump into the text.
        self.vfio_ap.call();
    }

    /// Models `delete_module(2)`, which fails while the module is referenced. Otherwise it runs the
    /// exit function of the module and frees it.
    pub fn delete_module(&self) {
        let _function = function("delete_module");
        if self.vfio_ap.delete().is_err() {
            return;
        }
        self.vfio_ap_exit();
        self.vfio_ap.free();
    }

    /// Models `vfio_ap_exit`, in which `ap_driver_unregister` removes the driver from the bus's
    /// list.
    fn vfio_ap_exit(&self) {
        let _function = function("vfio_ap_exit");
        self.matrix_dev_lock.lock().unlock();
        *self.klist_drivers.down_write() = false;
    }
}
