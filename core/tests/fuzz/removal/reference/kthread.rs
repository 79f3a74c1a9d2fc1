//! Kernel threads: kernel/kthread.c.

use super::super::{Instr, KTHREAD, Program};
use super::{Phase, State};

impl State {
    pub(super) fn kthreads(
        &mut self,
        program: &Program,
        me: usize,
        instr: Instr,
        phase: Phase,
    ) -> Option<Phase> {
        let kthread = &mut self.kthread;
        let there = program.kthread.is_some();
        let gone = kthread.exited && !kthread.kept;
        match (instr, phase) {
            // get_task_struct and wake_up_process access the task too. "the caller must ensure
            // task_struct can't go away" (kthread_stop).
            (
                Instr::Stop | Instr::Park | Instr::Unpark | Instr::WakeUp | Instr::GetTask,
                Phase::Begin,
            ) if gone => {
                self.violation = Some(format!("use-after-release({KTHREAD})"));
            }
            // "Sets kthread_should_stop() for @k to return true, wakes it, and waits for it to
            // exit"; it takes a reference, and unparks.
            (Instr::Stop, Phase::Begin) => {
                (kthread.should_stop, kthread.should_park, kthread.kept) = (true, false, true);
                return Some(Phase::Wakes);
            }
            // kernel/sched/core.c, wake_up_process: it runs, if it sleeps.
            (Instr::WakeUp, Phase::Begin) => return Some(Phase::Wakes),
            (Instr::WakeUp | Instr::Stop | Instr::Park, Phase::Wakes) => {
                self.threads[Self::kernel_thread(program)].asleep = false;
                return Some(if instr == Instr::WakeUp { Phase::Begin } else { Phase::Waits });
            }
            // include/linux/sched/task.h, get_task_struct: a reference, with which it is kept.
            (Instr::GetTask, _) => kthread.kept = true,
            (Instr::Stop, _) if there && !kthread.exited => return None,
            (Instr::Park, Phase::Begin) => {
                kthread.should_park = true;
                return Some(Phase::Wakes);
            }
            (Instr::Park, _) if !kthread.parked && !kthread.exited => return None,
            (Instr::Unpark, _) => kthread.should_park = false,
            (Instr::ShouldStop, _) => {
                let entry = u64::from(kthread.should_stop);
                self.threads[me].log.push(entry);
            }
            (Instr::ShouldPark, _) => {
                let entry = u64::from(kthread.should_park);
                self.threads[me].log.push(entry);
            }
            (Instr::Parkme, Phase::Begin) => {
                kthread.parked = kthread.should_park;
                if kthread.parked {
                    return Some(Phase::Waits);
                }
            }
            (Instr::Parkme, _) if kthread.should_park => return None,
            (Instr::Parkme, _) => kthread.parked = false,
            _ => {}
        }
        Some(Phase::Begin)
    }
}
