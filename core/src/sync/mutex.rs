//! `struct mutex`: one owner, which alone may unlock; trylock and interruptible lock.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::declare;
use crate::machine::{KEEP, REFUSED};
use crate::name::Name;
use crate::op::{Op, Place};
use crate::operations::OpKind;
use crate::runtime::object::{Object, unwinding};
use crate::sync::data::{Data, OwnedData, Value};

use super::owned::Owned;

/// The kernel's `struct mutex`, with the data it protects.
///
/// The semantics are those of `Documentation/locking/mutex-design.rst`: there is one owner at a
/// time, only the owner unlocks, and the mutex is not recursive. Any waiter may be next.
/// `mutex_trylock` tests the actual state and never waits.
///
/// # What is left out
///
/// The kernel's optimistic spinning and its hand-off to the first waiter only choose among the
/// waiters. An unlock is one step, unless the mutex lives in memory that can be released
/// ([`Tracked::with`](super::Tracked::with)).
///
/// # `rt_mutex`
///
/// A `struct rt_mutex` is a `Mutex` here. It has one owner, it is not recursive, and lockdep sees
/// it as a mutex. It differs in two ways (`Documentation/locking/rt-mutex-design.rst`, v6.16). The
/// waiter of the highest priority is next, and the owner runs with the priority of that waiter.
/// Both only say which of the threads that can continue does so first. Threads have no priorities
/// here, and any that can continue may be next. So every order is explored that a choice of
/// priorities and their inheritance permits, and a proof holds for all of them. A counterexample
/// may need an order that given priorities rule out. For how long a thread of high priority waits
/// is not asked. A cycle of waits for `rt_mutex`es is a deadlock too: the kernel warns and the
/// thread sleeps for good (`rt_mutex_handle_deadlock`, `kernel/locking/rtmutex.c`).
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::Mutex;
/// let perms = Mutex::new("ap_perms_mutex", 0u64);
/// let mut held = perms.lock();
/// *held |= 1;
/// held.unlock();
/// assert_eq!(*perms.try_lock().unwrap(), 1);
/// # });
/// ```
pub struct Mutex<T = ()> {
    object: Object,
    pub(crate) data: Data<T>,
}

