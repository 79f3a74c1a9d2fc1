//! The list of all functions, on which a function can be found while its last reference is dropped
//! (B22).
//!
//! Source: `get_zdev_by_fid` and `zpci_zdev_put`, `arch/s390/pci/pci.c`, v6.15.

use selvedge_core::function;
use selvedge_core::sync::{Kref, SpinLock, Tracked};

/// `zpci_list`, with one function on it.
#[derive(Debug)]
pub struct Zdevs {
    /// `zpci_list_lock`, with whether the function is on the list.
    listed: SpinLock<bool>,
    kref: Kref,
    memory: Tracked,
}

impl Zdevs {
    /// Creates the list with one function, which has one reference.
    #[expect(clippy::new_without_default, reason = "it creates objects of the current runtime")]
    pub fn new() -> Self {
        Self {
            listed: SpinLock::new("zpci_list_lock", true),
            kref: Kref::new("zdev->kref"),
            memory: Tracked::new("zpci_dev", ()),
        }
    }

    /// Handles an event that the function is available again: `get_zdev_by_fid`, an access, and
    /// `zpci_zdev_put`. Locks: `zpci_list_lock`.
    pub fn event(&self, put: fn(&Self)) {
        let _function = function("__zpci_event_availability");
        let listed = self.listed.spin_lock();
        let found = *listed;
        if found {
            self.kref.get();
        }
        listed.unlock();
        if found {
            _ = self.memory.get();
            put(self);
        }
    }

    /// Models `zpci_zdev_put` with `kref_put`, which removes the function from the list when the
    /// count is already zero.
    pub fn kref_put(&self) {
        let _function = function("zpci_zdev_put");
        if self.kref.put() {
            *self.listed.spin_lock() = false;
            self.memory.release();
        }
    }

    /// Models `zpci_zdev_put` with `kref_put_lock`, which makes the count zero with the list
    /// locked.
    pub fn kref_put_lock(&self) {
        let _function = function("zpci_zdev_put");
        let mut listed = self.listed.spin_lock();
        let last = self.kref.put();
        if last {
            *listed = false;
        }
        listed.unlock();
        if last {
            self.memory.release();
        }
    }
}
