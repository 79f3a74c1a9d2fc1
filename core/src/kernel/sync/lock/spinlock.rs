//! The spinlock, as `rust/kernel/sync/lock/spinlock.rs` (v6.15).

use super::{Guard, Lock, sealed};

/// Creates a free [`SpinLock`](crate::kernel::sync::SpinLock) of a value, as
/// [`new_mutex!`](crate::kernel::sync::new_mutex) creates a mutex.
///
/// ```
/// use selvedge_core::kernel::sync::{SpinLock, new_spinlock};
///
/// selvedge_core::check(|| {
///     let list: SpinLock<Vec<u32>> = new_spinlock!(Vec::new(), "list_lock");
///     list.lock().push(1);
/// });
/// ```
#[macro_export]
macro_rules! new_spinlock {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::kernel::sync::SpinLock::made(
            $crate::kernel_held!($inner), $crate::kernel_name!($($name)?))
    };
}

/// A `spinlock_t` with the data that it protects: [`sync::SpinLock`](crate::sync::SpinLock) has the
/// rules. `lock` is `spin_lock`, which leaves interrupts as they are, and `try_lock` is
/// `spin_trylock`. The holder may not sleep.
pub type SpinLock<T> = Lock<T, SpinLockBackend>;

/// A held [`SpinLock`].
pub type SpinLockGuard<'a, T> = Guard<'a, T, SpinLockBackend>;

/// The kind of a [`SpinLock`].
#[derive(Debug)]
pub struct SpinLockBackend;

impl sealed::Kind for SpinLockBackend {
    const SPINS: bool = true;
}
