//! Atomics, as [`std::sync::atomic`], with the memory of RC11.
//!
//! Each is a [`WeakAtomic`]. `compare_exchange_weak` does not fail spuriously, which a verdict
//! states.

use std::fmt;
use std::panic::Location;

pub use std::sync::atomic::Ordering;

use crate::name::Name;
use crate::op::How;
use crate::operations::Assumption;
use crate::runtime;
use crate::std::own;
use crate::sync::WeakAtomic;

pub use crate::sync::fence;

/// Declares that the calling thread spins, as [`hint::spin_loop`](crate::std::hint::spin_loop)
/// does.
#[track_caller]
pub fn spin_loop_hint() {
    own::spins(Location::caller());
}

/// The methods that every atomic has.
macro_rules! atomics {
    ($($(#[$doc:meta])* $atomic:ident of $type:ty;)*) => {$(
        $(#[$doc])*
        pub struct $atomic {
            word: WeakAtomic<$type>,
        }

        impl $atomic {
            /// Creates an atomic that holds `value`.
            #[track_caller]
            pub fn new(value: $type) -> Self {
                Self { word: WeakAtomic::new(Name::here(), value) }
            }

            accesses!($type, |value| value, |value| value);
        }

        impl Default for $atomic {
            #[track_caller]
            fn default() -> Self {
                Self::new(<$type>::default())
            }
        }

        impl From<$type> for $atomic {
            #[track_caller]
            fn from(value: $type) -> Self {
                Self::new(value)
            }
        }

        impl fmt::Debug for $atomic {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.word, f)
            }
        }
    )*};
}

