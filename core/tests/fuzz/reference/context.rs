//! Threads that sleep where they may not.
//!
//! Documentation/kernel-hacking/hacking.rst and include/linux/kernel.h, might_sleep(): with a
//! spinlock held, in a read section of RCU, and where softirqs run (timers, callbacks of RCU).

use super::super::program::{
    CHILDREN, COMPLETIONS, CONDVARS, Instr, MUTEXES, Program, QUEUES, RCU, SEMS, SLOTS, SPINS,
    SRCUS, Step, TIMERS, UNFAIR, WORKQUEUE, WORKS,
};
use super::locks::Held;
use super::{Phase, State, condvars, queues};

impl State {
    /// Ends everything if thread `me` is where it may sleep, and may not.
    pub(super) fn look_who_may_not_sleep(&mut self, program: &Program, me: usize) {
        if self.violation.is_some() || self.threads[me].phase == Phase::Queued {
            return;
        }
        let phase = self.threads[me].phase;
        let sleeps = match self.next(program, me) {
            // mutex_lock, down_read, down_write, wait_for_completion, synchronize_rcu, flush_work
            // and so on begin with might_sleep().
            Some(Instr::Lock(m) | Instr::RawLock(m) | Instr::LockInterruptible(m)) => MUTEXES[m],
            Some(Instr::LockNested(m) | Instr::LockNestLock(m, _)) => MUTEXES[m],
            Some(Instr::KrefPutMutex(_, m)) if phase == Phase::Under => MUTEXES[m],
            Some(Instr::DownRead(s) | Instr::DownWrite(s)) => SEMS[s],
            Some(Instr::RawDownRead(s) | Instr::RawDownWrite(s)) => SEMS[s],
            Some(Instr::UnfairRead(u) | Instr::UnfairWrite(u)) => UNFAIR[u],
            Some(
                Instr::WaitForCompletion(c)
                | Instr::WaitForCompletionTimeout(c)
                | Instr::WaitForCompletionInterruptible(c),
            ) => COMPLETIONS[c],
            Some(Instr::Down(n) | Instr::DownInterruptible(n) | Instr::DownTimeout(n)) => SLOTS[n],
            Some(Instr::SrcuSync(s)) => SRCUS[s],
            // rcu_barrier takes a mutex.
            Some(Instr::RcuSync | Instr::RcuBarrier) => RCU,
            Some(Instr::FlushWork(_) | Instr::CancelWork(_)) if self.works.on_workqueue() => {
                WORKQUEUE
            }
            Some(Instr::FlushWork(w) | Instr::CancelWork(w)) => WORKS[w],
            // flush_workqueue is a wait_for_completion(); the others flush.
            Some(Instr::FlushWorkqueue | Instr::DrainWorkqueue | Instr::DestroyWorkqueue) => {
                WORKQUEUE
            }
            Some(Instr::Join(child)) => CHILDREN[child - program.started],
            Some(Instr::WaitForData(_, m)) if matches!(phase, Phase::Check(_)) => MUTEXES[m],
            // "scheduling while atomic".
            Some(Instr::Schedule(q) | Instr::ScheduleTimeout(q)) => QUEUES[q],
            Some(instr) => match (phase, queues::waits_on(instr), condvars::waits_on(instr)) {
                // include/linux/wait.h, wait_event and its variants: "might_sleep(); if (condition)
                // break;". wait_event_cmd has no might_sleep().
                (Phase::Begin, Some(q), _) if !instr.unlocks_mutex() => QUEUES[q],
                (Phase::Sleep, Some(q), _) => QUEUES[q],
                (Phase::Sleep, _, Some(v)) => CONDVARS[v],
                (Phase::Relock, ..) => {
                    MUTEXES[self.threads[me].unlocked_mutex.expect("it has unlocked a mutex")]
                }
                _ => return,
            },
            _ => return,
        };
        self.forbids(me, sleeps, &program.threads[me]);
    }

    /// Ends everything if thread `me`, which does `steps`, may not sleep here, as `what` may.
    pub(super) fn forbids(&mut self, me: usize, what: &str, steps: &[Step]) {
        if let Some(holds) = self.atomic(me, steps) {
            self.violate(format!("sleep-in-atomic({what}, {holds})"));
        }
    }

    /// Returns the last object that forbids thread `me` to sleep.
    fn atomic(&self, me: usize, steps: &[Step]) -> Option<&'static str> {
        let taken = self.threads[me].held.iter().rev().find_map(|held| match held {
            Held::Spin(p) => Some(SPINS[*p]),
            Held::Rcu => Some(RCU),
            _ => None,
        });
        let begun = |step: &Step| match step.instr {
            Instr::Expires(t) => Some(TIMERS[t]),
            Instr::GraceEnds => Some(RCU),
            _ => None,
        };
        taken.or_else(|| steps[..self.threads[me].at].iter().find_map(begun))
    }
}
