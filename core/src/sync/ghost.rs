//! State that only the proof has.

use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use crate::declare;
use crate::name::Name;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime;
use crate::runtime::object::Object;
use crate::sync::data::Value;

use super::outside::Outside;

/// State that an invariant needs and the driver does not record.
///
/// A ghost may be written and checked but not read: nothing that a thread does may depend on it.
/// Each access is a step of its own. Otherwise two threads that meet only in a ghost would look
/// independent to loom and to every reduction, and the order that breaks the invariant would be
/// pruned.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::Ghost;
/// let assigned = Ghost::new("assigned", 0u64);
/// assigned.update(|mask| *mask |= 1);
/// assigned.check("INV-02", |mask| {
///     if mask.count_ones() <= 1 { Ok(()) } else { Err("assigned twice".into()) }
/// });
/// # });
/// ```
pub struct Ghost<T> {
    object: Object,
    value: Mutex<T>,
}

impl<T: Value> Ghost<T> {
    /// Creates a ghost named `name`.
    pub fn new(name: impl Into<Name>, value: T) -> Self {
        let id = runtime::value_id(&value);
        Self {
            object: Object::outside(name, Box::new(Outside { value: id })),
            value: Mutex::new(value),
        }
    }

    /// Changes the ghost.
    #[track_caller]
    pub fn update(&self, change: impl FnOnce(&mut T)) {
        let (_, id) = self.object.perform_then(Op::new(OpKind::Ghost), Location::caller(), || {
            let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut value);
            runtime::value_id(&*value)
        });
        self.object.set_value_id(id);
    }

    /// Checks invariant `id`, such as `"INV-07"`.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::Invariant`](crate::ViolationKind::Invariant) with the message that
    /// `holds` returns.
    #[track_caller]
    pub fn check(&self, id: &'static str, holds: impl FnOnce(&T) -> Result<(), String>) {
        let (_, verdict) =
            self.object.perform_then(Op::new(OpKind::Ghost), Location::caller(), || {
                holds(&self.value.lock().unwrap_or_else(PoisonError::into_inner))
            });
        if let Err(message) = verdict {
            declare::broken_at(id, message, Location::caller());
        }
    }
}

impl<T> fmt::Debug for Ghost<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ghost").field("object", &self.object).finish_non_exhaustive()
    }
}