impl<T: Value> Mutex<T> {
    /// Creates an unlocked mutex of lock class `class` that protects `value`.
    #[doc(alias("mutex_init", "rt_mutex", "rt_mutex_init"))]
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        let (data, id) = Data::new(value);
        Self { object: Object::new(class, Box::new(Owned::new(id))), data }
    }

    /// `mutex_lock`: waits until the mutex is free and takes it.
    #[doc(alias("mutex_lock", "rt_mutex_lock"))]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::Lock), at);
        self.guard(at)
    }

    /// `mutex_lock_nested`: as [`lock`](Self::lock), for one of several mutexes of the class that
    /// the thread takes in an order of its own. lockdep sees `subclass` as a class of its own, so
    /// it does not report the order. If there is none, the search finds the deadlock on the class.
    #[track_caller]
    pub fn mutex_lock_nested(&self, subclass: u8) -> MutexGuard<'_, T> {
        self.lock_nested(u64::from(subclass), 0, Location::caller())
    }

    /// `mutex_lock_nest_lock`: as [`lock`](Self::lock), for any number of mutexes of the class that
    /// the thread takes while it holds `outer`, in any order.
    ///
    /// # Violations
    ///
    /// The invariant `mutex_lock_nest_lock` if the thread does not hold `outer`, for which lockdep
    /// warns ("Nested lock was not taken", `kernel/locking/lockdep.c`, v6.16).
    #[doc(alias = "rt_mutex_lock_nest_lock")]
    #[track_caller]
    pub fn mutex_lock_nest_lock<U>(&self, outer: &Mutex<U>) -> MutexGuard<'_, T> {
        let at = Location::caller();
        if outer.object.observe_held() == Some(false) {
            declare::broken_at("mutex_lock_nest_lock", "Nested lock was not taken".to_owned(), at);
        }
        self.lock_nested(0, outer.object.number() + 1, at)
    }

    fn lock_nested(&self, subclass: u64, outer: u64, at: Place) -> MutexGuard<'_, T> {
        self.object.perform(Op::with_two(OpKind::LockNested, subclass, outer), at);
        self.guard(at)
    }

    /// `mutex_lock_interruptible`: as [`lock`](Self::lock), but a signal may end the wait.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if a signal arrived while another thread held the mutex, which is then not
    /// taken. The kernel's callers return `-ERESTARTSYS` or `-EINTR` for it. Both outcomes are
    /// explored.
    #[doc(alias(
        "mutex_lock_interruptible",
        "mutex_lock_killable",
        "rt_mutex_lock_interruptible",
        "rt_mutex_lock_killable"
    ))]
    #[track_caller]
    pub fn lock_interruptible(&self) -> Result<MutexGuard<'_, T>, Interrupted> {
        let at = Location::caller();
        match self.object.perform(Op::new(OpKind::LockInterruptible), at) {
            REFUSED => Err(Interrupted),
            _ => Ok(self.guard(at)),
        }
    }

    /// `mutex_trylock`: takes the mutex if it is free now. Never waits.
    #[doc(alias("mutex_trylock", "rt_mutex_trylock"))]
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let at = Location::caller();
        match self.object.perform(Op::new(OpKind::TryLock), at) {
            REFUSED => None,
            _ => Some(self.guard(at)),
        }
    }

    /// `mutex_lock` without a guard, for code that unlocks elsewhere.
    ///
    /// The data is inaccessible without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::Leak`](crate::ViolationKind::Leak) if no thread unlocks it by the end.
    #[doc(alias = "mutex_lock")]
    #[track_caller]
    pub fn raw_lock(&self) {
        self.object.perform(Op::new(OpKind::Lock), Location::caller());
    }

    /// `mutex_trylock` without a guard. Returns whether the mutex was taken.
    #[doc(alias = "mutex_trylock")]
    #[track_caller]
    #[must_use = "the mutex is held if it was taken"]
    pub fn raw_try_lock(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryLock), Location::caller()) != REFUSED
    }

    /// `mutex_unlock` without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::NotOwner`](crate::ViolationKind::NotOwner) if the thread does not hold it.
    #[doc(alias = "mutex_unlock")]
    #[track_caller]
    pub fn raw_unlock(&self) {
        let at = Location::caller();
        self.object.perform(Op::with(OpKind::Unlock, KEEP), at);
        self.object.finish_unlock(at);
    }

    fn guard(&self, at: &'static Location<'static>) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, data: self.data.write(), at }
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A signal that ended a wait, such as that of [`Mutex::lock_interruptible`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted by a signal")
    }
}

impl std::error::Error for Interrupted {}

/// A held [`Mutex`]. Dropping it unlocks; [`unlock`](Self::unlock) is the same with a line of its
/// own in the trace.
#[must_use = "a mutex is held only as long as its guard lives"]
pub struct MutexGuard<'a, T: Value> {
    mutex: &'a Mutex<T>,
    data: OwnedData<'a, T>,
    at: &'static Location<'static>,
}

impl<'a, T: Value> MutexGuard<'a, T> {
    /// `mutex_unlock`: unlocks.
    #[doc(alias("mutex_unlock", "rt_mutex_unlock"))]
    #[track_caller]
    pub fn unlock(self) {
        self.unlock_at(Location::caller());
    }

    /// As [`unlock`](Self::unlock), at this line.
    pub(crate) fn unlock_at(mut self, at: Place) {
        self.at = at;
    }

    /// Returns the data, to a caller that only looks at it.
    pub(crate) fn look(&mut self) -> &mut T {
        self.data.look()
    }

    /// The mutex that is held.
    pub(crate) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: Value> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.get()
    }
}

impl<T: Value> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T: Value> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // The data is released before the lock, since the next holder takes both at once.
        let looked = self.data.looked();
        let value = self.data.close();
        if !unwinding() {
            if looked {
                self.mutex.object.observe_use(self.at);
            }
            self.mutex.object.perform(Op::with(OpKind::Unlock, value), self.at);
            self.mutex.object.finish_unlock(self.at);
        }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MutexGuard").field(&**self).finish()
    }
}
