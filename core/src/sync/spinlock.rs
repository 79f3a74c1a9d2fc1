//! `spinlock_t`: one owner, which may not sleep.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::machine::{KEEP, REFUSED};
use crate::name::Name;
use crate::op::Place;
use crate::operations::OpKind;
use crate::runtime::object::{Object, unwinding};
use crate::runtime::setting::preempt_rt;
use crate::sync::data::{Data, OwnedData, Value};

use super::local_irq::{self, Keeps, Kept};
use super::owned::Owned;

/// The kernel's `spinlock_t`, with the data it protects.
///
/// The holder may not sleep: taking a mutex or a semaphore, waiting, and
/// [`might_sleep`](crate::might_sleep) are violations
/// ([`ViolationKind::SleepInAtomic`](crate::ViolationKind::SleepInAtomic)). The functions that take
/// the lock differ in the interrupts that they keep off the CPU of the holder. An interrupt that
/// takes the lock of the thread that it interrupts is a deadlock: see [`Irq`](super::Irq), and
/// `Documentation/locking/spinlocks.rst`.
///
/// On PREEMPT_RT ([`preempt_rt`](crate::ScenarioBuilder::preempt_rt)) the lock sleeps, and leaves
/// interrupts enabled. [`raw`](Self::raw) makes one that does not.
///
/// # What is left out
///
/// The kernel's waiters have a queue; here any waiter may be next.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::SpinLock;
/// let devices = SpinLock::new("list_lock", vec![1]);
/// let mut held = devices.spin_lock();
/// held.push(2);
/// held.unlock();
/// assert_eq!(devices.spin_trylock().unwrap().len(), 2);
/// # });
/// ```
#[doc(alias = "spinlock_t")]
pub struct SpinLock<T = ()> {
    object: Object,
    data: Data<T>,
    operations: &'static Operations,
    /// Whether it sleeps, as on PREEMPT_RT.
    sleeps: bool,
}

/// The operations of a `spinlock_t` or a `raw_spinlock_t`.
struct Operations {
    lock: OpKind,
    try_lock: OpKind,
    unlock: OpKind,
}

static SPINLOCK: Operations = Operations {
    lock: OpKind::SpinLock,
    try_lock: OpKind::TrySpinLock,
    unlock: OpKind::SpinUnlock,
};

static RAW_SPINLOCK: Operations = Operations {
    lock: OpKind::RawSpinLock,
    try_lock: OpKind::TryRawSpinLock,
    unlock: OpKind::RawSpinUnlock,
};

