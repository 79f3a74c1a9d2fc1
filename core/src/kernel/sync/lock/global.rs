//! Locks in statics, as `rust/kernel/sync/lock/global.rs` (v6.15).

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;

use super::{Backend, Guard, Lock};
use crate::declare;
use crate::runtime::setting;

/// The type that [`global_lock!`](crate::kernel::sync::global_lock) makes for a static.
pub trait GlobalLockBackend: Sized + 'static {
    /// The name of the lock.
    const NAME: &'static str;
    /// The type of the data.
    type Item: Send + 'static;
    /// The kind of the lock.
    type Backend: Backend;

    /// Creates the lock of an execution.
    #[doc(hidden)]
    fn made() -> Lock<ManuallyDrop<Self::Item>, Self::Backend>;
}

/// A lock in a static, which [`global_lock!`](crate::kernel::sync::global_lock) declares.
///
/// Each execution has a lock of its own, free and with the first value, from when it calls
/// [`init`](Self::init). As in the kernel, the value is never dropped, so what it still refers to
/// at the end is a leak. Outside of any engine the lock is that of the process.
pub struct GlobalLock<B: GlobalLockBackend> {
    backend: PhantomData<fn() -> B>,
}

/// The lock of an execution.
struct Instance<B: GlobalLockBackend> {
    lock: Lock<ManuallyDrop<B::Item>, B::Backend>,
}

impl<B: GlobalLockBackend> GlobalLock<B> {
    /// Creates the static.
    #[doc(hidden)]
    pub const fn new() -> Self {
        Self { backend: PhantomData }
    }

    /// Creates the lock of the execution.
    ///
    /// # Panics
    ///
    /// If there are several threads already. It is no operation, so a use by another thread that
    /// comes too early would not be found.
    ///
    /// # Safety
    ///
    /// It has none to ensure here. In the kernel it must not be called twice.
    ///
    /// # Violations
    ///
    /// The invariant `GlobalLock::init` if it was called before in the execution.
    #[track_caller]
    pub unsafe fn init(&'static self) {
        if setting::of_static::<Instance<B>>().is_some() {
            return broken::<B>("is initialized twice");
        }
        let threads = setting::threads();
        assert!(threads <= 1, "{} is to be initialized before there are other threads", B::NAME);
        setting::set_static(Instance::<B> { lock: B::made() });
    }

    /// `mutex_lock` or `spin_lock`: waits until the lock is free and takes it.
    ///
    /// # Violations
    ///
    /// The invariant `GlobalLock::init` if the lock is not initialized, which the kernel has to
    /// ensure.
    #[track_caller]
    pub fn lock(&'static self) -> GlobalGuard<B> {
        GlobalGuard::of(instance::<B>(), |lock| Some(lock.lock())).expect("it waits")
    }

    /// `mutex_trylock` or `spin_trylock`: takes the lock if it is free now. Never waits.
    ///
    /// # Violations
    ///
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn try_lock(&'static self) -> Option<GlobalGuard<B>> {
        GlobalGuard::of(instance::<B>(), Lock::try_lock)
    }
}

/// Returns the lock of the execution.
#[track_caller]
fn instance<B: GlobalLockBackend>() -> Arc<Instance<B>> {
    setting::of_static().unwrap_or_else(|| {
        broken::<B>("is used before it is initialized");
        panic!("{} is used before it is initialized", B::NAME);
    })
}

#[track_caller]
fn broken<B: GlobalLockBackend>(what: &str) {
    declare::broken_at("GlobalLock::init", format!("{} {what}", B::NAME), Location::caller());
}

impl<B: GlobalLockBackend> fmt::Debug for GlobalLock<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GlobalLock").field(&B::NAME).finish()
    }
}

type Held<B> =
    Guard<'static, ManuallyDrop<<B as GlobalLockBackend>::Item>, <B as GlobalLockBackend>::Backend>;

/// A held [`GlobalLock`]. Dropping it unlocks.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct GlobalGuard<B: GlobalLockBackend> {
    // It is dropped first, while the lock is there.
    held: Held<B>,
    _lock: Arc<Instance<B>>,
}

impl<B: GlobalLockBackend> GlobalGuard<B> {
    fn of(
        instance: Arc<Instance<B>>,
        take: impl FnOnce(&'static Lock<ManuallyDrop<B::Item>, B::Backend>) -> Option<Held<B>>,
    ) -> Option<Self> {
        // SAFETY: the lock is in the `Arc`, which the result keeps for longer than the guard, and
        // neither hands out the guard nor moves it out.
        let lock = unsafe { &*std::ptr::from_ref(&instance.lock) };
        Some(Self { held: take(lock)?, _lock: instance })
    }
}

impl<B: GlobalLockBackend> Deref for GlobalGuard<B> {
    type Target = B::Item;

    fn deref(&self) -> &B::Item {
        &self.held
    }
}

impl<B: GlobalLockBackend> DerefMut for GlobalGuard<B> {
    fn deref_mut(&mut self) -> &mut B::Item {
        &mut self.held
    }
}

impl<B: GlobalLockBackend<Item: fmt::Debug>> fmt::Debug for GlobalGuard<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Declares a lock in a static, which is initialised before it is used.
///
/// ```
/// use selvedge_core::kernel::sync::global_lock;
///
/// global_lock! {
///     // SAFETY: `init` is called before the first use.
///     unsafe(uninit) static MINORS: Mutex<u32> = 0;
/// }
///
/// selvedge_core::check(|| {
///     // SAFETY: it is called once in an execution.
///     unsafe { MINORS.init() };
///     *MINORS.lock() += 1;
///     assert_eq!(*MINORS.lock(), 1);
/// });
/// ```
#[macro_export]
macro_rules! global_lock {
    {
        $(#[$attribute:meta])* $visible:vis
        unsafe(uninit) static $name:ident: $kind:ident<$item:ty> = $value:expr;
    } => {
        #[doc = concat!("The type of [`", stringify!($name), "`](static@", stringify!($name), ").")]
        #[allow(non_camel_case_types, unreachable_pub, missing_debug_implementations)]
        $visible enum $name {}

        impl $crate::kernel::sync::lock::GlobalLockBackend for $name {
            const NAME: &'static str = stringify!($name);
            type Item = $item;
            type Backend = $crate::global_lock_backend!($kind);

            fn made() -> $crate::kernel::sync::Lock<
                ::core::mem::ManuallyDrop<Self::Item>,
                Self::Backend,
            > {
                let value: ::core::mem::ManuallyDrop<$item> =
                    ::core::mem::ManuallyDrop::new($value);
                $crate::kernel::sync::Lock::made($crate::kernel_held!(value), Self::NAME)
            }
        }

        $(#[$attribute])*
        $visible static $name: $crate::kernel::sync::GlobalLock<$name> =
            $crate::kernel::sync::GlobalLock::new();
    };
}

/// Returns the kind of a lock.
#[doc(hidden)]
#[macro_export]
macro_rules! global_lock_backend {
    (Mutex) => {
        $crate::kernel::sync::MutexBackend
    };
    (SpinLock) => {
        $crate::kernel::sync::SpinLockBackend
    };
}
