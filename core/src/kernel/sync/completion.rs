//! Completions, as `rust/kernel/sync/completion.rs` (v6.16).

use crate::name::Name;
use crate::sync;

/// An event that happens once, with the rules of [`sync::Completion`].
///
/// ```
/// use selvedge_core::kernel::prelude::*;
/// use selvedge_core::kernel::sync::{Arc, Completion};
/// use selvedge_core::thread;
///
/// selvedge_core::check(|| {
///     let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
///     let other = done.clone();
///     let task = thread::spawn("task", move || other.complete_all());
///     done.wait_for_completion();
///     task.join();
/// });
/// ```
#[derive(Debug)]
pub struct Completion {
    completion: sync::Completion,
}

impl Completion {
    /// `init_completion`: creates a completion that has not been completed, named after the line.
    #[expect(clippy::new_without_default, reason = "the kernel's has no default")]
    #[track_caller]
    pub fn new() -> Self {
        Self { completion: sync::Completion::new(Name::here()) }
    }

    /// `complete_all`: completes for every waiter, present and future.
    #[track_caller]
    pub fn complete_all(&self) {
        self.completion.complete_all();
    }

    /// `wait_for_completion`: sleeps until it is completed.
    #[track_caller]
    pub fn wait_for_completion(&self) {
        self.completion.wait_for_completion();
    }
}
