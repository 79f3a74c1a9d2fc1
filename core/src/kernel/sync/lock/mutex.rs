//! The mutex, as `rust/kernel/sync/lock/mutex.rs` (v6.15).

use super::{Guard, Lock, sealed};

/// Creates a free [`Mutex`](crate::kernel::sync::Mutex) of a value, with a name or else that of the
/// line.
///
/// In the kernel it is an initialiser, and here it is the mutex. States are compared by the value
/// if its type implements `Hash`; otherwise they cannot be compared
/// ([`Opaque`](crate::Opaque)). A type that is only known later, as that of `Vec::new()`, counts as
/// one with `Hash`.
///
/// ```
/// use selvedge_core::kernel::sync::{Mutex, new_mutex};
///
/// selvedge_core::check(|| {
///     let count: Mutex<u32> = new_mutex!(0, "count");
///     *count.lock() += 1;
///     assert_eq!(*count.try_lock().unwrap(), 1);
/// });
/// ```
#[macro_export]
macro_rules! new_mutex {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::kernel::sync::Mutex::made(
            $crate::kernel_held!($inner), $crate::kernel_name!($($name)?))
    };
}

/// A `struct mutex` with the data that it protects: [`sync::Mutex`](crate::sync::Mutex) has the
/// rules. `lock` is `mutex_lock`, which may sleep, and `try_lock` is `mutex_trylock`.
pub type Mutex<T> = Lock<T, MutexBackend>;

/// A held [`Mutex`].
pub type MutexGuard<'a, T> = Guard<'a, T, MutexBackend>;

/// The kind of a [`Mutex`].
#[derive(Debug)]
pub struct MutexBackend;

impl sealed::Kind for MutexBackend {
    const SPINS: bool = false;
}
