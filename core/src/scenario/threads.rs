//! The threads of a scenario in the making: what they run, and which of them do the same.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

pub(super) type Action<W> = Arc<dyn Fn(&W) + Send + Sync>;

/// A thread of a scenario in the making, or a function that any number of threads run.
pub(super) struct BuilderThread<W> {
    pub(super) name: Arc<str>,
    pub(super) body: Action<W>,
    pub(super) does: Does,
}

impl<W> Clone for BuilderThread<W> {
    fn clone(&self) -> Self {
        let Self { name, body, does } = self;
        Self { name: Arc::clone(name), body: Arc::clone(body), does: does.clone() }
    }
}

/// What a thread does, as far as two threads can be compared.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Does {
    /// It runs this function, which has captured nothing.
    Function(TypeId),
    /// It makes these calls, which have captured nothing.
    Calls(Vec<TypeId>),
    /// The same as the other threads of the group with this number.
    SameAs(usize),
    /// It calls these functions, by their numbers among those that any number of threads run.
    Clients(Vec<usize>),
}

impl Does {
    /// Returns the function, if it has captured nothing.
    pub(super) fn function<F: 'static>() -> Option<TypeId> {
        (size_of::<F>() == 0).then(TypeId::of::<F>)
    }
}

/// The calls of a thread, in order: see [`ScenarioBuilder::calls`](super::ScenarioBuilder::calls).
#[must_use = "the calls are those of a thread: `.calls(name, |calls| calls.then(..))`"]
pub struct Calls<W>(pub(super) Vec<(Action<W>, Option<TypeId>)>);

impl<W> Calls<W> {
    /// Adds a call, which begins when the one before it has returned.
    pub fn then<F: Fn(&W) + Send + Sync + 'static>(mut self, call: F) -> Self {
        self.0.push((Arc::new(call), Does::function::<F>()));
        self
    }
}

impl<W> fmt::Debug for Calls<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calls").field(&self.0.len()).finish()
    }
}
