//! Values that each thread has of its own.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::thread::AccessError;

use crate::std::own;

/// Declares values of which each thread of an execution has its own, as `std`'s macro does.
///
/// ```
/// use std::cell::Cell;
///
/// use selvedge_core::std::thread;
///
/// selvedge_core::thread_local! {
///     static DEPTH: Cell<u32> = Cell::new(0);
/// }
///
/// selvedge_core::model(|| {
///     DEPTH.set(1);
///     thread::spawn(|| assert_eq!(DEPTH.get(), 0)).join().unwrap();
///     assert_eq!(DEPTH.get(), 1);
/// });
/// ```
#[macro_export]
macro_rules! thread_local {
    ($($(#[$attribute:meta])* $visible:vis static $name:ident: $type:ty = $init:expr);* $(;)?) => {
        $(
            $(#[$attribute])*
            $visible static $name: $crate::std::thread::LocalKey<$type> =
                $crate::std::thread::LocalKey::new(|| $init);
        )*
    };
}

/// A value that each thread has of its own, as [`std::thread::LocalKey`].
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
}

impl<T: 'static> LocalKey<T> {
    /// Creates a value that `init` makes for each thread.
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init }
    }

    /// Calls `with` with the value of the calling thread.
    pub fn with<R>(&'static self, with: impl FnOnce(&T) -> R) -> R {
        let init = || -> Rc<dyn Any> { Rc::new((self.init)()) };
        let value = own::value(std::ptr::from_ref(self).addr(), init);
        with(value.downcast_ref().expect("a key has values of one type"))
    }

    /// As [`with`](Self::with).
    ///
    /// # Errors
    ///
    /// None: a destructor that uses a value of its thread creates it anew.
    pub fn try_with<R>(&'static self, with: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        Ok(self.with(with))
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value of the calling thread.
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// Returns the value of the calling thread.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value of the calling thread.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets the value of the calling thread, and returns the previous one.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `with` with the value of the calling thread.
    pub fn with_borrow<R>(&'static self, with: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| with(&cell.borrow()))
    }

    /// Calls `with` with the value of the calling thread.
    pub fn with_borrow_mut<R>(&'static self, with: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| with(&mut cell.borrow_mut()))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}
