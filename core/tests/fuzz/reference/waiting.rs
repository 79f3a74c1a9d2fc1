//! Wait queues and completions.

use super::super::program::Instr;
use super::{Done, Phase, State};

impl State {
    /// What an operation of those who wait, or wake, comes to, if it is one: `Some(None)` is a wait.
    pub(super) fn waits(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        match instr {
            Instr::WaitForAtomic(q, _) | Instr::WaitForData(q, _) => {
                return Some(self.wait_event(me, q, instr));
            }
            // kernel/sched/wait.c, prepare_to_wait: in the queue, and not running.
            Instr::Prepare(q) => _ = self.asleep[q].insert(me),
            Instr::Schedule(q) => return Some(self.runs(q, me).then_some(Done::Next)),
            Instr::Finish(q) => _ = self.asleep[q].remove(&me),
            // kernel/sched/wait.c, __wake_up_common: all who are not exclusive. Nobody here is.
            Instr::WakeUp(q) | Instr::WakeUpAll(q) => self.asleep[q].clear(),
            // Documentation/scheduler/completion.rst: "signals all current and future waiters".
            Instr::CompleteAll(c) => self.completions[c] = true,
            Instr::WaitForCompletion(c) => {
                return Some(self.completions[c].then_some(Done::Next));
            }
            _ => return None,
        }
        Some(Some(Done::Next))
    }

    fn runs(&self, q: usize, me: usize) -> bool {
        !self.asleep[q].contains(&me)
    }

    /// include/linux/wait.h, ___wait_event: prepares, looks, sleeps, and again.
    fn wait_event(&mut self, me: usize, q: usize, instr: Instr) -> Option<Done> {
        let after_check = |holds| if holds { Phase::Leave } else { Phase::Sleep };
        let phase = match (self.threads[me].phase, instr) {
            (Phase::Begin, _) => {
                self.asleep[q].insert(me);
                Phase::Check
            }
            (Phase::Check, Instr::WaitForAtomic(_, a)) => after_check(self.atomics[a] != 0),
            (Phase::Check, Instr::WaitForData(_, m)) => {
                let mutex = &mut self.mutexes[m];
                mutex.owner.is_none().then(|| mutex.owner = Some(me))?;
                Phase::Unlock
            }
            (Phase::Unlock, Instr::WaitForData(_, m)) => {
                self.mutexes[m].owner = None;
                after_check(self.mutexes[m].value != 0)
            }
            (Phase::Sleep, _) => {
                self.runs(q, me).then_some(())?;
                Phase::Begin
            }
            (Phase::Leave, _) => {
                self.asleep[q].remove(&me);
                return Some(Done::Next);
            }
            (phase, instr) => unreachable!("{phase:?} is no phase of {instr:?}"),
        };
        Some(Done::More(phase))
    }
}