impl<T: Value> SpinLock<T> {
    /// Creates a free spinlock of lock class `class` that protects `value`.
    #[doc(alias = "spin_lock_init")]
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        Self::of(class.into(), value, &SPINLOCK, preempt_rt())
    }

    /// Creates a free `raw_spinlock_t`, which spins on PREEMPT_RT too
    /// ([`preempt_rt`](crate::ScenarioBuilder::preempt_rt)). Its functions are those of a
    /// `spinlock_t` with the prefix `raw_`.
    #[doc(alias("raw_spinlock_t", "raw_spin_lock_init", "raw_spin_lock"))]
    pub fn raw(class: impl Into<Name>, value: T) -> Self {
        Self::of(class.into(), value, &RAW_SPINLOCK, false)
    }

    fn of(class: Name, value: T, operations: &'static Operations, sleeps: bool) -> Self {
        let (data, id) = Data::new(value);
        Self { object: Object::new(class, Box::new(Owned::new(id))), data, operations, sleeps }
    }

    /// `spin_lock`: spins until the lock is free and takes it. Interrupts stay as they are.
    #[track_caller]
    pub fn spin_lock(&self) -> SpinGuard<'_, T> {
        self.take(Keeps::Nothing, Location::caller())
    }

    /// `spin_lock_bh`: the same, with bottom halves disabled.
    #[track_caller]
    pub fn spin_lock_bh(&self) -> SpinGuard<'_, T> {
        self.take(Keeps::BottomHalves, Location::caller())
    }

    /// `spin_lock_irq`: the same, with interrupts disabled. The unlock enables them, even if they
    /// were disabled before.
    #[track_caller]
    pub fn spin_lock_irq(&self) -> SpinGuard<'_, T> {
        self.take(Keeps::Interrupts, Location::caller())
    }

    /// `spin_lock_irqsave`: the same, with interrupts disabled. The unlock restores what was.
    #[track_caller]
    pub fn spin_lock_irqsave(&self) -> SpinGuard<'_, T> {
        self.take(Keeps::Saved, Location::caller())
    }

    /// `spin_trylock`: takes the lock if it is free now. Never waits. Interrupts stay as they are.
    #[track_caller]
    pub fn spin_trylock(&self) -> Option<SpinGuard<'_, T>> {
        self.try_take(Keeps::Nothing, Location::caller())
    }

    /// `spin_trylock_bh`: the same, with bottom halves disabled.
    #[track_caller]
    pub fn spin_trylock_bh(&self) -> Option<SpinGuard<'_, T>> {
        self.try_take(Keeps::BottomHalves, Location::caller())
    }

    /// `spin_trylock_irq`: the same, with interrupts disabled.
    #[track_caller]
    pub fn spin_trylock_irq(&self) -> Option<SpinGuard<'_, T>> {
        self.try_take(Keeps::Interrupts, Location::caller())
    }

    /// `spin_trylock_irqsave`: the same, with interrupts disabled. The unlock restores what was.
    #[track_caller]
    pub fn spin_trylock_irqsave(&self) -> Option<SpinGuard<'_, T>> {
        self.try_take(Keeps::Saved, Location::caller())
    }

    /// `spin_lock_irqsave` without a guard, for code that unlocks elsewhere.
    ///
    /// The data is inaccessible without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::Leak`](crate::ViolationKind::Leak) if no thread unlocks it by the end.
    #[doc(alias = "spin_lock_irqsave")]
    #[track_caller]
    pub fn raw_lock_irqsave(&self) {
        local_irq::raw(true);
        self.object.perform(Keeps::Saved.form(self.operations.lock, 0), Location::caller());
    }

    /// `spin_trylock_irqsave` without a guard. Returns whether the lock was taken.
    #[doc(alias = "spin_trylock_irqsave")]
    #[track_caller]
    #[must_use = "the spinlock is held if it was taken"]
    pub fn raw_try_lock_irqsave(&self) -> bool {
        local_irq::raw(true);
        let op = Keeps::Saved.form(self.operations.try_lock, 0);
        let taken = self.object.perform(op, Location::caller()) != REFUSED;
        if !taken {
            local_irq::raw(false);
        }
        taken
    }

    /// `spin_unlock_irqrestore` without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::NotOwner`](crate::ViolationKind::NotOwner) if the thread does not hold it.
    #[doc(alias = "spin_unlock_irqrestore")]
    #[track_caller]
    pub fn raw_unlock_irqrestore(&self) {
        let op = Keeps::Saved.form(self.operations.unlock, KEEP);
        self.object.perform(op, Location::caller());
        local_irq::raw(false);
    }

    fn take(&self, keeps: Keeps, at: Place) -> SpinGuard<'_, T> {
        let kept = keeps.begin(self.sleeps);
        self.object.perform(keeps.form(self.operations.lock, 0), at);
        self.guard(kept, at)
    }

    fn try_take(&self, keeps: Keeps, at: Place) -> Option<SpinGuard<'_, T>> {
        let kept = keeps.begin(self.sleeps);
        match self.object.perform(keeps.form(self.operations.try_lock, 0), at) {
            REFUSED => {
                kept.end();
                None
            }
            _ => Some(self.guard(kept, at)),
        }
    }

    fn guard(&self, kept: Kept, at: Place) -> SpinGuard<'_, T> {
        kept.taken();
        SpinGuard { lock: self, data: self.data.write(), kept, at }
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A held [`SpinLock`]. Dropping it unlocks; [`unlock`](Self::unlock) is the same with a line of
/// its own in the trace.
#[must_use = "a spinlock is held only as long as its guard lives"]
pub struct SpinGuard<'a, T: Value> {
    lock: &'a SpinLock<T>,
    data: OwnedData<'a, T>,
    kept: Kept,
    at: Place,
}

impl<T: Value> SpinGuard<'_, T> {
    /// `spin_unlock_irqrestore`, or the counterpart of the other functions that take the lock:
    /// unlocks, and restores what that function has changed.
    #[doc(alias("spin_unlock", "spin_unlock_bh", "spin_unlock_irq", "spin_unlock_irqrestore"))]
    #[track_caller]
    pub fn unlock(self) {
        self.unlock_at(Location::caller());
    }

    /// As [`unlock`](Self::unlock), at this line.
    pub(crate) fn unlock_at(mut self, at: Place) {
        self.at = at;
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
            let op = self.kept.form(self.lock.operations.unlock, value);
            self.lock.object.perform(op, self.at);
            self.kept.unlocked();
        }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for SpinGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpinGuard").field(&**self).finish()
    }
}
