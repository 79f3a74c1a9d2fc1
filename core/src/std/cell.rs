//! Memory that threads access without synchronisation, as [`std::cell`].

use std::fmt;
use std::panic::Location;

use crate::name::Name;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime;
use crate::runtime::object::Object;
use crate::sync::plain;

/// Memory whose users ensure that no two of them access it at once. Two accesses that nothing
/// orders, of which one writes, are a data race.
///
/// As loom's, it lends the pointer to a closure, whose duration is that of the access.
///
/// ```should_panic
/// use selvedge_core::std::cell::UnsafeCell;
/// use selvedge_core::std::sync::Arc;
/// use selvedge_core::std::thread;
///
/// struct Shared(UnsafeCell<u32>);
/// // SAFETY: for the example it is not.
/// unsafe impl Sync for Shared {}
///
/// selvedge_core::model(|| {
///     let shared = Arc::new(Shared(UnsafeCell::new(0)));
///     let other = Arc::clone(&shared);
///     let writer = thread::spawn(move || other.0.with_mut(|value| unsafe { *value = 1 }));
///     shared.0.with(|value| unsafe { *value }); // a race
///     writer.join().unwrap();
/// });
/// ```
pub struct UnsafeCell<T> {
    object: Object,
    value: std::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    /// Creates a cell that holds `value`.
    #[track_caller]
    pub fn new(value: T) -> Self {
        runtime::note_opaque();
        let object = Object::new(Name::here(), plain::machine(0));
        Self { object, value: std::cell::UnsafeCell::new(value) }
    }

    /// Reads through the pointer.
    #[track_caller]
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::PlainRead), at);
        let result = read(self.value.get());
        self.object.perform(Op::new(OpKind::PlainReadEnds), at);
        result
    }

    /// Writes through the pointer.
    #[track_caller]
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::PlainWrite), at);
        let result = write(self.value.get());
        self.object.perform(Op::new(OpKind::PlainWriteEnds), at);
        result
    }

    /// Returns the value, which no other thread can reach.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: Default> Default for UnsafeCell<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for UnsafeCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsafeCell").field("object", &self.object).finish_non_exhaustive()
    }
}
