//! Reference counts, as `rust/kernel/sync/arc.rs` (v6.15).

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use crate::kernel::alloc::{AllocError, Flags};
use crate::kernel::error::{Error, Result};
use crate::kernel::init::PinInit;
use crate::name::Name;
use crate::std::sync;

/// A counted reference, with the rules of [`Kref`](crate::sync::Kref). A clone is `refcount_inc`,
/// and a drop is `refcount_dec_and_test`. The last drop also drops the value. A reference that is
/// never dropped is a leak of `Arc<T>`, by the name of the type.
///
/// Only the kernel's own `Arc` can be the type of `self`, or become an `Arc` of a trait object: a
/// method takes `this: &Arc<Self>` here.
///
/// ```
/// use selvedge_core::kernel::prelude::*;
/// use selvedge_core::kernel::sync::{Arc, ArcBorrow, UniqueArc};
///
/// fn keep(borrowed: ArcBorrow<'_, u32>) -> Arc<u32> {
///     borrowed.into()
/// }
///
/// fn numbers() -> Result {
///     let mut unique = UniqueArc::new(1, GFP_KERNEL)?;
///     *unique += 1;
///     let one: Arc<u32> = unique.into();
///     let other = keep(one.as_arc_borrow());
///     assert!(Arc::ptr_eq(&one, &other));
///     assert!(one.into_unique_or_drop().is_none());
///     assert_eq!(other.into_unique_or_drop().as_deref(), Some(&2));
///     Ok(())
/// }
///
/// selvedge_core::check(|| numbers().unwrap());
/// ```
pub struct Arc<T> {
    value: sync::Arc<T>,
}

impl<T> Arc<T> {
    /// Allocates a value with one reference.
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
    pub fn new(contents: T, flags: Flags) -> Result<Self, AllocError> {
        UniqueArc::new(contents, flags).map(Self::from)
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
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        flags.might_alloc();
        Ok(Self::from(UniqueArc { value: Box::new(init.pinned_init()?) }))
    }

    /// Returns whether the two are references to one value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        sync::Arc::ptr_eq(&this.value, &other.value)
    }

    /// Borrows the reference.
    pub fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        ArcBorrow { of: self }
    }

    /// Drops the reference, and returns the value if it was the last. The value moves, unlike in
    /// the kernel.
    #[track_caller]
    pub fn into_unique_or_drop(self) -> Option<Pin<UniqueArc<T>>>
    where
        T: Unpin,
    {
        let value = Box::new(sync::Arc::into_inner(self.value)?);
        Some(Pin::new(UniqueArc { value }))
    }
}

impl<T> Clone for Arc<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        Self { value: sync::Arc::clone(&self.value) }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> AsRef<T> for Arc<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T> From<UniqueArc<T>> for Arc<T> {
    fn from(unique: UniqueArc<T>) -> Self {
        let name = Name::of_type::<T>("Arc");
        Self { value: sync::Arc::named(std::sync::Arc::from(unique.value), name) }
    }
}

impl<T: Unpin> From<Pin<UniqueArc<T>>> for Arc<T> {
    fn from(unique: Pin<UniqueArc<T>>) -> Self {
        Self::from(Pin::into_inner(unique))
    }
}

impl<T> From<ArcBorrow<'_, T>> for Arc<T> {
    #[track_caller]
    fn from(borrowed: ArcBorrow<'_, T>) -> Self {
        borrowed.of.clone()
    }
}

impl<T: fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A borrowed [`Arc`], of which another reference can be made.
pub struct ArcBorrow<'a, T> {
    of: &'a Arc<T>,
}

impl<T> Clone for ArcBorrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ArcBorrow<'_, T> {}

impl<T> Deref for ArcBorrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.of
    }
}

impl<T: fmt::Debug> fmt::Debug for ArcBorrow<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value that is to be counted and has no other reference yet, so it can be changed. Its one
/// reference is counted from when it becomes an [`Arc`].
#[derive(Debug)]
pub struct UniqueArc<T> {
    value: Box<T>,
}

impl<T> UniqueArc<T> {
    /// Allocates a value.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Violations
    ///
    /// As [`Arc::new`].
    #[track_caller]
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        flags.might_alloc();
        Ok(Self { value: Box::new(value) })
    }

    /// Allocates what `init` makes.
    ///
    /// # Errors
    ///
    /// That of `init`.
    ///
    /// # Violations
    ///
    /// As [`Arc::new`].
    #[track_caller]
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>>
    where
        T: Unpin,
        Error: From<E>,
    {
        flags.might_alloc();
        Ok(Pin::new(Self { value: Box::new(init.pinned_init()?) }))
    }
}

impl<T> Deref for UniqueArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for UniqueArc<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
