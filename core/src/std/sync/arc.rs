//! Reference counts.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync;

use crate::name::Name;
use crate::runtime::object::unwinding;
use crate::sync::Kref;

/// A counted reference, as [`std::sync::Arc`]. A clone and a drop are operations: the last drop
/// happens after all others, and then the value is dropped. A reference that is never dropped is a
/// leak.
///
/// `Arc<T>` of a trait object is made of `std`'s by [`from_std`](Self::from_std), since only `std`
/// can convert between the two.
pub struct Arc<T: ?Sized> {
    // It is dropped first, so that the thread whose put was the last drops the value.
    count: Reference,
    value: Value<T>,
}

/// One of the counted references.
struct Reference(sync::Arc<Kref>);

/// The value, which is forgotten if the execution is over already: its destructor could assert
/// what no longer holds, and a panic while a thread is unwound aborts the process.
pub(crate) struct Value<T: ?Sized>(Option<sync::Arc<T>>);

impl<T: ?Sized> Value<T> {
    pub(crate) fn new(value: sync::Arc<T>) -> Self {
        Self(Some(value))
    }

    pub(crate) fn get(&self) -> &sync::Arc<T> {
        self.0.as_ref().expect("it is there until it is dropped")
    }

    fn get_mut(&mut self) -> &mut sync::Arc<T> {
        self.0.as_mut().expect("it is there until it is dropped")
    }

    fn take(mut self) -> sync::Arc<T> {
        self.0.take().expect("it is there until it is dropped")
    }
}

impl<T: ?Sized> Drop for Value<T> {
    fn drop(&mut self) {
        if unwinding() {
            std::mem::forget(self.0.take());
        }
    }
}

/// A reference that does not keep the value, as [`std::sync::Weak`].
pub struct Weak<T: ?Sized> {
    count: sync::Arc<Kref>,
    value: sync::Weak<T>,
}

impl<T> Arc<T> {
    /// Creates the first reference to `value`.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self::from_std(sync::Arc::new(value))
    }

    /// Returns the value if this is the only reference.
    ///
    /// # Errors
    ///
    /// The reference, if it is not.
    #[track_caller]
    pub fn try_unwrap(this: Self) -> Result<T, Self> {
        if !this.count.0.is_last() {
            return Err(this);
        }
        let Self { count, value } = this;
        drop(count);
        Ok(sync::Arc::into_inner(value.take()).expect("it is the only reference"))
    }

    /// Drops the reference, and returns the value if it was the last.
    #[track_caller]
    pub fn into_inner(this: Self) -> Option<T> {
        let Self { count, value } = this;
        drop(count);
        sync::Arc::into_inner(value.take())
    }
}

impl<T: ?Sized> Arc<T> {
    /// Counts the references to a value of `std`'s, of which this is to be the only one.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[track_caller]
    pub fn from_std(value: sync::Arc<T>) -> Self {
        assert_eq!(sync::Arc::strong_count(&value), 1, "the others would not be counted");
        Self::named(value, Name::here())
    }

    /// As [`from_std`](Self::from_std), with a name, of a value that has no other reference.
    pub(crate) fn named(value: sync::Arc<T>, name: Name) -> Self {
        Self { count: Reference(sync::Arc::new(Kref::new(name))), value: Value::new(value) }
    }

    /// Returns the number of references.
    #[track_caller]
    pub fn strong_count(this: &Self) -> usize {
        this.count.0.read() as usize
    }

    /// Returns the value if this is the only reference.
    #[track_caller]
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        if !this.count.0.is_last() {
            return None;
        }
        sync::Arc::get_mut(this.value.get_mut())
    }

    /// Returns whether the two are references to one value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        sync::Arc::ptr_eq(this.value.get(), other.value.get())
    }

    /// Returns the address of the value.
    pub fn as_ptr(this: &Self) -> *const T {
        sync::Arc::as_ptr(this.value.get())
    }

    /// Creates a reference that does not keep the value.
    pub fn downgrade(this: &Self) -> Weak<T> {
        let count = sync::Arc::clone(&this.count.0);
        Weak { count, value: sync::Arc::downgrade(this.value.get()) }
    }
}

impl<T: ?Sized> Weak<T> {
    /// Creates a counted reference, unless the last one has been dropped.
    #[track_caller]
    pub fn upgrade(&self) -> Option<Arc<T>> {
        if !self.count.get_unless_zero() {
            return None;
        }
        let count = Reference(sync::Arc::clone(&self.count));
        let value = self.value.upgrade().expect("it is counted");
        Some(Arc { count, value: Value::new(value) })
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.count.0.get();
        let count = Reference(sync::Arc::clone(&self.count.0));
        Self { count, value: Value::new(sync::Arc::clone(self.value.get())) }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        _ = self.0.put();
    }
}

impl<T: ?Sized> Clone for Weak<T> {
    fn clone(&self) -> Self {
        Self { count: sync::Arc::clone(&self.count), value: sync::Weak::clone(&self.value) }
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.get()
    }
}

impl<T: ?Sized> AsRef<T> for Arc<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: Default> Default for Arc<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Arc<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + PartialEq> PartialEq for Arc<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ?Sized + Eq> Eq for Arc<T> {}

impl<T: ?Sized + Hash> Hash for Arc<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> fmt::Debug for Weak<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(Weak)")
    }
}
