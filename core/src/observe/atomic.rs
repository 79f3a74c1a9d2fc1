//! Threads that sleep where they may not.
//!
//! A thread may not sleep with a spinlock held, because interrupts are off; in a read section of
//! RCU, because a grace period is over when every reader has slept; in the function of a timer or a
//! callback of RCU, because that interrupts another thread. What is held follows from what the
//! thread has observed, and so does whether interrupts or bottom halves are disabled. The check
//! therefore happens where the thread announces an operation that may sleep, whether it will have
//! to wait there or not, and has the same result in every interleaving that leads to it.

use crate::op::{ObjectId, Place, ThreadId};
use crate::operations::OpKind;
use crate::violation::{Violation, ViolationKind};

use super::Observers;

/// An object that forbids a thread to sleep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atomic {
    pub(super) object: ObjectId,
    /// Whether it also forbids to take a spinlock that sleeps, as on PREEMPT_RT.
    pub(super) raw: bool,
}

/// Notes that the thread has released `object`, if that was among what forbids it to sleep.
pub(super) fn ends(atomic: &mut Vec<Atomic>, object: ObjectId) {
    if let Some(place) = atomic.iter().rposition(|held| held.object == object) {
        atomic.remove(place);
    }
}

impl Observers {
    /// Returns the violation of thread `me` if its next operation may sleep, and it may not.
    pub(crate) fn sleep_in_atomic(
        &self,
        me: ThreadId,
        object: ObjectId,
        kind: OpKind,
        at: Place,
    ) -> Option<Violation> {
        let what = self.objects[object.index()].name;
        match kind.row() {
            row if row.sleeps => self.may_not_sleep(me, what, at),
            row if row.sleeps_on_rt && self.preempt_rt => self.forbidden(me, what, at, true),
            _ => None,
        }
    }

    /// Notes that the kernel is PREEMPT_RT.
    pub(crate) fn set_preempt_rt(&mut self) {
        self.preempt_rt = true;
        self.seen.used.preempt_rt();
    }

    /// Returns the violation of thread `me` if it may not sleep, as `what` may.
    pub(crate) fn may_not_sleep(&self, me: ThreadId, what: &str, at: Place) -> Option<Violation> {
        self.forbidden(me, what, at, false)
    }

    /// The same, or for a spinlock that sleeps, as on PREEMPT_RT. Sections of RCU and softirqs are
    /// preemptible there (`Documentation/locking/locktypes.rst`).
    fn forbidden(&self, me: ThreadId, what: &str, at: Place, spinlock: bool) -> Option<Violation> {
        let thread = self.threads.get(me.index())?;
        let held = thread.atomic.iter().rfind(|held| held.raw || !spinlock);
        let holds = held.map(|held| self.objects[held.object.index()].name);
        let holds = holds.or(thread.task.forbids_sleep(spinlock))?;
        let taken = thread.taken(at);
        let reason = format!("{}: {what} may sleep, with {holds} held: {taken}", thread.name);
        Some(Violation::new(ViolationKind::sleep_in_atomic(what, holds), reason))
    }
}
