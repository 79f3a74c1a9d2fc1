//! VFIO's device: why a mediated device that is open is not removed.
//!
//! The driver's remove function cannot refuse: whoever calls it does not listen. So VFIO waits
//! before that until nobody has the device open, and lets nobody open it meanwhile.
//!
//! Source: `vfio_register_group_dev` and `vfio_unregister_group_dev`, which the driver calls since
//! commit eb0feefd4c02, v5.15.

use selvedge_core::function;
use selvedge_core::sync::{Completion, Kref};

/// `struct vfio_device`.
#[derive(Debug)]
pub struct VfioDevice {
    refcount: Kref,
    comp: Completion,
}

impl VfioDevice {
    /// `vfio_register_group_dev`: a device that nobody has open.
    pub fn register() -> Self {
        let comp = Completion::new("vfio_device->comp");
        Self { refcount: Kref::new("vfio_device->refcount"), comp }
    }

    /// `vfio_device_try_get`, when the device is opened. Whether it can be: not while it is
    /// removed.
    #[must_use = "a device that is being removed cannot be opened"]
    #[track_caller]
    pub fn try_get(&self) -> bool {
        self.refcount.get_unless_zero()
    }

    /// `vfio_device_put`, when the device is closed.
    #[track_caller]
    pub fn put(&self) {
        if self.refcount.put() {
            self.comp.complete_all();
        }
    }

    /// `vfio_unregister_group_dev`: waits until nobody has the device open.
    pub fn unregister(&self) {
        let _function = function("vfio_unregister_group_dev");
        self.put();
        self.comp.wait_for_completion();
    }
}
