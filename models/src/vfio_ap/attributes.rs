//! The sysfs attributes of a queue device, and the wait for their readers.
//!
//! `sysfs_remove_group` returns when the attributes have no reader, so it depends on every lock
//! that a reader takes. v5.17 called it with such a lock held (B17).

use selvedge_core::invariant_broken;
use selvedge_core::sync::{ReadGuard, RwSem};

/// The attribute group of a queue device. The value says whether it exists.
#[derive(Debug)]
pub struct Attributes {
    /// The active references of kernfs. Each reader has one, and removing the group waits for all
    /// of them.
    kernfs: RwSem<bool>,
}

impl Attributes {
    /// Creates the group of a device that is bound to the driver.
    pub fn new() -> Self {
        Self { kernfs: RwSem::new("kernfs", true) }
    }

    /// Models `sysfs_create_group`.
    #[track_caller]
    pub fn create(&self) {
        *self.kernfs.down_write() = true;
    }

    /// Models `sysfs_remove_group`, which waits until the group has no readers.
    #[track_caller]
    pub fn remove(&self) {
        *self.kernfs.down_write() = false;
    }

    /// Opens the attribute for reading, if it exists.
    #[track_caller]
    pub fn read(&self) -> Option<ReadGuard<'_, bool>> {
        let reader = self.kernfs.down_read();
        reader.then_some(reader)
    }

    /// Checks at the end that the group of a device without a driver is removed.
    ///
    /// # Violations
    ///
    /// `SYSFS-GROUP` if it is not.
    #[track_caller]
    pub fn check_removed(&self) {
        if *self.kernfs.down_read() {
            let message = "the driver is unbound, but its attributes remain".to_owned();
            invariant_broken("SYSFS-GROUP", message);
        }
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self::new()
    }
}
