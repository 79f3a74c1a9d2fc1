//! The generic lock and its guard, as `rust/kernel/sync/lock.rs` (v6.15).

mod global;
pub mod mutex;
pub mod spinlock;
#[doc(hidden)]
pub mod value;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::name::Name;
use crate::op::Place;
use crate::std::sync::Held;
use crate::sync;

pub use global::{GlobalGuard, GlobalLock, GlobalLockBackend};

/// The kind of a [`Lock`]: [`MutexBackend`](mutex::MutexBackend) or
/// [`SpinLockBackend`](spinlock::SpinLockBackend).
pub trait Backend: sealed::Kind + 'static {}

impl<B: sealed::Kind + 'static> Backend for B {}

pub(crate) mod sealed {
    /// A kind of lock.
    pub trait Kind {
        /// Whether it spins, or else sleeps.
        const SPINS: bool;
    }
}

/// A lock with the data that it protects: a [`Mutex`](super::Mutex) or a
/// [`SpinLock`](super::SpinLock). [`new_mutex!`](super::new_mutex) and
/// [`new_spinlock!`](super::new_spinlock) make one.
///
/// The kernel's lock is pinned. This one can be moved for as long as nothing refers to it.
pub struct Lock<T: Send + 'static, B: Backend> {
    state: State<T>,
    /// The address of the data, which do not move with the lock.
    address: usize,
    backend: PhantomData<fn() -> B>,
}

/// The data are boxed, so that a [`LockedBy`](super::LockedBy) knows them by their address.
enum State<T: Send + 'static> {
    Sleeps(sync::Mutex<Held<Box<T>>>),
    Spins(sync::SpinLock<Held<Box<T>>>),
}

impl<T: Send + 'static, B: Backend> Lock<T, B> {
    /// Creates a free lock, which the macros call.
    #[doc(hidden)]
    pub fn made(held: Held<Box<T>>, name: impl Into<Name>) -> Self {
        let address = std::ptr::from_ref::<T>(&held.value).addr();
        let state = match B::SPINS {
            true => State::Spins(sync::SpinLock::new(name, held)),
            false => State::Sleeps(sync::Mutex::new(name, held)),
        };
        Self { state, address, backend: PhantomData }
    }

    /// `mutex_lock` or `spin_lock`: waits until the lock is free and takes it. Interrupts stay as
    /// they are.
    #[doc(alias("mutex_lock", "spin_lock"))]
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T, B> {
        let held = match &self.state {
            State::Sleeps(mutex) => HeldGuard::Mutex(mutex.lock()),
            State::Spins(spinlock) => HeldGuard::Spin(spinlock.spin_lock()),
        };
        Guard { lock: self, held: Some(held), not_send: PhantomData }
    }

    /// `mutex_trylock` or `spin_trylock`: takes the lock if it is free now. Never waits.
    #[doc(alias("mutex_trylock", "spin_trylock"))]
    #[track_caller]
    pub fn try_lock(&self) -> Option<Guard<'_, T, B>> {
        let held = match &self.state {
            State::Sleeps(mutex) => HeldGuard::Mutex(mutex.try_lock()?),
            State::Spins(spinlock) => HeldGuard::Spin(spinlock.spin_trylock()?),
        };
        Some(Guard { lock: self, held: Some(held), not_send: PhantomData })
    }

    /// Returns the address of the data.
    pub(super) fn address(&self) -> usize {
        self.address
    }
}

impl<T: Send + 'static, B: Backend> fmt::Debug for Lock<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Sleeps(mutex) => fmt::Debug::fmt(mutex, f),
            State::Spins(spinlock) => fmt::Debug::fmt(spinlock, f),
        }
    }
}

/// A held [`Lock`]. Dropping it is `mutex_unlock` or `spin_unlock`.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct Guard<'a, T: Send + 'static, B: Backend> {
    lock: &'a Lock<T, B>,
    /// Taken out while a condition variable waits.
    held: Option<HeldGuard<'a, T>>,
    /// The thread that has taken the lock releases it.
    not_send: PhantomData<*mut ()>,
}

enum HeldGuard<'a, T: Send + 'static> {
    Mutex(sync::MutexGuard<'a, Held<Box<T>>>),
    Spin(sync::SpinGuard<'a, Held<Box<T>>>),
}

impl<'a, T: Send + 'static, B: Backend> Guard<'a, T, B> {
    /// Returns the lock that is held.
    pub fn lock_ref(&self) -> &'a Lock<T, B> {
        self.lock
    }

    /// Releases the lock, until [`relock`](Self::relock).
    pub(super) fn release(&mut self, at: Place) {
        match self.held.take().expect("a guard holds the lock") {
            HeldGuard::Mutex(held) => held.unlock_at(at),
            HeldGuard::Spin(held) => held.unlock_at(at),
        }
    }

    /// Takes the lock again.
    #[track_caller]
    pub(super) fn relock(&mut self) {
        self.held = self.lock.lock().held.take();
    }
}

impl<T: Send + 'static, B: Backend> Deref for Guard<'_, T, B> {
    type Target = T;

    fn deref(&self) -> &T {
        match self.held.as_ref().expect("a guard holds the lock") {
            HeldGuard::Mutex(held) => &held.value,
            HeldGuard::Spin(held) => &held.value,
        }
    }
}

impl<T: Send + 'static, B: Backend> DerefMut for Guard<'_, T, B> {
    fn deref_mut(&mut self) -> &mut T {
        match self.held.as_mut().expect("a guard holds the lock") {
            HeldGuard::Mutex(held) => &mut held.value,
            HeldGuard::Spin(held) => &mut held.value,
        }
    }
}

impl<T: fmt::Debug + Send + 'static, B: Backend> fmt::Debug for Guard<'_, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Returns the name of a lock or another object: a literal, or else the caller's line.
#[doc(hidden)]
#[macro_export]
macro_rules! kernel_name {
    () => {
        $crate::Name::here()
    };
    ($name:literal) => {
        $name
    };
}
