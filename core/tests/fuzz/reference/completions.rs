//! Completions: kernel/sched/completion.c.

use super::super::program::Instr;
use super::{Done, State, Way};

impl State {
    /// Performs an operation on a completion, if it is one: `Some(None)` is a wait.
    pub(super) fn completes(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        match instr {
            // Documentation/scheduler/completion.rst: complete() "signals exactly one waiter",
            // complete_all() "all current and future waiters".
            Instr::Complete(c) => {
                self.completions[c] = self.completions[c].map(|times| times + 1);
            }
            Instr::CompleteAll(c) => self.completions[c] = None,
            // include/linux/completion.h, reinit_completion: "x->done = 0".
            Instr::Reinit(c) => self.completions[c] = Some(0),
            // completion_done: "Return: 0 if there are waiters (wait_for_completion() in progress),
            // 1 if there are no waiters", which is `x->done`.
            Instr::CompletionDone(c) => {
                let done = self.completions[c] != Some(0);
                self.threads[me].log.push(u64::from(done));
            }
            Instr::WaitForCompletion(c) => {
                return Some(self.takes(c).then_some(Done::Next));
            }
            // wait_for_completion_timeout: "0 if timed out, and positive if completed". An expired
            // timeout counts only if it has not happened by then (do_wait_for_common).
            Instr::TryWaitForCompletion(c) | Instr::WaitForCompletionTimeout(c) => {
                let got = self.takes(c);
                self.threads[me].log.push(u64::from(got));
            }
            // wait_for_completion_interruptible: "-ERESTARTSYS if interrupted, 0 if completed".
            Instr::WaitForCompletionInterruptible(c) => {
                if !self.takes(c) {
                    return Some(None);
                }
                self.threads[me].log.push(1);
            }
            _ => return None,
        }
        Some(Some(Done::Next))
    }

    /// Applies a signal to a thread that waits for a completion.
    pub(super) fn interrupts_completion(&mut self, me: usize, c: usize, way: Way) -> Option<Done> {
        let waits = self.completions[c] == Some(0);
        (waits && way == Way::Optional(0)).then(|| self.threads[me].log.push(0))?;
        Some(Done::Next)
    }

    /// Documentation/scheduler/completion.rst: each wait "consumes" one of the times that it has
    /// been signalled, except after complete_all.
    fn takes(&mut self, c: usize) -> bool {
        let happened = self.completions[c] != Some(0);
        self.completions[c] = self.completions[c].map(|times| times.saturating_sub(1));
        happened
    }
}
