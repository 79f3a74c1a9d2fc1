//! What happens once: [`Once`], [`OnceLock`] and [`LazyLock`].

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync;

use crate::name::Name;
use crate::runtime;
use crate::sync::{Atomic, Mutex};

/// A call that happens once, as [`std::sync::Once`]. Another caller waits for its end.
pub struct Once {
    done: Atomic<bool>,
    running: Mutex,
}

impl Once {
    /// Creates a call that has not happened.
    #[track_caller]
    pub fn new() -> Self {
        let name = Name::here();
        Self { done: Atomic::new(name, false), running: Mutex::new(name, ()) }
    }

    /// Calls `call`, unless that has happened, and waits until it has returned.
    #[track_caller]
    pub fn call_once(&self, call: impl FnOnce()) {
        if self.done.load() {
            return;
        }
        let _running = self.running.lock();
        if !self.done.load() {
            call();
            self.done.store(true);
        }
    }

    /// Returns whether the call has returned.
    #[track_caller]
    pub fn is_completed(&self) -> bool {
        self.done.load()
    }
}

impl Default for Once {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

/// A cell that is written once, as [`std::sync::OnceLock`]. States with such a cell cannot be
/// compared.
pub struct OnceLock<T> {
    once: Once,
    value: sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    /// Creates an empty cell.
    #[track_caller]
    pub fn new() -> Self {
        // A thread that finds the cell written does not observe which thread has written it.
        runtime::note_opaque();
        Self { once: Once::new(), value: sync::OnceLock::new() }
    }

    /// Returns the value, if there is one.
    #[track_caller]
    pub fn get(&self) -> Option<&T> {
        if self.once.is_completed() { self.value.get() } else { None }
    }

    /// Sets the value, unless there is one.
    ///
    /// # Errors
    ///
    /// `value`, if there is one already.
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("it is called once"));
        value.map_or(Ok(()), Err)
    }

    /// Returns the value, which `init` makes if there is none.
    #[track_caller]
    pub fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        self.once.call_once(|| _ = self.value.set(init()));
        self.value.get().expect("the call has returned")
    }

    /// Returns the value, which no other thread can reach, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Returns the value, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for OnceLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}

/// A value that is made when it is first used, as [`std::sync::LazyLock`].
pub struct LazyLock<T, F = fn() -> T> {
    value: OnceLock<T>,
    init: sync::Mutex<Cell<Option<F>>>,
}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Creates a value that `init` makes.
    #[track_caller]
    pub fn new(init: F) -> Self {
        Self { value: OnceLock::new(), init: sync::Mutex::new(Cell::new(Some(init))) }
    }

    /// Returns the value.
    ///
    /// # Panics
    ///
    /// If `init` uses the value itself.
    #[track_caller]
    pub fn force(this: &Self) -> &T {
        this.value.get_or_init(|| {
            let init = this.init.lock().unwrap_or_else(sync::PoisonError::into_inner).take();
            init.expect("it is called once")()
        })
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}
