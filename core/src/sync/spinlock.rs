//! `spinlock_t`: one owner, which may not sleep.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::machine::{KEEP, REFUSED};
use crate::name::Name;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime::object::{Object, unwinding};
use crate::sync::data::{Data, OwnedData, Value};

use super::owned::Owned;

/// The kernel's `spinlock_t`, with the data it protects, taken by `spin_lock_irqsave`.
///
/// The holder may not sleep, because interrupts are off on its CPU. Taking a mutex or a semaphore,
/// waiting, and [`might_sleep`](crate::might_sleep) are violations
/// ([`ViolationKind::SleepInAtomic`](crate::ViolationKind::SleepInAtomic)). An interrupt handler
/// that takes the lock runs on another CPU, so it is one more thread.
///
/// # What is left out
///
/// No interrupt arrives on the holder's CPU, so `spin_lock` and `spin_lock_irqsave` are the same
/// here. An interrupt handler that takes a lock which was taken with interrupts enabled is not
/// found. On PREEMPT_RT a spinlock sleeps; this one does not. The kernel's waiters have a queue;
/// here any waiter may be next.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::SpinLock;
/// let devices = SpinLock::new("list_lock", vec![1]);
/// let mut held = devices.lock();
/// held.push(2);
/// held.unlock();
/// assert_eq!(devices.try_lock().unwrap().len(), 2);
/// # });
/// ```
pub struct SpinLock<T = ()> {
    object: Object,
    data: Data<T>,
}

impl<T: Value> SpinLock<T> {
    /// Creates a free spinlock of lock class `class` that protects `value`.
    #[doc(alias = "spin_lock_init")]
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        let (data, id) = Data::new(value);
        Self { object: Object::new(class, Box::new(Owned::new(id))), data }
    }

    /// `spin_lock_irqsave`: spins until the lock is free and takes it.
    #[doc(alias("spin_lock", "spin_lock_irqsave"))]
    #[track_caller]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::SpinLock), at);
        self.guard(at)
    }

    /// `spin_trylock_irqsave`: takes the lock if it is free now. Never waits.
    #[doc(alias("spin_trylock", "spin_trylock_irqsave"))]
    #[track_caller]
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let at = Location::caller();
        match self.object.perform(Op::new(OpKind::TrySpinLock), at) {
            REFUSED => None,
            _ => Some(self.guard(at)),
        }
    }

    /// `spin_lock_irqsave` without a guard, for code that unlocks elsewhere.
    ///
    /// The data is inaccessible without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::Leak`](crate::ViolationKind::Leak) if no thread unlocks it by the end.
    #[doc(alias("spin_lock", "spin_lock_irqsave"))]
    #[track_caller]
    pub fn raw_lock(&self) {
        self.object.perform(Op::new(OpKind::SpinLock), Location::caller());
    }

    /// `spin_trylock_irqsave` without a guard. Returns whether the lock was taken.
    #[doc(alias("spin_trylock", "spin_trylock_irqsave"))]
    #[track_caller]
    #[must_use = "the spinlock is held if it was taken"]
    pub fn raw_try_lock(&self) -> bool {
        self.object.perform(Op::new(OpKind::TrySpinLock), Location::caller()) != REFUSED
    }

    /// `spin_unlock_irqrestore` without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::NotOwner`](crate::ViolationKind::NotOwner) if the thread does not hold it.
    #[doc(alias("spin_unlock", "spin_unlock_irqrestore"))]
    #[track_caller]
    pub fn raw_unlock(&self) {
        self.object.perform(Op::with(OpKind::SpinUnlock, KEEP), Location::caller());
    }

    fn guard(&self, at: &'static Location<'static>) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, data: self.data.write(), at }
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A held [`SpinLock`]. Dropping it is `spin_unlock_irqrestore`; [`unlock`](Self::unlock) is the
/// same with a line of its own in the trace.
#[must_use = "a spinlock is held only as long as its guard lives"]
pub struct SpinGuard<'a, T: Value> {
    lock: &'a SpinLock<T>,
    data: OwnedData<'a, T>,
    at: &'static Location<'static>,
}

impl<T: Value> SpinGuard<'_, T> {
    /// `spin_unlock_irqrestore`: unlocks.
    #[doc(alias("spin_unlock", "spin_unlock_irqrestore"))]
    #[track_caller]
    pub fn unlock(mut self) {
        self.at = Location::caller();
    }
}

impl<T: Value> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.get()
    }
}

impl<T: Value> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T: Value> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        let looked = self.data.looked();
        let value = self.data.close();
        if !unwinding() {
            if looked {
                self.lock.object.observe_use(self.at);
            }
            self.lock.object.perform(Op::with(OpKind::SpinUnlock, value), self.at);
        }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for SpinGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpinGuard").field(&**self).finish()
    }
}
