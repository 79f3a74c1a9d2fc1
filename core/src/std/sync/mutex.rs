//! Mutexes.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockError, TryLockResult};

use crate::name::Name;
use crate::{runtime, sync};

/// A mutex of any value, as [`std::sync::Mutex`].
pub struct Mutex<T: Send + 'static> {
    lock: sync::Mutex<Held<T>>,
}

/// A value behind a lock.
pub struct Held<T> {
    pub(crate) value: T,
    /// How it is compared, if it can be.
    hash: Option<fn(&T, &mut dyn Hasher)>,
}

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value, hash: None }
    }

    pub(crate) fn hashed(value: T) -> Self
    where
        T: Hash,
    {
        Self { value, hash: Some(|value, mut hasher| value.hash(&mut hasher)) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Hash for Held<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self.hash {
            Some(hash) => hash(&self.value, hasher),
            None => runtime::note_opaque(),
        }
    }
}

impl<T: Send + 'static> Mutex<T> {
    /// Creates an unlocked mutex. States with such a mutex cannot be compared.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { lock: sync::Mutex::new(Name::here(), Held::new(value)) }
    }

    /// Creates an unlocked mutex of a value that the engine compares by its `Hash`. If all mutexes
    /// of a program are so, each state is visited once.
    ///
    /// ```
    /// use selvedge_core::std::sync::{Arc, Mutex};
    /// use selvedge_core::std::{model, thread};
    /// use selvedge_core::{Checker, Search};
    ///
    /// let program = || {
    ///     let count = Arc::new(Mutex::hashed(0));
    ///     let other = Arc::clone(&count);
    ///     let thread = thread::spawn(move || *other.lock().unwrap() += 1);
    ///     *count.lock().unwrap() += 1;
    ///     thread.join().unwrap();
    /// };
    /// let report = Checker::native().run(&model::scenario("hashed", program));
    /// assert_eq!(report.search, Some(Search::Auto));
    /// ```
    #[track_caller]
    pub fn hashed(value: T) -> Self
    where
        T: Hash,
    {
        Self { lock: sync::Mutex::new(Name::here(), Held::hashed(value)) }
    }

    /// Waits until the mutex is free and takes it.
    ///
    /// # Errors
    ///
    /// None: a panic of the holder has ended the execution.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        Ok(self.held())
    }

    #[track_caller]
    pub(in crate::std) fn held(&self) -> MutexGuard<'_, T> {
        MutexGuard { guard: self.lock.lock() }
    }

    /// Takes the mutex if it is free.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not.
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let guard = self.lock.try_lock().ok_or(TryLockError::WouldBlock)?;
        Ok(MutexGuard { guard })
    }

    /// Returns the value, which no other thread can reach.
    ///
    /// # Errors
    ///
    /// None, as for [`lock`](Self::lock).
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        Ok(&mut self.lock.data.get_mut().value)
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// None, as for [`lock`](Self::lock).
    pub fn into_inner(self) -> LockResult<T> {
        Ok(self.lock.data.into_inner().value)
    }

    /// Returns false: no mutex is poisoned.
    pub fn is_poisoned(&self) -> bool {
        false
    }
}

impl<T: Default + Send> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Send> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Send> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.lock, f)
    }
}

/// The right to access what a mutex protects, until it is dropped.
pub struct MutexGuard<'a, T: Send + 'static> {
    pub(super) guard: sync::MutexGuard<'a, Held<T>>,
}

impl<T: Send> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard.value
    }
}

impl<T: Send> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard.value
    }
}

impl<T: fmt::Debug + Send> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
