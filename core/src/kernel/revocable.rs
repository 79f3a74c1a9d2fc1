//! Objects whose access is revoked, as `rust/kernel/revocable.rs` (v6.15).

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sync::rcu;
use crate::name::Name;
use crate::op::{Op, Place};
use crate::operations::OpKind;
use crate::runtime::object::Object;
use crate::std::sync::Value;
use crate::sync::{Atomic, tracked};

/// A value that is dropped when access to it is revoked, such as the registers of a device that is
/// unbound.
///
/// A thread accesses it in a read section of RCU, in which it may not sleep. The value is in memory
/// of its own, `Revocable<T>` by the name of its type. Revoking releases the memory and then runs
/// the destructor. An access afterwards is a use after release
/// ([`ViolationKind::UseAfterRelease`](crate::ViolationKind::UseAfterRelease)). One that is neither
/// revoked nor dropped is a leak.
///
/// The flag is relaxed in the kernel, and the grace period orders it. Here it is sequentially
/// consistent.
///
/// ```
/// use selvedge_core::kernel::prelude::*;
/// use selvedge_core::kernel::revocable::Revocable;
/// use selvedge_core::kernel::sync::Arc;
/// use selvedge_core::thread;
///
/// struct Registers {
///     status: u32,
/// }
///
/// fn status(registers: &Revocable<Registers>) -> Option<u32> {
///     let guard = registers.try_access()?;
///     Some(guard.status)
/// }
///
/// selvedge_core::check(|| {
///     let registers = Arc::pin_init(Revocable::new(Registers { status: 1 }), GFP_KERNEL).unwrap();
///     let other = registers.clone();
///     let user = thread::spawn("read", move || status(&other));
///     assert!(registers.revoke());
///     assert_eq!(status(&registers), None);
///     user.join();
/// });
/// ```
pub struct Revocable<T> {
    available: Atomic<bool>,
    memory: Arc<Object>,
    /// The value, until it is revoked.
    value: Mutex<Option<Value<T>>>,
}

impl<T> Revocable<T> {
    /// Creates a value that can be accessed.
    #[track_caller]
    pub fn new(value: T) -> Self {
        rcu::domain();
        let name = Name::of_type::<T>("Revocable");
        Self {
            available: Atomic::new(name, true),
            memory: Arc::new(tracked::memory(name)),
            value: Mutex::new(Some(Value::new(Arc::new(value)))),
        }
    }

    /// Begins an access, unless it is revoked.
    #[track_caller]
    pub fn try_access(&self) -> Option<RevocableGuard<'_, T>> {
        let guard = rcu::read_lock();
        let value = self.find()?;
        Some(RevocableGuard { value, _guard: guard })
    }

    /// Accesses the value within a read section, unless it is revoked. It returns a reference whose
    /// every use is checked, and the kernel a plain one.
    #[track_caller]
    pub fn try_access_with_guard<'a>(
        &'a self,
        _guard: &'a rcu::Guard,
    ) -> Option<RevocableRef<'a, T>> {
        self.find()
    }

    /// Calls `access` with the value in a read section, unless it is revoked.
    #[track_caller]
    pub fn try_access_with<R>(&self, access: impl FnOnce(&T) -> R) -> Option<R> {
        self.try_access().map(|guard| access(&guard))
    }

    /// Accesses the value, as v6.16 does, without a look at whether it is revoked.
    ///
    /// # Safety
    ///
    /// It has none to ensure here. In the kernel the value must not be revoked for as long as the
    /// reference is used.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::UseAfterRelease`](crate::ViolationKind::UseAfterRelease) if it is revoked.
    #[track_caller]
    pub unsafe fn access(&self) -> RevocableRef<'_, T> {
        let at = Location::caller();
        self.memory.perform(Op::new(OpKind::Use), at);
        self.reference().expect("it is not released")
    }

    /// Revokes access, waits for a grace period of RCU, and drops the value. Returns whether it
    /// was not revoked before. It may sleep.
    #[track_caller]
    pub fn revoke(&self) -> bool {
        self.revoke_internal(true)
    }

    /// Revokes access and drops the value, without a grace period.
    ///
    /// # Safety
    ///
    /// It has none to ensure here. In the kernel no thread may access the value any more.
    #[track_caller]
    pub unsafe fn revoke_nosync(&self) -> bool {
        self.revoke_internal(false)
    }

    #[track_caller]
    fn revoke_internal(&self, waits: bool) -> bool {
        let at = Location::caller();
        let revokes = self.available.swap(false);
        if revokes {
            if waits {
                rcu::synchronize_rcu();
            }
            self.release(at);
        }
        revokes
    }

    /// Releases the memory, if that was not done, and drops the value.
    fn release(&self, at: Place) {
        if self.lock().is_some() {
            let take = || self.lock().take();
            let (_, value) = self.memory.perform_then(Op::new(OpKind::Release), at, take);
            // Its destructor may use other objects.
            drop(value);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Value<T>>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn find(&self) -> Option<RevocableRef<'_, T>> {
        if self.available.load() { self.reference() } else { None }
    }

    fn reference(&self) -> Option<RevocableRef<'_, T>> {
        let value = Value::new(Arc::clone(self.lock().as_ref()?.get()));
        Some(RevocableRef { memory: &self.memory, value })
    }
}

impl<T> Drop for Revocable<T> {
    fn drop(&mut self) {
        self.release(Location::caller());
    }
}

impl<T> fmt::Debug for Revocable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocable").field("memory", &self.memory).finish_non_exhaustive()
    }
}

/// A reference to the value of a [`Revocable`], each use of which is checked.
pub struct RevocableRef<'a, T> {
    memory: &'a Object,
    value: Value<T>,
}

impl<T> Deref for RevocableRef<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.memory.perform(Op::new(OpKind::Use), Location::caller());
        self.value.get()
    }
}

impl<T> fmt::Debug for RevocableRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocableRef").field("memory", self.memory).finish_non_exhaustive()
    }
}

/// An access to the value of a [`Revocable`], in a read section of RCU until it is dropped.
#[derive(Debug)]
pub struct RevocableGuard<'a, T> {
    value: RevocableRef<'a, T>,
    _guard: rcu::Guard,
}

impl<T> Deref for RevocableGuard<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        &self.value
    }
}
