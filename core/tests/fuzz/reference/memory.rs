//! Memory that locks live in.

use super::super::program::{Instr, MUTEXES, SEMS, SPINS, TRACKED, UNFAIR};
use super::locks::Held;
use super::{After, Done, Phase, State};

/// The memory in which objects live: the first that is allocated.
const MEMORY: usize = 0;

impl State {
    /// Returns whether the memory of the objects is freed.
    pub(super) fn memory_is_gone(&self) -> bool {
        self.in_memory && self.freed[MEMORY]
    }

    /// Documentation/dev-tools/kasan.rst, use-after-free: an operation on a lock, a word or a queue
    /// in freed memory. It is one too if the thread waits there: it is linked in the lock's list of
    /// waiters.
    pub(super) fn touches_what_is_gone(&self, me: usize, instr: Instr) -> bool {
        self.memory_is_gone() && self.is_in_memory(me, instr)
    }

    pub(super) fn use_after_release(&mut self) {
        self.violate(format!("use-after-release({})", TRACKED[MEMORY]));
    }

    fn is_in_memory(&self, me: usize, instr: Instr) -> bool {
        match instr {
            Instr::Release(_) if matches!(self.threads[me].phase, Phase::Touch(_)) => true,
            Instr::Release(n) => !matches!(self.to_release(me, n), Held::Srcu(..) | Held::Rcu),
            Instr::Use(_) | Instr::Free(_) | Instr::Join(_) => false,
            Instr::ThisCpu | Instr::Choose(_) => false,
            Instr::KrefGet(_) | Instr::KrefGetUnlessZero(_) => false,
            Instr::KrefPut(_) | Instr::KrefRead(_) => false,
            Instr::KrefPutMutex(..) => !matches!(self.threads[me].phase, Phase::Begin | Phase::Put),
            Instr::ModuleGet(_) | Instr::ModulePut(_) | Instr::ModuleDelete(_) => false,
            Instr::ModuleFree(_) | Instr::ModuleCall(_) => false,
            Instr::SrcuRead(_) | Instr::SrcuSync(_) | Instr::RcuRead | Instr::RcuSync => false,
            Instr::CallRcu(_) | Instr::RcuBarrier => false,
            Instr::ModTimer(_) | Instr::DelTimer(_) | Instr::DelTimerSync(_) => false,
            Instr::TimerShutdown(_) | Instr::TimerShutdownSync(_) => false,
            Instr::QueueWork(_) | Instr::FlushWork(_) | Instr::CancelWork(_) => false,
            Instr::FlushWorkqueue | Instr::DrainWorkqueue | Instr::DestroyWorkqueue => false,
            other => !other.frames(),
        }
    }

    /// Ends everything if a lock is held in the memory that is freed: "The mutex must not be locked
    /// when this function is called" (mutex_destroy, kernel/locking/mutex-debug.c), and lockdep's
    /// "held lock freed" (debug_check_no_locks_freed, kernel/locking/lockdep.c). It names the
    /// first.
    pub(super) fn look_whose_lock_is_freed(&mut self) {
        let held = |lock: &super::Mutex| lock.owner.is_some();
        let taken = |sem: &super::Sem| sem.writer.is_some() || !sem.readers.is_empty();
        let mutexes = self.mutexes.iter().map(held).zip(MUTEXES);
        let spins = self.spins.iter().map(held).zip(SPINS);
        let sems = self.sems.iter().map(taken).zip(SEMS);
        let unfair = self.unfair.iter().map(taken).zip(UNFAIR);
        let mut all = mutexes.chain(spins).chain(sems).chain(unfair);
        if let Some((_, name)) = all.find(|(held, _)| *held) {
            self.violate(format!("freed-while-held({name})"));
        }
    }

    /// Continues after an unlock. "The mutex user must ensure that the mutex is not destroyed while
    /// a release operation is still in progress - in other words, callers of mutex_unlock() must
    /// ensure that the mutex stays alive until mutex_unlock() has returned"
    /// (Documentation/locking/mutex-design.rst): in memory there is a second step.
    pub(super) fn unlocked(&self, after: After) -> Done {
        if self.in_memory { Done::More(Phase::Touch(after)) } else { after.done() }
    }
}
