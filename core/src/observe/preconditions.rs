//! What a verdict takes for granted: the preconditions of the scenario that it is about.
//!
//! Each primitive says on its page what it leaves out. A proof rests on what those that the scenario
//! has used leave out, and a reader of the verdict need not have read the pages.

use crate::op::OpKind;
use crate::search::Engine;

/// Which operations have happened, over all executions, and what threads have said beside them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    kinds: [u64; 4],
    rounds: bool,
    calls: bool,
}

impl Used {
    pub(super) fn operation(&mut self, kind: OpKind) {
        let kind = kind as usize;
        self.kinds[kind / 64] |= 1 << (kind % 64);
    }

    /// A thread has come back to where it was.
    pub(super) fn round(&mut self) {
        self.rounds = true;
    }

    /// A thread makes several calls that carry nothing over.
    pub(super) fn calls(&mut self) {
        self.calls = true;
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            *mine |= theirs;
        }
        self.rounds |= other.rounds;
        self.calls |= other.calls;
    }

    fn any(&self, kinds: &[OpKind]) -> bool {
        kinds.iter().any(|kind| self.kinds[*kind as usize / 64] & 1 << (*kind as usize % 64) != 0)
    }

    /// What a verdict of `engine` takes for granted. `weak`: some access has asked for less than
    /// sequential consistency.
    pub(super) fn given(&self, engine: Engine, weak: bool) -> Vec<&'static str> {
        use OpKind::*;
        let spins = self.any(&[SpinLock, TrySpinLock, TimerExpires]);
        let sleeps = self.any(&[Sleep, SleepTimeout, SleepInterruptible, SleepKillable])
            || self.any(&[CondvarSleep, CondvarSleepTimeout]);
        let queues = self.any(&[DownRead, DownWrite, AwaitRead, AwaitWrite]);
        let grace = self.any(&[SynchronizeRcu, RcuCallback, SynchronizeSrcu]);
        let holds = [
            (
                weak && engine.has_weak_memory(),
                "memory is as C11 has it, without load buffering, where a `WeakAtomic` is used, and \
                 sequentially consistent elsewhere",
            ),
            (!(weak && engine.has_weak_memory()), "memory is sequentially consistent"),
            (true, "no interrupt comes on the CPU of the thread that it interrupts"),
            (spins, "the kernel is not PREEMPT_RT: spinlocks spin, and timers run in softirq"),
            (
                sleeps && engine == Engine::Loom,
                "a thread wakes spuriously at most once in an execution",
            ),
            (queues, "a semaphore's waiters do not overtake each other"),
            (grace, "a grace period waits for readers alone"),
            (self.any(&[WorkBegins]), "there is a worker for each work that may run"),
            (self.rounds, "rounds of `poll`, `forever` and the `wait_event`s carry nothing over"),
            (self.calls, "a thread's `calls` carry nothing over from one to the next"),
            (
                engine == Engine::Native && self.any(&[Lock, SpinLock, DownRead, DownWrite]),
                "values behind locks differ where their `Hash` does",
            ),
        ];
        holds.into_iter().filter(|(given, _)| *given).map(|(_, text)| text).collect()
    }
}
