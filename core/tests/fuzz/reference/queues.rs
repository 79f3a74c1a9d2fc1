//! Wait queues: kernel/sched/wait.c and include/linux/wait.h.

use std::collections::BTreeSet;

use super::super::program::Instr;
use super::{After, Done, Look, Phase, State, Way};

/// A wait queue.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Queue {
    /// The threads that are queued, from the head, and whether each is exclusive.
    entries: Vec<(usize, bool)>,
    /// Those that `schedule` does not resume.
    asleep: BTreeSet<usize>,
}

impl Queue {
    /// prepare_to_wait clears the exclusive flag and adds an entry that is not queued at the head;
    /// prepare_to_wait_exclusive sets it and adds it at the tail. Then the thread does not run.
    fn prepare(&mut self, me: usize, exclusive: bool) {
        match self.entries.iter_mut().find(|(thread, _)| *thread == me) {
            Some(entry) => entry.1 = exclusive,
            None if exclusive => self.entries.push((me, true)),
            None => self.entries.insert(0, (me, false)),
        }
        self.asleep.insert(me);
    }

    /// finish_wait: runs, and is not queued.
    fn finish(&mut self, me: usize) {
        self.asleep.remove(&me);
        self.entries.retain(|(thread, _)| *thread != me);
    }

    /// __wake_up_common, from the head: "if (ret && (flags & WQ_FLAG_EXCLUSIVE) && !--nr_exclusive)
    /// break;". autoremove_wake_function removes a woken thread from the queue, and `ret` is 0 for
    /// a thread that was awake (try_to_wake_up).
    fn wake(&mut self, mut nr_exclusive: i64) {
        let mut broken = false;
        self.entries.retain(|(thread, exclusive)| {
            let wakes = !broken && self.asleep.remove(thread);
            if wakes && *exclusive {
                nr_exclusive -= 1;
                broken = nr_exclusive == 0;
            }
            !wakes
        });
    }

    pub(super) fn sleeps(&self, me: usize) -> bool {
        self.asleep.contains(&me)
    }

    /// Wakes spuriously, if it sleeps; it stays queued.
    fn wake_spuriously(&mut self, me: usize) -> Option<()> {
        self.asleep.remove(&me).then_some(())
    }
}

/// Returns the queue of `wait_event` and its variants.
pub(super) fn waits_on(instr: Instr) -> Option<usize> {
    match instr {
        Instr::WaitForAtomic(q, _)
        | Instr::WaitForData(q, _)
        | Instr::WaitExclusive(q, _)
        | Instr::WaitTimeout(q, _)
        | Instr::WaitInterruptible(q, _)
        | Instr::WaitKillable(q, _)
        | Instr::WaitCmd(q) => Some(q),
        _ => None,
    }
}

/// Returns whether the result of the wait is logged.
fn logs(instr: Instr) -> bool {
    matches!(instr, Instr::WaitTimeout(..) | Instr::WaitInterruptible(..) | Instr::WaitKillable(..))
}

impl State {
    /// Performs an operation on a wait queue, if it is one: `Some(None)` is a wait.
    pub(super) fn queue(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        if let Some(q) = waits_on(instr) {
            return Some(self.wait_event(me, q, instr));
        }
        match instr {
            Instr::Prepare(q) => self.queues[q].prepare(me, false),
            Instr::PrepareExclusive(q) => self.queues[q].prepare(me, true),
            Instr::Schedule(q) => {
                return Some((!self.queues[q].sleeps(me)).then_some(Done::Next));
            }
            Instr::Finish(q) => self.queues[q].finish(me),
            // wake_up is __wake_up(x, TASK_NORMAL, 1, NULL), wake_up_nr has another number there,
            // and wake_up_all has 0.
            Instr::WakeUp(q) => self.queues[q].wake(1),
            Instr::WakeUpNr(q, nr) => self.queues[q].wake(i64::from(nr)),
            Instr::WakeUpAll(q) => self.queues[q].wake(0),
            // waitqueue_active: "returns true if the wait list is not empty".
            Instr::Active(q) => {
                let active = !self.queues[q].entries.is_empty();
                self.threads[me].log.push(u64::from(active));
            }
            _ => return None,
        }
        Some(Some(Done::Next))
    }

