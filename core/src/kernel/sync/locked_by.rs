//! Data of which a lock elsewhere admits one holder, as `rust/kernel/sync/locked_by.rs` (v6.15).
//!
//! `unsafe` is sound here for the kernel's reason. A thread that refers to the data of a lock has
//! locked it: the address of a value that takes up memory is that of one live value, and the lock
//! lends that to one thread. If the lock is gone and another value has its address, that also has
//! one holder at a time. The borrow of the data lasts no longer than that of the owner.

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;

use super::lock::{Backend, Lock};
use crate::declare;
use crate::runtime;

/// Data that the lock of an owner protects: the children of an object, under its mutex.
///
/// States with such data cannot be compared, since the lock does not know them.
///
/// ```
/// use selvedge_core::kernel::sync::{LockedBy, Mutex, new_mutex};
///
/// struct Directory {
///     bytes_used: u64,
/// }
///
/// struct File {
///     bytes_used: LockedBy<u64, Directory>,
/// }
///
/// selvedge_core::check(|| {
///     let directory: Mutex<Directory> = new_mutex!(Directory { bytes_used: 0 }, "directory");
///     let file = File { bytes_used: LockedBy::new(&directory, 0) };
///     let mut held = directory.lock();
///     held.bytes_used += 10;
///     *file.bytes_used.access_mut(&mut held) += 10;
///     assert_eq!(*file.bytes_used.access(&held), held.bytes_used);
/// });
/// ```
pub struct LockedBy<T, U> {
    /// The address of the data of the lock.
    owner: *const U,
    data: UnsafeCell<T>,
}

// SAFETY: the pointer to the owner is compared and never followed.
unsafe impl<T: Send, U> Send for LockedBy<T, U> {}

// SAFETY: two threads have the data at once by `access` alone, which asks for `T: Sync`.
unsafe impl<T: Send, U> Sync for LockedBy<T, U> {}

impl<T, U: Send + 'static> LockedBy<T, U> {
    /// Creates data that `owner` protects.
    pub fn new<B: Backend>(owner: &Lock<U, B>, data: T) -> Self {
        const { assert!(size_of::<U>() > 0, "owners without a size have no address of their own") };
        runtime::note_opaque();
        Self { owner: std::ptr::without_provenance(owner.address()), data: UnsafeCell::new(data) }
    }
}

impl<T, U> LockedBy<T, U> {
    /// Returns the data. `owner` shows that the lock is held.
    ///
    /// # Violations
    ///
    /// The invariant `LockedBy` if `owner` is the data of another lock, for which the kernel
    /// panics ("mismatched owners").
    #[track_caller]
    pub fn access<'a>(&'a self, owner: &'a U) -> &'a T
    where
        T: Sync,
    {
        self.check(owner);
        // SAFETY: while the owner is borrowed, no thread borrows it mutably, as `access_mut` does.
        unsafe { &*self.data.get() }
    }

    /// Returns the data, to be changed. `owner` shows that the lock is held.
    ///
    /// # Violations
    ///
    /// As [`access`](Self::access).
    #[track_caller]
    pub fn access_mut<'a>(&'a self, owner: &'a mut U) -> &'a mut T {
        self.check(owner);
        // SAFETY: while the owner is borrowed mutably, no other thread borrows it.
        unsafe { &mut *self.data.get() }
    }

    #[track_caller]
    fn check(&self, owner: &U) {
        if !std::ptr::eq(owner, self.owner) {
            const WHAT: &str = "mismatched owners: the lock that is held is another";
            declare::broken_at("LockedBy", WHAT.to_owned(), Location::caller());
            panic!("{WHAT}");
        }
    }
}

impl<T, U> fmt::Debug for LockedBy<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedBy").finish_non_exhaustive()
    }
}
