//! What runs later: timers and work.

use std::collections::BTreeMap;

use super::super::program::Instr;
use super::{Done, Phase, State};

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Timer {
    pub(super) pending: bool,
    pub(super) running: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Work {
    pub(super) pending: bool,
    pub(super) running: bool,
    /// Who waits, for how many returns, and whether nobody may queue the work meanwhile.
    waiting: BTreeMap<usize, (u8, bool)>,
}

impl State {
    /// What an operation on a timer or on work comes to, if it is one: `Some(None)` is a wait.
    pub(super) fn later(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        match instr {
            Instr::ModTimer(t) | Instr::DelTimer(t) | Instr::DelTimerSync(t) => {
                Some(self.timer(me, t, instr))
            }
            Instr::Expires(t) | Instr::TimerReturns(t) => Some(self.timer(me, t, instr)),
            Instr::QueueWork(w) | Instr::FlushWork(w) | Instr::CancelWork(w) => {
                Some(self.work(me, w, instr))
            }
            Instr::WorkBegins(w) | Instr::WorkReturns(w) => Some(self.work(me, w, instr)),
            _ => None,
        }
    }

    /// kernel/time/timer.c.
    fn timer(&mut self, me: usize, t: usize, instr: Instr) -> Option<Done> {
        let timer = &mut self.timers[t];
        match instr {
            // mod_timer: "If the timer is inactive it will be activated".
            Instr::ModTimer(_) => timer.pending = true,
            // expire_timers: detached, "so that the timer function can rearm it", and run. That a
            // timer runs on one CPU at a time is base->running_timer.
            Instr::Expires(_) => (timer.pending, timer.running) = (false, true),
            Instr::TimerReturns(_) => timer.running = false,
            // timer_delete_sync: "waits for the handler to finish": try_to_del_timer_sync until
            // the function does not run.
            Instr::DelTimerSync(_) if timer.running => return None,
            // timer_delete: whether the timer was pending. Its function may run.
            _ => {
                let pending = std::mem::take(&mut timer.pending);
                self.threads[me].log.push(u64::from(pending));
            }
        }
        Some(Done::Next)
    }

    /// kernel/workqueue.c.
    fn work(&mut self, me: usize, w: usize, instr: Instr) -> Option<Done> {
        let work = &mut self.works[w];
        let left = u8::from(work.pending) + u8::from(work.running);
        match instr {
            // queue_work: "Returns %false if @work was already on a queue". __cancel_work_sync
            // keeps the pending bit while it waits, so that the work cannot be queued.
            Instr::QueueWork(_) => {
                let cancelled = work.waiting.values().any(|(_, cancels)| *cancels);
                let queued = !work.pending && !cancelled;
                work.pending |= queued;
                self.threads[me].log.push(u64::from(queued));
            }
            // process_one_work: "CLEAR PENDING before it runs"; and not on two CPUs at a time
            // (find_worker_executing_work).
            Instr::WorkBegins(_) => (work.pending, work.running) = (false, true),
            Instr::WorkReturns(_) => {
                work.running = false;
                work.waiting.values_mut().for_each(|(left, _)| *left = left.saturating_sub(1));
            }
            _ if self.threads[me].phase == Phase::Queued => {
                (work.waiting[&me].0 == 0).then(|| work.waiting.remove(&me))?;
            }
            // flush_work: "wait for a work to finish executing the last queueing instance".
            Instr::FlushWork(_) if left > 0 => {
                work.waiting.insert(me, (left, false));
                return Some(Done::More(Phase::Queued));
            }
            Instr::FlushWork(_) => {}
            // cancel_work_sync: "On return from this function, @work is guaranteed to be not pending
            // or executing on any CPU". What was queued is not waited for any more by others
            // either, but what runs is: flush_work, "@work is guaranteed to be idle on return".
            // Either way: "Return: %true if @work was pending, %false otherwise".
            _ => {
                self.threads[me].log.push(u64::from(std::mem::take(&mut work.pending)));
                let left = u8::from(work.running);
                work.waiting.values_mut().for_each(|(returns, _)| *returns = left.min(*returns));
                if work.running {
                    work.waiting.insert(me, (left, true));
                    return Some(Done::More(Phase::Queued));
                }
            }
        }
        Some(Done::Next)
    }
}
