//! What a thread does, so that threads that do the same are recognised.

use std::any::TypeId;

/// What a thread does, as far as two threads can be compared.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Does {
    /// It runs this function, which has captured nothing.
    Function(TypeId),
    /// It makes these calls, which have captured nothing.
    Calls(Vec<TypeId>),
    /// The same as the other threads of the group with this number.
    SameAs(usize),
    /// The function with this number that any number of threads run.
    Client(usize),
}

impl Does {
    /// Returns the function, if it has captured nothing.
    pub(super) fn function<F: 'static>() -> Option<TypeId> {
        (size_of::<F>() == 0).then(TypeId::of::<F>)
    }
}
