//! Semaphores, whose waits a signal may end: kernel/locking/rwsem.c.

use super::super::{Instr, Program};
use super::{Phase, State};

impl State {
    /// Returns the state after a signal that ends the wait of a thread in the queue.
    pub(super) fn killed(&self, program: &Program, me: usize) -> Option<Self> {
        let killable =
            matches!(self.next(program, me)?, Instr::DownReadKillable | Instr::DownWriteKillable);
        let place = self.queue.iter().position(|(waiter, _)| *waiter == me)?;
        if !killable || self.sem_is_free(place, self.queue[place].1) {
            return None;
        }
        let mut state = self.clone();
        state.queue.remove(place);
        let thread = &mut state.threads[me];
        thread.log.push(0);
        (thread.phase, thread.at) = (Phase::Begin, thread.at + 1);
        Some(state)
    }

    /// Returns whether a thread behind the first `ahead` of the queue gets the semaphore.
    fn sem_is_free(&self, ahead: usize, writes: bool) -> bool {
        let held = |wanted: bool| self.threads.iter().any(|thread| thread.side == Some(wanted));
        let writer_ahead = self.queue[..ahead].iter().any(|(_, writes)| *writes);
        match writes {
            true => !held(true) && !held(false) && ahead == 0,
            false => !held(true) && !writer_ahead,
        }
    }

    pub(super) fn semaphore(&mut self, me: usize, instr: Instr, phase: Phase) -> Option<Phase> {
        let side = self.threads[me].side;
        let writes = matches!(instr, Instr::DownWrite | Instr::DownWriteKillable);
        match instr {
            Instr::Up => self.threads[me].side = None,
            Instr::Downgrade => self.threads[me].side = side.map(|_| false),
            _ if side.is_some() => {}
            _ => {
                let queued = self.queue.iter().position(|(waiter, _)| *waiter == me);
                if !self.sem_is_free(queued.unwrap_or(self.queue.len()), writes) {
                    if phase == Phase::Waits {
                        return None;
                    }
                    self.queue.push((me, writes));
                    return Some(Phase::Waits);
                }
                queued.map(|place| self.queue.remove(place));
                self.threads[me].side = Some(writes);
                if matches!(instr, Instr::DownReadKillable | Instr::DownWriteKillable) {
                    self.threads[me].log.push(1);
                }
            }
        }
        Some(Phase::Begin)
    }
}
