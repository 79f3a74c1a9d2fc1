//! Threads that sleep where they may not.
//!
//! A thread may not sleep with a spinlock held, because interrupts are off; in a read section of
//! RCU, because a grace period is over when every reader has slept; in the function of a timer or a
//! callback of RCU, because that interrupts another thread. What is held follows from what the
//! thread has observed, and so does whether interrupts or bottom halves are disabled. The check
//! therefore happens where the thread announces an operation that may sleep, whether it will have
//! to wait there or not, and has the same result in every interleaving that leads to it.

use crate::op::{ObjectId, Op, Place, ThreadId};
use crate::violation::{Violation, ViolationKind};

use super::Observers;

/// An object that forbids a thread to sleep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atomic {
    pub(super) object: ObjectId,
    /// Whether it also forbids to take a spinlock that sleeps, as on PREEMPT_RT.
    pub(super) raw: bool,
}

/// What may sleep.
struct Sleeps<'a> {
    /// The class of the object, or the name that the model declares.
    class: &'a str,
    /// The call.
    call: String,
    at: Place,
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
        op: Op,
        at: Place,
    ) -> Option<Violation> {
        let row = op.kind.row();
        let spinlock = !row.sleeps;
        if spinlock && !(row.sleeps_on_rt && self.preempt_rt) {
            return None;
        }
        let holds = self.forbids_sleep(me, spinlock)?;
        let call = format!("{}({})", op.name(), self.object_name(op.about().unwrap_or(object)));
        let sleeps = Sleeps { class: self.objects[object.index()].name, call, at };
        Some(self.sleeps(me, sleeps, holds))
    }

    /// Notes that the kernel is PREEMPT_RT.
    pub(crate) fn set_preempt_rt(&mut self) {
        self.preempt_rt = true;
        self.seen.used.preempt_rt();
    }

    /// Returns the violation of thread `me` if it may not sleep, as `what` may, or this function on
    /// it.
    pub(crate) fn may_not_sleep(
        &self,
        me: ThreadId,
        what: &str,
        function: Option<&str>,
        at: Place,
    ) -> Option<Violation> {
        let holds = self.forbids_sleep(me, false)?;
        let call = function.map_or(what.to_owned(), |function| format!("{function}({what})"));
        Some(self.sleeps(me, Sleeps { class: what, call, at }, holds))
    }

    /// Returns what forbids thread `me` to sleep, or to take a spinlock that sleeps, as on
    /// PREEMPT_RT. Sections of RCU and softirqs are preemptible there
    /// (`Documentation/locking/locktypes.rst`).
    fn forbids_sleep(&self, me: ThreadId, spinlock: bool) -> Option<&'static str> {
        let thread = self.threads.get(me.index())?;
        let held = thread.atomic.iter().rfind(|held| held.raw || !spinlock);
        let holds = held.map(|held| self.objects[held.object.index()].name);
        holds.or(thread.task.forbids_sleep(spinlock))
    }

    fn sleeps(&self, me: ThreadId, sleeps: Sleeps<'_>, holds: &str) -> Violation {
        let thread = &self.threads[me.index()];
        let Sleeps { class, call, at } = sleeps;
        let taken = thread.taken(at);
        let reason = format!("{}: {call} may sleep, with {holds} held: {taken}", thread.name);
        Violation::new(ViolationKind::sleep_in_atomic(class, holds), reason)
    }
}
