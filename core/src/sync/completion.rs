//! `struct completion`: an event that happens once, and the wait for it.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

use super::Interrupted;

/// The kernel's `struct completion`.
///
/// The rules are those of `kernel/sched/completion.c` and `Documentation/scheduler/completion.rst`,
/// v6.6. The object counts how often it has been completed, and each wait consumes one completion.
/// `complete` is therefore for one waiter, before or after it begins to wait. After `complete_all`
/// waits consume nothing, until `reinit_completion`. Any of several waiters may consume a
/// completion: a thread that arrives just then may precede those that slept. Unlike on a wait
/// queue, no waiter wakes too early. A wait that no thread ends is a deadlock.
///
/// There is no time: a timeout may expire at any moment at which the thread has to wait, and
/// outside of any engine it expires at once.
///
/// # What is left out
///
/// Waiters are not served in order of arrival, as the kernel's are: any waiter may be next.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::Completion;
/// let closed = Completion::new("vfio group");
/// closed.complete_all();
/// closed.wait_for_completion();
/// # });
/// ```
pub struct Completion {
    object: Object,
}

impl Completion {
    /// `init_completion`: creates a completion that has not been completed, named after the event.
    #[doc(alias = "init_completion")]
    pub fn new(class: impl Into<Name>) -> Self {
        Self { object: Object::new(class, Box::new(State { done: 0 })) }
    }

    /// `complete`: completes once more, for one waiter.
    #[track_caller]
    pub fn complete(&self) {
        self.object.perform(Op::new(OpKind::Complete), Location::caller());
    }

    /// `complete_all`: completes for every waiter, present and future.
    #[track_caller]
    pub fn complete_all(&self) {
        self.object.perform(Op::new(OpKind::CompleteAll), Location::caller());
    }

    /// `reinit_completion`: resets the count, so that the completion can be used again. As in the
    /// kernel, a thread that waits continues to wait.
    #[track_caller]
    pub fn reinit_completion(&self) {
        self.object.perform(Op::new(OpKind::ReinitCompletion), Location::caller());
    }

    /// `completion_done`: returns whether a wait would end at once.
    #[track_caller]
    pub fn completion_done(&self) -> bool {
        self.object.perform(Op::new(OpKind::CompletionDone), Location::caller()) == 1
    }

    /// `wait_for_completion`: sleeps until there is a completion, and consumes it.
    #[track_caller]
    pub fn wait_for_completion(&self) {
        self.object.perform(Op::new(OpKind::WaitForCompletion), Location::caller());
    }

    /// `wait_for_completion_timeout`: the same with a timeout. Returns whether there was a
    /// completion.
    ///
    /// ```
    /// # selvedge_core::check(|| {
    /// use selvedge_core::sync::Completion;
    /// let done = Completion::new("request");
    /// assert!(!done.wait_for_completion_timeout());
    /// done.complete();
    /// assert!(done.wait_for_completion_timeout());
    /// # });
    /// ```
    #[track_caller]
    pub fn wait_for_completion_timeout(&self) -> bool {
        self.object.perform(Op::new(OpKind::WaitForCompletionTimeout), Location::caller()) > 0
    }

    /// `wait_for_completion_interruptible`: the same, but a signal ends the wait too.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if a signal arrived before a completion. The kernel's callers return
    /// `-ERESTARTSYS` for it.
    #[track_caller]
    pub fn wait_for_completion_interruptible(&self) -> Result<(), Interrupted> {
        let op = Op::new(OpKind::WaitForCompletionInterruptible);
        match self.object.perform(op, Location::caller()) {
            0 => Err(Interrupted),
            _ => Ok(()),
        }
    }

    /// `try_wait_for_completion`: consumes a completion if there is one now, and returns whether
    /// there was. Never waits.
    #[track_caller]
    pub fn try_wait_for_completion(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryWaitForCompletion), Location::caller()) > 0
    }

    /// Declares that this thread will complete it.
    ///
    /// This has no effect on what can happen. It tells the observers which thread is waited for, so
    /// that a deadlock names exactly its cycle: see
    /// [`WaitQueue::promise`](super::WaitQueue::promise).
    #[track_caller]
    pub fn promise(&self) {
        self.object.observe_promise(true, Location::caller());
    }

    /// Declares that the promise is kept.
    #[track_caller]
    pub fn fulfil(&self) {
        self.object.observe_promise(false, Location::caller());
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("object", &self.object).finish_non_exhaustive()
    }
}

/// `UINT_MAX`: waits consume nothing, since `complete_all`.
const FOR_ALL: u32 = u32::MAX;

#[derive(Clone)]
struct State {
    /// The number of completions that no wait has consumed.
    done: u32,
}

impl State {
    /// Consumes a completion, if there is one. Returns 0 if there is none, and 2 after
    /// `complete_all`.
    fn take(&mut self) -> u64 {
        match self.done {
            0 => 0,
            FOR_ALL => 2,
            _ => {
                self.done -= 1;
                1
            }
        }
    }
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::WaitForCompletion => Ready::when(self.done > 0),
            OpKind::WaitForCompletionInterruptible if self.done == 0 => Ready::NO.or_optional(),
            // The timeout may expire in every state.
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let first = u64::from(self.done == 0);
        match op.kind {
            // The reply is whether a thread can continue now that could not, for the dependency
            // relation.
            OpKind::Complete => {
                self.done = self.done.saturating_add(1);
                return Ok(first);
            }
            OpKind::CompleteAll => {
                self.done = FOR_ALL;
                return Ok(first);
            }
            OpKind::ReinitCompletion => self.done = 0,
            OpKind::CompletionDone => return Ok(u64::from(self.done > 0)),
            kind if kind.row().takes_completion => return Ok(self.take()),
            other => unreachable!("{other} is not an operation of a completion"),
        }
        Ok(0)
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.done));
    }
}
