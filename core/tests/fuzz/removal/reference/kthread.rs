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
            (Instr::Stop | Instr::Park | Instr::Unpark, Phase::Begin) if gone => {
                self.violation = Some(format!("use-after-release({KTHREAD})"));
            }
            // "Sets kthread_should_stop() for @k to return true, wakes it, and waits for it to
            // exit"; it takes a reference, and unparks.
            (Instr::Stop, Phase::Begin) => {
                (kthread.should_stop, kthread.should_park, kthread.kept) = (true, false, true);
                return Some(Phase::Waits);
            }
            (Instr::Stop, _) if there && !kthread.exited => return None,
            (Instr::Park, Phase::Begin) => {
                kthread.should_park = true;
                return Some(Phase::Waits);
            }
            (Instr::Park, _) if !kthread.parked && !kthread.exited => return None,
            (Instr::Unpark, _) => kthread.should_park = false,
            (Instr::ShouldStop, _) => {
                let entry = u64::from(kthread.should_stop);
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
            (Instr::WaitForStop, _) if !kthread.should_stop => return None,
            _ => {}
        }
        Some(Phase::Begin)
    }
}
