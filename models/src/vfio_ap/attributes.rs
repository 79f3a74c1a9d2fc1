//! The sysfs attributes of a queue device, and the wait for whoever reads them.
//!
//! `sysfs_remove_group` returns when no reader is left in the attributes, so it is a wait for
//! whatever lock a reader takes. v5.17 waited with that very lock held (B17).

use selvedge_core::invariant_broken;
use selvedge_core::sync::{ReadGuard, RwSem};

/// The attribute group of a queue device. Its value: whether it is there.
#[derive(Debug)]
pub struct Attributes {
    /// The active references of kernfs: each reader has one, and removing waits for all.
    kernfs: RwSem<bool>,
}

impl Attributes {
    /// The group of a device that is bound to the driver.
    pub fn new() -> Self {
        Self { kernfs: RwSem::new("kernfs", true) }
    }

    /// `sysfs_create_group`.
    #[track_caller]
    pub fn create(&self) {
        *self.kernfs.down_write() = true;
    }

    /// `sysfs_remove_group`: waits until nobody reads.
    #[track_caller]
    pub fn remove(&self) {
        *self.kernfs.down_write() = false;
    }

    /// A reader comes, and finds the attribute or not.
    #[track_caller]
    pub fn read(&self) -> Option<ReadGuard<'_, bool>> {
        let reader = self.kernfs.down_read();
        reader.then_some(reader)
    }

    /// At the end: the group of a device without a driver is gone.
    ///
    /// # Violations
    ///
    /// `SYSFS-GROUP`.
    #[track_caller]
    pub fn check_removed(&self) {
        if *self.kernfs.down_read() {
            let message = "the driver has left, its attributes have not".to_owned();
            invariant_broken("SYSFS-GROUP", message);
        }
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self::new()
    }
}