    /// wait_event and its variants: "if (condition) break;" comes first. Where a thread is not
    /// exclusive and the queue cannot be freed, that look is left out here as in the library, which
    /// documents it: a thread queued in vain takes no wake-up from others, but waitqueue_active
    /// shows it.
    fn looks_first(&self, instr: Instr) -> bool {
        // With a mutex that is unlocked the look is not a step: see `alone`.
        let steps = !instr.unlocks_mutex();
        steps && (self.in_memory || matches!(instr, Instr::WaitExclusive(..)))
    }

    /// Returns whether a look at the condition is next.
    pub(super) fn is_about_to_look(&self, me: usize, instr: Instr) -> bool {
        match self.threads[me].phase {
            Phase::Begin => self.looks_first(instr),
            phase => matches!(phase, Phase::Check(_)),
        }
    }

    /// ___wait_event: prepares, looks, sleeps, and repeats.
    fn wait_event(&mut self, me: usize, q: usize, instr: Instr) -> Option<Done> {
        match self.threads[me].phase {
            Phase::Begin if self.looks_first(instr) => self.look(me, instr, Look::First),
            Phase::Begin => self.prepare(me, q, instr, Look::Again),
            Phase::Prepare(look) => self.prepare(me, q, instr, look),
            Phase::Check(look) => self.look(me, instr, look),
            Phase::Unlock(look) => Some(self.unlock_condition(me, instr, look)),
            Phase::Touch(after) => Some(after.done()),
            Phase::Sleep => self.sleep(me, q, instr),
            // prepare_to_wait_event removes a thread that has a signal from the queue before it
            // looks for the last time.
            Phase::Dequeue => {
                self.queues[q].finish(me);
                Some(Done::More(Phase::Check(Look::Last)))
            }
            Phase::Relock => self.relock(me, self.again(instr)),
            Phase::Leave(holds) => {
                self.queues[q].finish(me);
                Some(self.returns(me, instr, holds))
            }
            phase => unreachable!("{phase:?} is not a phase of {instr:?}"),
        }
    }

    /// Returns the phase with which a thread continues that has slept.
    fn again(&self, instr: Instr) -> Phase {
        if self.looks_first(instr) { Phase::Prepare(Look::Again) } else { Phase::Begin }
    }

    fn returns(&mut self, me: usize, instr: Instr, holds: bool) -> Done {
        if logs(instr) {
            self.threads[me].log.push(u64::from(holds));
        }
        Done::Next
    }

    fn prepare(&mut self, me: usize, q: usize, instr: Instr, look: Look) -> Option<Done> {
        self.queues[q].prepare(me, matches!(instr, Instr::WaitExclusive(..)));
        if instr.unlocks_mutex() {
            // The condition concerns data that the thread has locked: a look is not a step.
            let m = self.last_mutex(me).expect("it has a mutex");
            let holds = self.mutexes[m].value != 0;
            let phase = if holds { Phase::Leave(true) } else { Phase::Unlock(look) };
            return Some(Done::More(phase));
        }
        Some(Done::More(Phase::Check(look)))
    }

    /// Looks at the condition; if that is behind a mutex, takes it for that.
    fn look(&mut self, me: usize, instr: Instr, look: Look) -> Option<Done> {
        match instr {
            Instr::WaitForData(_, m) => {
                let mutex = &mut self.mutexes[m];
                mutex.owner.is_none().then(|| mutex.owner = Some(me))?;
                Some(Done::More(Phase::Unlock(look)))
            }
            Instr::WaitForAtomic(_, a)
            | Instr::WaitExclusive(_, a)
            | Instr::WaitTimeout(_, a)
            | Instr::WaitInterruptible(_, a)
            | Instr::WaitKillable(_, a) => {
                let after = self.after_look(instr, look, self.atomics[a] != 0);
                Some(self.proceed(me, instr, after))
            }
            other => unreachable!("the condition of {other:?} is looked at with a mutex held"),
        }
    }

