//! What makes a value in its place, as `rust/kernel/init.rs` (v6.15) and the crate `pin-init`.
//!
//! Nothing is pinned here, so an initialiser is the value that it makes. The attributes
//! `#[pin_data]` and `#[pin]` are left out of a structure.

use std::convert::Infallible;

/// What makes a `T`: a `T`, or the result of making one.
///
/// ```
/// use selvedge_core::kernel::prelude::*;
/// use selvedge_core::kernel::sync::{Arc, Mutex, new_mutex};
///
/// struct Device {
///     minor: u32,
///     open: Mutex<u32>,
/// }
///
/// impl Device {
///     fn new(minor: u32) -> impl PinInit<Self> {
///         pin_init!(Self { minor, open <- new_mutex!(0, "Device::open") })
///     }
/// }
///
/// selvedge_core::check(|| {
///     let device = Arc::pin_init(Device::new(1), GFP_KERNEL).unwrap();
///     *device.open.lock() += device.minor;
/// });
/// ```
pub trait PinInit<T, E = Infallible> {
    /// Makes the value.
    ///
    /// # Errors
    ///
    /// Its own.
    fn pinned_init(self) -> Result<T, E>;
}

impl<T> PinInit<T> for T {
    fn pinned_init(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

impl<T, E> PinInit<T, E> for Result<T, E> {
    fn pinned_init(self) -> Self {
        self
    }
}

/// Makes a value, which cannot fail.
#[doc(hidden)]
pub fn made<T>(init: impl PinInit<T>) -> T {
    match init.pinned_init() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// Makes a structure, of whose fields `field: value` is a value and `field <- init` is what
/// [`PinInit`](crate::kernel::prelude::PinInit) makes.
#[macro_export]
macro_rules! pin_init {
    ($($structure:ident)::+ $(::<$($type:ty),*>)? { $($fields:tt)* }) => {
        $crate::kernel_structure!(made [$($structure)::+ $(::<$($type),*>)?] [] $($fields)*)
    };
}

/// As [`pin_init!`](crate::kernel::prelude::pin_init), where a field may fail. It makes a `Result`,
/// whose error is an [`Error`](crate::kernel::error::Error) if no other is named. The structure is
/// made in a closure, which `?` leaves.
///
/// ```
/// use selvedge_core::kernel::prelude::*;
/// use selvedge_core::kernel::sync::{Arc, Mutex, new_mutex};
///
/// struct Device {
///     name: KBox<&'static str>,
///     open: Mutex<u32>,
/// }
///
/// impl Device {
///     fn new(name: &'static str) -> impl PinInit<Self, Error> {
///         try_pin_init!(Self {
///             name: KBox::new(if name.is_empty() { Err(EINVAL)? } else { name }, GFP_KERNEL)?,
///             open <- new_mutex!(0, "Device::open"),
///         })
///     }
/// }
///
/// selvedge_core::check(|| {
///     assert_eq!(Arc::pin_init(Device::new(""), GFP_KERNEL).err(), Some(EINVAL));
///     let device = Arc::pin_init(Device::new("null"), GFP_KERNEL).unwrap();
///     *device.open.lock() += device.name.len() as u32;
/// });
/// ```
#[macro_export]
macro_rules! try_pin_init {
    ($($structure:ident)::+ $(::<$($type:ty),*>)? { $($fields:tt)* }) => {
        $crate::try_pin_init!($($structure)::+ $(::<$($type),*>)? { $($fields)* }
            ? $crate::kernel::error::Error)
    };
    ($($structure:ident)::+ $(::<$($type:ty),*>)? { $($fields:tt)* } ? $error:ty) => {
        (|| -> ::core::result::Result<_, $error> {
            ::core::result::Result::Ok($crate::kernel_structure!(
                tried [$($structure)::+ $(::<$($type),*>)?] [] $($fields)*))
        })()
    };
}

/// Makes a structure, field by field.
#[doc(hidden)]
#[macro_export]
macro_rules! kernel_structure {
    ($mode:ident [$($structure:tt)*] [$($done:tt)*]) => {
        $($structure)* { $($done)* }
    };
    (made $structure:tt [$($done:tt)*] $field:ident <- $init:expr $(, $($rest:tt)*)?) => {
        $crate::kernel_structure!(made $structure
            [$($done)* $field: $crate::kernel::init::made($init),] $($($rest)*)?)
    };
    (tried $structure:tt [$($done:tt)*] $field:ident <- $init:expr $(, $($rest:tt)*)?) => {
        $crate::kernel_structure!(tried $structure
            [$($done)* $field: $crate::kernel::init::PinInit::pinned_init($init)?,] $($($rest)*)?)
    };
    ($mode:ident $structure:tt [$($done:tt)*] $field:ident: $value:expr $(, $($rest:tt)*)?) => {
        $crate::kernel_structure!($mode $structure [$($done)* $field: $value,] $($($rest)*)?)
    };
    ($mode:ident $structure:tt [$($done:tt)*] $field:ident $(, $($rest:tt)*)?) => {
        $crate::kernel_structure!($mode $structure [$($done)* $field,] $($($rest)*)?)
    };
}
