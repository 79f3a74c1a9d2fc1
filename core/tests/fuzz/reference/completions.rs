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
            // Documentation/scheduler/completion.rst: complete() "signals exactly one waiter",
            // complete_all() "all current and future waiters".
            Instr::Complete(c) => {
                self.completions[c] = self.completions[c].map(|times| times + 1);
            }
            Instr::CompleteAll(c) => self.completions[c] = None,
            Instr::WaitForCompletion(c) => {
                return Some(self.takes(c).then_some(Done::Next));
            }
            Instr::TryWaitForCompletion(c) => {
                let got = self.takes(c);
                self.threads[me].log.push(u64::from(got));
            }
            _ => return None,
        }
        Some(Some(Done::Next))
    }

    /// Documentation/scheduler/completion.rst: whoever waits "consumes" one of the times that it has
    /// been signalled, but for complete_all.
    fn takes(&mut self, c: usize) -> bool {
        let happened = self.completions[c] != Some(0);
        self.completions[c] = self.completions[c].map(|times| times.saturating_sub(1));
        happened
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
