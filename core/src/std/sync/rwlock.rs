//! Read-write locks.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockError, TryLockResult};

use crate::name::Name;
use crate::sync::{ReadGuard, RwSem, WriteGuard};

use super::mutex::Held;

/// A read-write lock of any value, as [`std::sync::RwLock`].
///
/// Its threads do not overtake each other, as those of a [`RwSem`] do not. `std` leaves the order
/// open. An order in which one overtakes another has the same effects as one in which it came
/// first, and the lock never lets a thread read again while another waits to write: a thread that
/// relies on that deadlocks here, as `std` says that it might.
pub struct RwLock<T: Send + Sync + 'static> {
    lock: RwSem<Held<T>>,
}

impl<T: Send + Sync + 'static> RwLock<T> {
    /// Creates a lock that no thread holds. States with such a lock cannot be compared.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { lock: RwSem::new(Name::here(), Held::new(value)) }
    }

    /// Waits until no thread writes, and takes the lock for reading.
    ///
    /// # Errors
    ///
    /// None: a panic of the holder has ended the execution.
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        Ok(RwLockReadGuard { guard: self.lock.down_read() })
    }

    /// Takes the lock for reading, if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not.
    #[track_caller]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let guard = self.lock.try_down_read().ok_or(TryLockError::WouldBlock)?;
        Ok(RwLockReadGuard { guard })
    }

    /// Waits until no thread reads or writes, and takes the lock for writing.
    ///
    /// # Errors
    ///
    /// None, as for [`read`](Self::read).
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        Ok(RwLockWriteGuard { guard: self.lock.down_write() })
    }

    /// Takes the lock for writing, if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not.
    #[track_caller]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let guard = self.lock.try_down_write().ok_or(TryLockError::WouldBlock)?;
        Ok(RwLockWriteGuard { guard })
    }

    /// Returns the value, which no other thread can reach.
    ///
    /// # Errors
    ///
    /// None, as for [`read`](Self::read).
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        Ok(&mut self.lock.data.get_mut().value)
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// None, as for [`read`](Self::read).
    pub fn into_inner(self) -> LockResult<T> {
        Ok(self.lock.data.into_inner().value)
    }

    /// Returns false: no lock is poisoned.
    pub fn is_poisoned(&self) -> bool {
        false
    }
}

impl<T: Default + Send + Sync> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Send + Sync> From<T> for RwLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Send + Sync> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.lock, f)
    }
}

/// The right to read what a lock protects, until it is dropped.
pub struct RwLockReadGuard<'a, T: Send + Sync + 'static> {
    guard: ReadGuard<'a, Held<T>>,
}

impl<T: Send + Sync> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard.value
    }
}

impl<T: fmt::Debug + Send + Sync> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to access what a lock protects, until it is dropped.
pub struct RwLockWriteGuard<'a, T: Send + Sync + 'static> {
    guard: WriteGuard<'a, Held<T>>,
}

impl<T: Send + Sync> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard.value
    }
}

impl<T: Send + Sync> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard.value
    }
}

impl<T: fmt::Debug + Send + Sync> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
