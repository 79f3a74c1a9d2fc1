//! Detection of leaks, as loom's `alloc`.

use std::fmt;
use std::panic::Location;

use crate::name::Name;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime::object::Object;
use crate::sync::tracked;

/// A value that is to be dropped before the program ends. Otherwise that is a leak.
///
/// ```should_panic
/// use selvedge_core::std::alloc::Track;
///
/// selvedge_core::model(|| std::mem::forget(Track::new(1)));
/// ```
pub struct Track<T> {
    value: T,
    alive: Alive,
}

/// The memory of a tracked value, which its destructor frees.
struct Alive {
    object: Object,
}

impl<T> Track<T> {
    /// Creates a tracked value.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { value, alive: Alive { object: tracked::memory(Name::here()) } }
    }

    /// Returns the value.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// Returns the value.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Ends the tracking, and returns the value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.object.perform(Op::new(OpKind::Release), Location::caller());
    }
}

impl<T: fmt::Debug> fmt::Debug for Track<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Track");
        debug.field("value", &self.value).field("alive", &self.alive.object).finish()
    }
}
