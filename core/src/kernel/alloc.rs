//! Allocation, as `rust/kernel/alloc.rs` and `rust/kernel/alloc/kbox.rs` (v6.15).
//!
//! No allocation fails here: a [`Choice`](crate::sync::Choice) stands for one that may.

use std::convert::Infallible;
use std::fmt;
use std::ops::{BitOr, Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;

use super::error::{Error, Result};
use super::init::PinInit;
use crate::declare;

/// An allocation has failed, which none does here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocError;

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an allocation has failed")
    }
}

impl std::error::Error for AllocError {}

impl From<Infallible> for AllocError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The flags of an allocation, `gfp_t`. All that counts is whether it may sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags {
    sleeps: Option<&'static str>,
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { sleeps: self.sleeps.or(other.sleeps) }
    }
}

impl Flags {
    /// `might_alloc`: declares that the allocation sleeps if it may.
    #[track_caller]
    pub(super) fn might_alloc(self) {
        if let Some(name) = self.sleeps {
            declare::might_sleep_at(name, Some("might_alloc"), Location::caller());
        }
    }
}

/// The flags.
pub mod flags {
    use super::Flags;

    /// May sleep, which is a violation in atomic context
    /// ([`ViolationKind::SleepInAtomic`](crate::ViolationKind::SleepInAtomic)).
    pub const GFP_KERNEL: Flags = Flags { sleeps: Some("GFP_KERNEL") };
    /// As [`GFP_KERNEL`].
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags { sleeps: Some("GFP_KERNEL_ACCOUNT") };
    /// Never sleeps.
    pub const GFP_ATOMIC: Flags = Flags { sleeps: None };
    /// Never sleeps.
    pub const GFP_NOWAIT: Flags = Flags { sleeps: None };
    /// Zeroes the memory.
    pub const __GFP_ZERO: Flags = Flags { sleeps: None };
}

/// A box, as the kernel's of the allocator `Kmalloc`.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KBox<T: ?Sized>(Box<T>);

impl<T> KBox<T> {
    /// `kmalloc`: moves `value` to the heap.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::SleepInAtomic`](crate::ViolationKind::SleepInAtomic) with a flag that may
    /// sleep, in atomic context.
    #[track_caller]
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        flags.might_alloc();
        Ok(Self(Box::new(value)))
    }

    /// As [`new`](Self::new), of what `init` makes.
    ///
    /// # Errors
    ///
    /// That of `init`.
    ///
    /// # Violations
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>>
    where
        T: Unpin,
        Error: From<E>,
    {
        flags.might_alloc();
        Ok(Pin::new(Self(Box::new(init.pinned_init()?))))
    }

    /// Returns the value.
    pub fn into_inner(this: Self) -> T {
        *this.0
    }
}

impl<T: ?Sized> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for KBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