    fn unlock_condition(&mut self, me: usize, instr: Instr, look: Look) -> Done {
        let (m, after) = match instr {
            Instr::WaitForData(_, m) => {
                (m, self.after_look(instr, look, self.mutexes[m].value != 0))
            }
            // wait_event_cmd: the first of its commands.
            _ => (self.unlock_last_mutex(me), After::Sleep),
        };
        self.mutexes[m].owner = None;
        self.unlocked(after)
    }

    fn after_look(&self, instr: Instr, look: Look, holds: bool) -> After {
        match (look, holds) {
            (Look::First, true) => After::Return(true),
            (Look::First, false) => After::Prepare,
            (Look::Again, true) => After::Leave(true),
            (Look::Again, false) => After::Sleep,
            // ___wait_cond_timeout: "if (__cond && !__ret) __ret = 1;".
            (Look::Last, _) if matches!(instr, Instr::WaitTimeout(..)) => After::Leave(holds),
            (Look::Last, _) => After::Return(holds),
        }
    }

    fn proceed(&mut self, me: usize, instr: Instr, after: After) -> Done {
        match after {
            After::Return(holds) => self.returns(me, instr, holds),
            after => after.done(),
        }
    }

    /// A thread that has been woken goes round once more. An expired timeout at that moment has the
    /// same effect: it looks once more at least.
    fn sleep(&mut self, me: usize, q: usize, instr: Instr) -> Option<Done> {
        if !self.queues[q].sleeps(me) {
            return Some(Done::More(self.slept(instr)));
        }
        // schedule_timeout: "0 when the timer has expired", which it does at some time.
        matches!(instr, Instr::WaitTimeout(..)).then(|| self.queues[q].wake_spuriously(me))?;
        Some(Done::More(Phase::Prepare(Look::Last)))
    }

    fn slept(&self, instr: Instr) -> Phase {
        if instr.unlocks_mutex() { Phase::Relock } else { self.again(instr) }
    }

    /// kernel/time/timer.c, schedule_timeout: it arms a timer, so that the sleep ends by itself,
    /// and returns "0 when the timer has expired otherwise the remaining time in jiffies". That is
    /// computed when the thread runs again ("timeout = expire - jiffies"), so of a thread that was
    /// woken, or did not sleep, it may be 0 too.
    pub(super) fn schedule_timeout(&mut self, me: usize, q: usize, way: Way) -> Option<Done> {
        let slept = self.queues[q].wake_spuriously(me).is_some();
        let left = match (way, slept) {
            (Way::Guaranteed(0), _) => !slept,
            (Way::Guaranteed(1), false) => false,
            (Way::Optional(0), true) => true,
            _ => return None,
        };
        self.threads[me].log.push(u64::from(left));
        Some(Done::Next)
    }

    /// Applies a signal or a spurious wake-up to a thread that sleeps on a wait queue.
    pub(super) fn wakes_spuriously(&mut self, me: usize, instr: Instr, way: Way) -> Option<Done> {
        if let Instr::Schedule(q) = instr {
            (way == Way::Optional(0)).then(|| self.queues[q].wake_spuriously(me))??;
            return Some(Done::Next);
        }
        if let Instr::ScheduleTimeout(q) = instr {
            return self.schedule_timeout(me, q, way);
        }
        let q = waits_on(instr).filter(|_| self.threads[me].phase == Phase::Sleep)?;
        let signals = matches!(instr, Instr::WaitInterruptible(..) | Instr::WaitKillable(..));
        let phase = match way {
            // signal_pending_state.
            Way::Optional(0) if signals => Phase::Dequeue,
            Way::Optional(1) if signals => self.slept(instr),
            Way::Optional(0) => self.slept(instr),
            _ => return None,
        };
        self.queues[q].wake_spuriously(me)?;
        Some(Done::More(phase))
    }
}
