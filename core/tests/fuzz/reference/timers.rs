//! Timers.

use super::super::program::Instr;
use super::{Done, State};

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Timer {
    pub(super) pending: bool,
    pub(super) running: bool,
    /// Whether it was shut down.
    shutdown: bool,
}

impl State {
    /// Performs an operation on a timer, if it is one: `Some(None)` is a wait.
    ///
    /// kernel/time/timer.c.
    pub(super) fn timers(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        let (Instr::ModTimer(t)
        | Instr::DelTimer(t)
        | Instr::DelTimerSync(t)
        | Instr::TimerShutdown(t)
        | Instr::TimerShutdownSync(t)
        | Instr::Expires(t)
        | Instr::TimerReturns(t)) = instr
        else {
            return None;
        };
        let timer = &mut self.timers[t];
        match instr {
            // mod_timer: "If the timer is inactive it will be activated".
            // timer_shutdown: "a timer which has been shut down cannot be rearmed"; timer->function
            // is NULL, and __mod_timer returns then (v6.6).
            Instr::ModTimer(_) => timer.pending |= !timer.shutdown,
            // expire_timers: detached, "so that the timer function can rearm it", and run.
            // base->running_timer lets a timer run on one CPU at a time.
            Instr::Expires(_) => (timer.pending, timer.running) = (false, true),
            Instr::TimerReturns(_) => timer.running = false,
            // timer_delete_sync: "waits for the handler to finish": try_to_del_timer_sync until
            // the function does not run.
            Instr::DelTimerSync(_) | Instr::TimerShutdownSync(_) if timer.running => {
                return Some(None);
            }
            // timer_delete: whether the timer was pending. Its function may run.
            _ => {
                timer.shutdown |=
                    matches!(instr, Instr::TimerShutdown(_) | Instr::TimerShutdownSync(_));
                let pending = std::mem::take(&mut timer.pending);
                self.threads[me].log.push(u64::from(pending));
            }
        }
        Some(Some(Done::Next))
    }
}
