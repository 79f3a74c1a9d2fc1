//! The device of VFIO, which prevents the removal of an open mediated device.
//!
//! The driver's remove function cannot refuse, since its caller ignores the result. VFIO therefore
//! first waits until the device is closed, and refuses to open it meanwhile.
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
    /// Models `vfio_register_group_dev`, which creates a closed device.
    pub fn register() -> Self {
        let comp = Completion::new("vfio_device->comp");
        Self { refcount: Kref::new("vfio_device->refcount"), comp }
    }

    /// Models `vfio_device_try_get`, which runs when the device is opened. Returns whether the
    /// device can be opened, which is not possible during its removal.
    #[must_use = "a device that is being removed cannot be opened"]
    #[track_caller]
    pub fn try_get(&self) -> bool {
        self.refcount.get_unless_zero()
    }

    /// Models `vfio_device_put`, which runs when the device is closed.
    #[track_caller]
    pub fn put(&self) {
        if self.refcount.put() {
            self.comp.complete_all();
        }
    }

    /// Models `vfio_unregister_group_dev`, which waits until the device is closed.
    pub fn unregister(&self) {
        let _function = function("vfio_unregister_group_dev");
        self.put();
        self.comp.wait_for_completion();
    }
}
