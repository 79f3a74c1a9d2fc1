//! `struct completion`: something that happens once, and the wait for it.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

use super::Interrupted;

/// The kernel's `struct completion`.
///
/// The rules are those of `kernel/sched/completion.c` and `Documentation/scheduler/completion.rst`,
/// v6.6. It counts how often it has been completed. Each wait takes one of these times, so
/// `complete` is for one waiter, before it waits or after; from `complete_all` on there is no end of
/// them, until `reinit_completion`. Which of several waiters gets a time is open: whoever comes just
/// then may be before those who slept. Unlike on a wait queue, nobody wakes too early. A wait that
/// nobody ends is a deadlock.
///
/// There is no time: the time of a wait can be up at any moment at which it has to wait, and outside
/// of any engine it is up at once.
///
/// # What is left out
///
/// Waiters are not served in the order in which they came, as the kernel's are: any may be next.
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
    /// `init_completion`: nothing has happened yet. It is named after what is waited for.
    pub fn new(class: &'static str) -> Self {
        Self { object: Object::new(class, Box::new(State { done: 0 })) }
    }

    /// `complete`: it has happened once more, for one waiter.
    #[track_caller]
    pub fn complete(&self) {
        self.object.perform(Op::new(OpKind::Complete), Location::caller());
    }

    /// `complete_all`: it has happened, for everybody.
    #[track_caller]
    pub fn complete_all(&self) {
        self.object.perform(Op::new(OpKind::CompleteAll), Location::caller());
    }

    /// `reinit_completion`: it has not happened yet, to be used again. As in the kernel, who waits
    /// goes on waiting.
    #[track_caller]
    pub fn reinit_completion(&self) {
        self.object.perform(Op::new(OpKind::ReinitCompletion), Location::caller());
    }

    /// `completion_done`: whether a wait would end at once.
    #[track_caller]
    pub fn completion_done(&self) -> bool {
        self.object.perform(Op::new(OpKind::CompletionDone), Location::caller()) == 1
    }

    /// `wait_for_completion`: sleeps until it has happened.
    #[track_caller]
    pub fn wait_for_completion(&self) {
        self.object.perform(Op::new(OpKind::WaitForCompletion), Location::caller());
    }

    /// `wait_for_completion_timeout`: the same, but not for ever. Whether it has happened.
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
    /// [`Interrupted`] if a signal came before it has happened. The kernel's callers return
    /// `-ERESTARTSYS` for it.
    #[track_caller]
    pub fn wait_for_completion_interruptible(&self) -> Result<(), Interrupted> {
        let op = Op::new(OpKind::WaitForCompletionInterruptible);
        match self.object.perform(op, Location::caller()) {
            0 => Err(Interrupted),
            _ => Ok(()),
        }
    }

    /// `try_wait_for_completion`: as [`wait_for_completion`](Self::wait_for_completion) if that
    /// need not wait. Whether it has happened.
    #[track_caller]
    pub fn try_wait_for_completion(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryWaitForCompletion), Location::caller()) > 0
    }

    /// Declares that this thread will complete it.
    ///
    /// This changes nothing in what can happen. It tells the observers who is waited for, so that a
    /// deadlock names its whole cycle and nothing else: see
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

/// `UINT_MAX`: there is no end of it, and nobody takes anything away.
const FOR_ALL: u32 = u32::MAX;

#[derive(Clone)]
struct State {
    /// How often it has happened and nobody has waited for it.
    done: u32,
}

impl State {
    /// Takes one of the times, if there is one: 0 if not, 2 if there is no end of them.
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
            // Time passes, whatever else happens.
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let first = u64::from(self.done == 0);
        match op.kind {
            // Whether it lets somebody go on who could not; who looks for dependences wants to know.
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
            other => unreachable!("{other} is no operation of a completion"),
        }
        Ok(0)
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.done));
    }
}
