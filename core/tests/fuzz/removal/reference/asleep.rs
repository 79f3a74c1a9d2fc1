//! Threads that sleep, and who wakes them: include/linux/wait.h, kernel/sched/wait.c and
//! kernel/sched/core.c, v6.6. A thread sleeps or runs, wherever it is queued.

use super::super::{Instr, Program, Way};
use super::{Look, Phase, State};

/// Returns whether a wait is over when the word is not 0, and whether when the thread is to stop.
fn ends_by(instr: Instr) -> (bool, bool) {
    match instr {
        Instr::WaitForWord | Instr::WaitOn(_, Way::WordOrStop) => (true, true),
        Instr::WaitForStop | Instr::WaitOn(_, Way::Stop | Way::StopExclusive) => (false, true),
        Instr::WaitOn(_, Way::Bare) => (false, false),
        _ => (true, false),
    }
}

fn queue_of(instr: Instr) -> Option<usize> {
    match instr {
        Instr::WaitOn(q, _) => Some(q),
        _ => None,
    }
}

/// Returns whether a signal ends a wait, whose result is logged.
fn is_interruptible(instr: Instr) -> bool {
    matches!(instr, Instr::WaitOn(_, Way::WordInterruptible | Way::WordOrStop))
}

/// Returns what a thread does that begins to look at its condition.
fn looks(instr: Instr, look: Look) -> Phase {
    match ends_by(instr) {
        (true, _) => Phase::LooksAtWord(look),
        (false, true) => Phase::LooksWhetherToStop(look),
        (false, false) => Phase::Waits,
    }
}

impl State {
    /// A step of a thread that sleeps in a loop.
    pub(super) fn sleep(
        &mut self,
        program: &Program,
        me: usize,
        instr: Instr,
        phase: Phase,
    ) -> Option<Phase> {
        let bare = ends_by(instr) == (false, false);
        let signal = self.has_signal(program, me, instr);
        Some(match phase {
            // ___wait_event is entered if the condition does not hold. The loop of a kernel thread
            // begins with set_current_state.
            Phase::Begin if queue_of(instr).is_some() && !bare => looks(instr, Look::First),
            Phase::Begin => Phase::Prepares,
            // prepare_to_wait_event: "if (signal_pending_state(state, current))" it removes the
            // thread from the queue, and the condition is looked at for the last time.
            Phase::Prepares if signal => {
                self.leave(me, instr);
                looks(instr, Look::Last)
            }
            Phase::Prepares => {
                self.prepare(me, instr);
                looks(instr, Look::Asleep)
            }
            Phase::LooksAtWord(look) if self.word != 0 => self.holds(me, instr, look),
            Phase::LooksAtWord(look) if ends_by(instr).1 => Phase::LooksWhetherToStop(look),
            Phase::LooksWhetherToStop(look) if self.kthread.should_stop => {
                self.holds(me, instr, look)
            }
            Phase::LooksAtWord(look) | Phase::LooksWhetherToStop(look) => match look {
                Look::First => Phase::Prepares,
                Look::Asleep => Phase::Waits,
                Look::Last => {
                    self.threads[me].log.push(0);
                    Phase::Begin
                }
            },
            // __schedule: a thread whose signal is pending does not sleep.
            Phase::Waits if self.threads[me].asleep && !signal => return None,
            Phase::Waits if bare => Phase::Leaves,
            Phase::Waits => Phase::Prepares,
            _ => {
                self.leave(me, instr);
                self.holds(me, instr, Look::Last)
            }
        })
    }

    /// The condition holds: a thread that has declared that it sleeps takes that back.
    fn holds(&mut self, me: usize, instr: Instr, look: Look) -> Phase {
        if look == Look::Asleep {
            return Phase::Leaves;
        }
        self.threads[me].log.extend(is_interruptible(instr).then_some(1));
        Phase::Begin
    }

    /// prepare_to_wait: the thread is queued at the head, an exclusive waiter at the tail, unless
    /// it is queued already. From now on it sleeps.
    fn prepare(&mut self, me: usize, instr: Instr) {
        self.threads[me].asleep = true;
        let Some(q) = queue_of(instr) else { return };
        let waiters = &mut self.waiters[q];
        let exclusive = matches!(instr, Instr::WaitOn(_, Way::WordExclusive | Way::StopExclusive));
        if waiters.iter().all(|(waiter, _)| *waiter != me) {
            waiters.insert(if exclusive { waiters.len() } else { 0 }, (me, exclusive));
        }
    }

    /// finish_wait: the thread runs, and is not queued.
    fn leave(&mut self, me: usize, instr: Instr) {
        self.threads[me].asleep = false;
        if let Some(q) = queue_of(instr) {
            self.waiters[q].retain(|(waiter, _)| *waiter != me);
        }
    }

    /// __wake_up_common: wakes from the head, up to so many exclusive waiters. A thread that runs
    /// is not woken (try_to_wake_up) and stays queued (autoremove_wake_function).
    pub(super) fn wake_up(&mut self, q: usize, mut nr_exclusive: i64) -> Option<Phase> {
        let mut more = true;
        for (waiter, exclusive) in std::mem::take(&mut self.waiters[q]) {
            if more && std::mem::take(&mut self.threads[waiter].asleep) {
                nr_exclusive -= i64::from(exclusive);
                more = !(exclusive && nr_exclusive == 0);
            } else {
                self.waiters[q].push((waiter, exclusive));
            }
        }
        Some(Phase::Begin)
    }

    /// kthread_stop sets TIF_NOTIFY_SIGNAL, with which signal_pending returns true.
    fn has_signal(&self, program: &Program, me: usize, instr: Instr) -> bool {
        let stopped = me == Self::kernel_thread(program) && self.kthread.should_stop;
        stopped && is_interruptible(instr)
    }

    /// Returns the instruction of a thread that sleeps.
    fn asleep_in(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let waits =
            |i: &Instr| matches!(i, Instr::WaitForStop | Instr::WaitForWord | Instr::WaitOn(..));
        let asleep = thread.phase == Phase::Waits && thread.asleep;
        self.next(program, me).filter(|instr| asleep && waits(instr))
    }

    /// Returns the state after a signal that ends the sleep of a thread.
    pub(super) fn interrupted(&self, program: &Program, me: usize) -> Option<Self> {
        let instr = self.asleep_in(program, me).filter(|instr| is_interruptible(*instr))?;
        let mut state = self.clone();
        state.leave(me, instr);
        state.threads[me].phase = looks(instr, Look::Last);
        Some(state)
    }

    /// Returns the state after a spurious wake-up, which a loop around schedule() expects
    /// (Documentation/kernel-hacking/hacking.rst, "Wait Queues").
    pub(super) fn woken_spuriously(&self, program: &Program, me: usize) -> Option<Self> {
        self.asleep_in(program, me)?;
        let mut state = self.clone();
        state.threads[me].asleep = false;
        Some(state)
    }
}
