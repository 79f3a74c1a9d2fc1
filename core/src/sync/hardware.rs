//! State that belongs to the hardware, and the instructions that work on it.

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

/// State that only instructions can access: the queues of a crypto card, a control block that the
/// hardware reads, translations that it caches.
///
/// An instruction is one step: no thread sees it half done. The thread that executes it observes
/// the value that it returns and nothing else.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::Hardware;
/// let queue = Hardware::new("AP queue", 0u32);
/// let enqueued = queue.execute("NQAP", |messages| {
///     *messages += 1;
///     *messages
/// });
/// assert_eq!(enqueued, 1);
/// # });
/// ```
pub struct Hardware<T> {
    object: Object,
    state: Mutex<T>,
}

impl<T: Value> Hardware<T> {
    /// Creates hardware named `name`, in this state.
    pub fn new(name: impl Into<Name>, state: T) -> Self {
        let id = runtime::value_id(&state);
        Self {
            object: Object::outside(name, Box::new(Outside { value: id })),
            state: Mutex::new(state),
        }
    }

    /// Executes an instruction, which traces call `name`. It may report a broken invariant
    /// ([`invariant_broken`](crate::invariant_broken)) only after it has returned.
    #[track_caller]
    pub fn execute<R: Value>(
        &self,
        name: &'static str,
        instruction: impl FnOnce(&mut T) -> R,
    ) -> R {
        // The innermost function of an instruction is its name: see `Observers::announce`.
        let _name = declare::function(name);
        let (_, (id, result)) =
            self.object.perform_then(Op::new(OpKind::Instruction), Location::caller(), || {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let result = instruction(&mut state);
                (runtime::value_id(&*state), result)
            });
        self.object.set_value_id(id);
        runtime::observed(runtime::value_id(&result));
        result
    }

    /// Executes an instruction, called `name`, that may report the invariant that is broken, and
    /// how.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::Invariant`](crate::ViolationKind::Invariant).
    #[track_caller]
    pub fn execute_checked(
        &self,
        name: &'static str,
        instruction: impl FnOnce(&mut T) -> Option<(&'static str, String)>,
    ) {
        if let Some((id, message)) = self.execute(name, instruction) {
            declare::broken_at(id, message, Location::caller());
        }
    }
}

impl<T> fmt::Debug for Hardware<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hardware").field("object", &self.object).finish_non_exhaustive()
    }
}
