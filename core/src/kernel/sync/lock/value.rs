//! Whether the data of a lock can be compared. The macros that make a lock ask that of the type
//! that they see: a trait that a value of it implements is found before one that a reference to it
//! implements.

use std::hash::Hash;
use std::marker::PhantomData;

use crate::std::sync::Held;

/// A type that is asked.
#[derive(Debug)]
pub struct Asked<T>(PhantomData<fn() -> T>);

impl<T> Asked<T> {
    /// Asks the type of a value.
    pub fn of(_: &T) -> Self {
        Self(PhantomData)
    }
}

/// A type whose values are compared by their `Hash`.
pub trait Compared {
    /// Returns how they are held.
    fn kind(&self) -> ByHash;
}

impl<T: Hash> Compared for Asked<T> {
    fn kind(&self) -> ByHash {
        ByHash
    }
}

/// A type whose values cannot be compared.
pub trait NotCompared {
    /// Returns how they are held.
    fn kind(&self) -> Unknown;
}

impl<T> NotCompared for &Asked<T> {
    fn kind(&self) -> Unknown {
        Unknown
    }
}

/// Values are compared by their `Hash`.
#[derive(Debug)]
pub struct ByHash;

impl ByHash {
    /// Holds a value behind a lock.
    pub fn hold<T: Hash>(self, value: T) -> Held<Box<T>> {
        Held::hashed(Box::new(value))
    }
}

/// Values cannot be compared.
#[derive(Debug)]
pub struct Unknown;

impl Unknown {
    /// Holds a value behind a lock.
    pub fn hold<T>(self, value: T) -> Held<Box<T>> {
        Held::new(Box::new(value))
    }
}

/// Holds a value behind a lock.
#[doc(hidden)]
#[macro_export]
macro_rules! kernel_held {
    ($value:expr) => {{
        #[allow(unused_imports)]
        use $crate::kernel::sync::lock::value::{Asked, Compared as _, NotCompared as _};
        let value = $value;
        let asked = Asked::of(&value);
        (&asked).kind().hold(value)
    }};
}
