//! Threads that sleep where they may not.
//!
//! A thread may not sleep with a spinlock held, because interrupts are off; in a read section of
//! RCU, because a grace period is over when every reader has slept; in the function of a timer or a
//! callback of RCU, because that interrupts another thread. What is held follows from what the
//! thread has observed. The check therefore happens where the thread announces an operation that
//! may sleep, whether it will have to wait there or not, and has the same result in every
//! interleaving that leads to it.

use crate::op::{ObjectId, Place, ThreadId};
use crate::operations::OpKind;
use crate::violation::{Violation, ViolationKind};

use super::Observers;
use super::lockdep::Taken;

/// Notes that the thread has released `object`, if that was among what forbids it to sleep.
pub(super) fn ends(atomic: &mut Vec<ObjectId>, object: ObjectId) {
    if let Some(place) = atomic.iter().rposition(|held| *held == object) {
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
        if !kind.row().sleeps {
            return None;
        }
        self.may_not_sleep(me, self.objects[object.index()].name, at)
    }

    /// Returns the violation of thread `me` if it may not sleep, as `what` may.
    pub(crate) fn may_not_sleep(&self, me: ThreadId, what: &str, at: Place) -> Option<Violation> {
        let thread = self.threads.get(me.index())?;
        let holds = self.objects[thread.atomic.last()?.index()].name;
        let taken = Taken { function: thread.function(), at };
        let reason = format!("{}: {what} may sleep, with {holds} held: {taken}", thread.name);
        Some(Violation::new(ViolationKind::sleep_in_atomic(what, holds), reason))
    }
}