/// The accesses of a value of type `$type`. `$into` makes the word's value of it, and `$from` makes
/// it of the word's value.
macro_rules! accesses {
    ($type:ty, $into:expr, $from:expr) => {
        /// Returns the value.
        ///
        /// # Panics
        ///
        /// If `ordering` is a release ordering.
        #[track_caller]
        pub fn load(&self, ordering: Ordering) -> $type {
            ($from)(self.word.load(ordering))
        }

        /// Sets the value.
        ///
        /// # Panics
        ///
        /// If `ordering` is an acquire ordering.
        #[track_caller]
        pub fn store(&self, value: $type, ordering: Ordering) {
            self.word.store(($into)(value), ordering);
        }

        /// Sets the value and returns the previous one.
        #[track_caller]
        pub fn swap(&self, value: $type, ordering: Ordering) -> $type {
            ($from)(self.word.swap(($into)(value), ordering))
        }

        /// Stores `new` if the value is `current`, and returns the previous value.
        ///
        /// # Errors
        ///
        /// The value found, if it is not `current`.
        ///
        /// # Panics
        ///
        /// If `failure` is a release ordering.
        #[track_caller]
        pub fn compare_exchange(
            &self,
            current: $type,
            new: $type,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$type, $type> {
            let (current, new) = (($into)(current), ($into)(new));
            let found = self.word.compare_exchange(current, new, success, failure);
            found.map($from).map_err($from)
        }

        /// As [`compare_exchange`](Self::compare_exchange). A failure that is spurious is not
        /// explored.
        ///
        /// # Errors
        ///
        /// As for `compare_exchange`.
        ///
        /// # Panics
        ///
        /// As `compare_exchange`.
        #[track_caller]
        pub fn compare_exchange_weak(
            &self,
            current: $type,
            new: $type,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$type, $type> {
            runtime::note_seen(|seen| seen.assume(Assumption::Exchanges));
            self.compare_exchange(current, new, success, failure)
        }

        /// Sets the value that `update` returns for the present one, as often as another thread
        /// comes in between, and returns the previous value.
        ///
        /// # Errors
        ///
        /// The value for which `update` returns nothing.
        ///
        /// # Panics
        ///
        /// If `fetch` is a release ordering.
        #[track_caller]
        pub fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            mut update: impl FnMut($type) -> Option<$type>,
        ) -> Result<$type, $type> {
            let mut value = self.load(fetch);
            while let Some(new) = update(value) {
                match self.compare_exchange(value, new, set, fetch) {
                    Ok(before) => return Ok(before),
                    Err(found) => value = found,
                }
            }
            Err(value)
        }

        /// Returns the value by a relaxed load, as loom's.
        #[track_caller]
        pub fn unsync_load(&self) -> $type {
            self.load(Ordering::Relaxed)
        }

        /// Changes the value, which no other thread can reach.
        #[track_caller]
        pub fn with_mut<R>(&mut self, change: impl FnOnce(&mut $type) -> R) -> R {
            let mut value = self.load(Ordering::Relaxed);
            let result = change(&mut value);
            self.store(value, Ordering::Relaxed);
            result
        }

        /// Returns the value.
        #[track_caller]
        pub fn into_inner(self) -> $type {
            self.load(Ordering::Relaxed)
        }
    };
}

/// The operations that change a value, each of which returns the previous one.
macro_rules! changes {
    ($($atomic:ident of $type:ty: $($(#[$doc:meta])* $change:ident)*;)*) => {$(
        impl $atomic {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $change(&self, value: $type, ordering: Ordering) -> $type {
                self.word.$change(value, ordering)
            }
        )*}
    )*};
}

macro_rules! integers {
    ($($(#[$doc:meta])* $atomic:ident of $type:ty;)*) => {
        atomics! { $($(#[$doc])* $atomic of $type;)* }

        changes! {$(
            $atomic of $type:
                /// Adds `value`, wrapping, and returns the previous value.
                fetch_add
                /// Subtracts `value`, wrapping, and returns the previous value.
                fetch_sub
                /// Sets the bitwise "and" with `value`, and returns the previous value.
                fetch_and
                /// Sets the bitwise "not and" with `value`, and returns the previous value.
                fetch_nand
                /// Sets the bitwise "or" with `value`, and returns the previous value.
                fetch_or
                /// Sets the bitwise "exclusive or" with `value`, and returns the previous value.
                fetch_xor
                /// Sets the greater of the value and `value`, and returns the previous value.
                fetch_max
                /// Sets the smaller of the value and `value`, and returns the previous value.
                fetch_min;
        )*}
    };
}

atomics! {
    /// A `bool` that threads share.
    AtomicBool of bool;
}

integers! {
    /// A `u8` that threads share.
    AtomicU8 of u8;
    /// A `u16` that threads share.
    AtomicU16 of u16;
    /// A `u32` that threads share.
    AtomicU32 of u32;
    /// A `u64` that threads share.
    AtomicU64 of u64;
    /// A `usize` that threads share.
    AtomicUsize of usize;
    /// An `i8` that threads share.
    AtomicI8 of i8;
    /// An `i16` that threads share.
    AtomicI16 of i16;
    /// An `i32` that threads share.
    AtomicI32 of i32;
    /// An `i64` that threads share.
    AtomicI64 of i64;
    /// An `isize` that threads share.
    AtomicIsize of isize;
}

impl AtomicBool {
    /// Sets the logical "and" with `value`, and returns the previous value.
    #[track_caller]
    pub fn fetch_and(&self, value: bool, ordering: Ordering) -> bool {
        self.word.change(How::And, value, ordering, Location::caller())
    }

    /// Sets the logical "not and" with `value`, and returns the previous value.
    #[track_caller]
    pub fn fetch_nand(&self, value: bool, ordering: Ordering) -> bool {
        self.word.change(How::Nand, value, ordering, Location::caller())
    }

    /// Sets the logical "or" with `value`, and returns the previous value.
    #[track_caller]
    pub fn fetch_or(&self, value: bool, ordering: Ordering) -> bool {
        self.word.change(How::Or, value, ordering, Location::caller())
    }

    /// Sets the logical "exclusive or" with `value`, and returns the previous value.
    #[track_caller]
    pub fn fetch_xor(&self, value: bool, ordering: Ordering) -> bool {
        self.word.change(How::Xor, value, ordering, Location::caller())
    }

    /// Sets the opposite, and returns the previous value.
    #[track_caller]
    pub fn fetch_not(&self, ordering: Ordering) -> bool {
        self.fetch_xor(true, ordering)
    }
}

/// A pointer that threads share.
///
/// A trace shows a number for each pointer, in the order in which they come up.
pub struct AtomicPtr<T> {
    word: WeakAtomic<u64>,
    /// It owns nothing, and is `Send` and `Sync` as `std`'s is.
    pointer: std::marker::PhantomData<std::sync::atomic::AtomicPtr<T>>,
}

impl<T> AtomicPtr<T> {
    /// Creates an atomic that holds `pointer`.
    #[track_caller]
    pub fn new(pointer: *mut T) -> Self {
        let word = WeakAtomic::new(Name::here(), to_number(pointer));
        Self { word, pointer: std::marker::PhantomData }
    }

    accesses!(*mut T, to_number, to_pointer);
}

fn to_number<T>(pointer: *mut T) -> u64 {
    own::number_of(pointer.expose_provenance())
}

fn to_pointer<T>(number: u64) -> *mut T {
    std::ptr::with_exposed_provenance_mut(own::address_of(number))
}

impl<T> Default for AtomicPtr<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(std::ptr::null_mut())
    }
}

impl<T> From<*mut T> for AtomicPtr<T> {
    #[track_caller]
    fn from(pointer: *mut T) -> Self {
        Self::new(pointer)
    }
}

impl<T> fmt::Debug for AtomicPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.word, f)
    }
}
