//! `struct kref`: a reference count whose last put releases.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;
use crate::sync::data::Value;

use super::{Mutex, MutexGuard, SpinGuard, SpinLock};

/// The kernel's `struct kref`, as in `include/linux/kref.h`. Its creator holds the first reference.
///
/// A get or put after the last put is a use after release. A count that is not zero when the world
/// ends is a leak.
///
/// # What is left out
///
/// The last put releases nothing: the model itself frees the object.
///
/// The count does not saturate, as a `refcount_t` does (`include/linux/refcount.h`, v6.6), and
/// that changes no verdict. A get or a put at zero saturates it in the kernel, which warns of a use
/// after free and leaks the object. Here that get or put is the violation. A get above
/// `REFCOUNT_MAX` saturates it too, but it takes 2^31 references that are never put. A program that
/// ends has a leak before, and one that takes them for ever has no finite set of states.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::Kref;
/// let kvm = Kref::new("kvm->users_count");
/// kvm.get();
/// assert!(!kvm.put());
/// assert!(kvm.put(), "the last put tells the caller to release the object");
/// # });
/// ```
pub struct Kref {
    object: Object,
}

impl Kref {
    /// `kref_init`: creates an object with one reference.
    #[doc(alias("kref_init", "refcount_set"))]
    pub fn new(class: impl Into<Name>) -> Self {
        Self { object: Object::new(class, Box::new(State { count: 1 })) }
    }

    /// `kref_get`: takes another reference. The caller must hold one already.
    #[doc(alias("kref_get", "refcount_inc"))]
    #[track_caller]
    pub fn get(&self) {
        self.object.perform(Op::new(OpKind::KrefGet), Location::caller());
    }

    /// `kref_read`: returns the number of references.
    #[doc(alias("kref_read", "refcount_read"))]
    #[track_caller]
    pub fn read(&self) -> u64 {
        self.object.perform(Op::new(OpKind::KrefRead), Location::caller())
    }

    /// Returns whether there is one reference, whose holder then comes after everything that the
    /// others have done: [`std::sync::Arc::get_mut`] looks like that.
    #[track_caller]
    pub(crate) fn is_last(&self) -> bool {
        self.object.perform(Op::with(OpKind::KrefRead, 1), Location::caller()) == 1
    }

    /// `kref_get_unless_zero`: takes a reference unless the count is zero, and returns whether it
    /// did.
    #[doc(alias("kref_get_unless_zero", "refcount_inc_not_zero"))]
    #[track_caller]
    pub fn get_unless_zero(&self) -> bool {
        self.object.perform(Op::new(OpKind::KrefGetUnlessZero), Location::caller()) == 1
    }

    /// `kref_put_mutex`: drops a reference, and returns the held mutex if it was the last, so that
    /// the caller releases under it. As `refcount_dec_and_mutex_lock` (`lib/refcount.c`), it takes
    /// the mutex only where the count may reach zero.
    #[doc(alias("kref_put_mutex", "refcount_dec_and_mutex_lock"))]
    #[track_caller]
    pub fn put_mutex<'a, T: Value>(&self, mutex: &'a Mutex<T>) -> Option<MutexGuard<'a, T>> {
        if self.dec_not_one(Location::caller()) {
            return None;
        }
        let held = mutex.lock();
        self.put().then_some(held)
    }

    /// `kref_put_lock`: as [`put_mutex`](Self::put_mutex), with a spinlock taken by `spin_lock`.
    #[doc(alias("kref_put_lock", "refcount_dec_and_lock"))]
    #[track_caller]
    pub fn put_lock<'a, T: Value>(&self, lock: &'a SpinLock<T>) -> Option<SpinGuard<'a, T>> {
        if self.dec_not_one(Location::caller()) {
            return None;
        }
        let held = lock.spin_lock();
        self.put().then_some(held)
    }

    fn dec_not_one(&self, at: Place) -> bool {
        self.object.perform(Op::new(OpKind::KrefDecNotOne), at) == 1
    }

    /// `kref_put`: drops a reference, and returns whether it was the last, so that the caller
    /// releases.
    #[doc(alias("kref_put", "refcount_dec_and_test"))]
    #[track_caller]
    #[must_use = "the last put has to release the object"]
    pub fn put(&self) -> bool {
        self.object.perform(Op::new(OpKind::KrefPut), Location::caller()) == 1
    }
}

impl fmt::Debug for Kref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kref").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    count: u64,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::KrefGetUnlessZero if self.count == 0 => Ok(0),
            OpKind::KrefRead => Ok(self.count),
            _ if self.count == 0 => Err(Fault::UseAfterRelease),
            OpKind::KrefDecNotOne if self.count == 1 => Ok(0),
            OpKind::KrefDecNotOne => {
                self.count -= 1;
                Ok(1)
            }
            OpKind::KrefGet | OpKind::KrefGetUnlessZero => {
                self.count += 1;
                Ok(1)
            }
            OpKind::KrefPut => {
                self.count -= 1;
                Ok(u64::from(self.count == 0))
            }
            other => unreachable!("{other} is not an operation of a kref"),
        }
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.count);
    }

    fn leaked(&self) -> bool {
        self.count > 0
    }
}
