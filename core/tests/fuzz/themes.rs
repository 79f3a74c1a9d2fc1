//! The themes of random programs.

use super::program::{Instr, Program};

/// The theme of a stretch of code. A program has two, otherwise its threads would hardly meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Theme {
    Mutexes,
    Spins,
    Sems,
    Unfair,
    Atomics,
    Waiting,
    Exclusive,
    Timed,
    Completions,
    Condvars,
    Slots,
    Memory,
    Counts,
    Modules,
    Srcu,
    Rcu,
    Timers,
    Works,
    Workqueue,
    Cpus,
    Spawning,
}

impl Theme {
    /// Each as often as it is to be chosen.
    pub(super) const ALL: [Self; 32] = [
        Self::Mutexes,
        Self::Mutexes,
        Self::Mutexes,
        Self::Spins,
        Self::Spins,
        Self::Sems,
        Self::Sems,
        Self::Unfair,
        Self::Atomics,
        Self::Waiting,
        Self::Waiting,
        Self::Waiting,
        Self::Exclusive,
        Self::Exclusive,
        Self::Timed,
        Self::Completions,
        Self::Completions,
        Self::Condvars,
        Self::Condvars,
        Self::Slots,
        Self::Slots,
        Self::Memory,
        Self::Counts,
        Self::Modules,
        Self::Srcu,
        Self::Rcu,
        Self::Timers,
        Self::Works,
        Self::Workqueue,
        Self::Workqueue,
        Self::Cpus,
        Self::Spawning,
    ];

    /// Returns whether an object is allocated that has to be freed.
    pub(super) fn frees(self) -> bool {
        matches!(self, Self::Counts | Self::Rcu | Self::Srcu | Self::Memory)
    }

    /// Returns whether threads are started, or functions.
    pub(super) fn starts(self) -> bool {
        matches!(self, Self::Spawning | Self::Rcu | Self::Timers | Self::Works | Self::Workqueue)
    }
}

impl Program {
    /// Returns one instruction about `theme`.
    pub(super) fn instr(&self, rng: &mut fastrand::Rng, theme: Theme) -> Instr {
        let mutex = rng.usize(..self.mutexes);
        let sem = rng.usize(..self.sems);
        let atomic = rng.usize(..self.atomics);
        let queue = rng.usize(..self.queues);
        let release = Instr::Release(rng.usize(..3));
        match theme {
            Theme::Mutexes => match rng.u8(..16) {
                0..4 => Instr::Lock(mutex),
                4 => Instr::LockNested(mutex),
                5 => Instr::LockNestLock(mutex, rng.usize(..self.mutexes)),
                6 => Instr::RawLock(mutex),
                7 => Instr::LockInterruptible(mutex),
                8..11 => Instr::TryLock(mutex),
                11 => Instr::RawTryLock(mutex),
                12 if rng.bool() => Instr::RawUnlock(mutex),
                _ => release,
            },
            Theme::Spins => match (rng.u8(..12), rng.usize(..self.spins)) {
                (0..6, spin) => Instr::Spin(spin),
                (6..8, spin) => Instr::TrySpin(spin),
                (8, _) => Instr::MightSleep,
                _ => release,
            },
            Theme::Sems => match rng.u8(..24) {
                0..6 => Instr::DownRead(sem),
                6..11 => Instr::DownWrite(sem),
                11 => Instr::TryDownRead(sem),
                12 => Instr::TryDownWrite(sem),
                13 => Instr::RawDownRead(sem),
                14 => Instr::RawDownWrite(sem),
                15 => Instr::RawTryDownRead(sem),
                16 => Instr::RawTryDownWrite(sem),
                17 if rng.bool() => Instr::RawUpRead(sem),
                18 if rng.bool() => Instr::RawUpWrite(sem),
                _ => release,
            },
            Theme::Unfair => match (rng.u8(..12), rng.usize(..self.unfair)) {
                (0..4, sem) => Instr::UnfairRead(sem),
                (4..7, sem) => Instr::UnfairWrite(sem),
                (7, sem) => Instr::TryUnfairRead(sem),
                (8, sem) => Instr::TryUnfairWrite(sem),
                _ => release,
            },
            Theme::Atomics => match rng.u8(..7) {
                6 => Instr::Swap(atomic, rng.u64(1..=2)),
                0 | 1 => Instr::Load(atomic),
                2 => Instr::Store(atomic, rng.u64(1..=2)),
                3 => Instr::StoreLast(atomic),
                4 => Instr::FetchAdd(atomic, 1),
                _ => Instr::CompareExchange(atomic, rng.u64(0..=1), 2),
            },
            Theme::Waiting => match rng.u8(..12) {
                0..3 => Instr::WaitForAtomic(queue, atomic),
                3 => Instr::WaitForData(queue, mutex),
                4 => Instr::Prepare(queue),
                5 => Instr::Schedule(queue),
                6 => Instr::Finish(queue),
                7..10 => Instr::Store(atomic, 1),
                10 => Instr::WakeUp(queue),
                _ => Instr::WakeUpAll(queue),
            },
            Theme::Exclusive => match rng.u8(..16) {
                0..4 => Instr::WaitExclusive(queue, atomic),
                4..6 => Instr::PrepareExclusive(queue),
                6 => Instr::Prepare(queue),
                7 => Instr::Schedule(queue),
                8 => Instr::Finish(queue),
                9..11 => Instr::Store(atomic, rng.u64(0..=1)),
                11 => Instr::WakeUp(queue),
                12..14 => Instr::WakeUpNr(queue, rng.u32(0..=2)),
                14 => Instr::WakeUpAll(queue),
                _ => Instr::Active(queue),
            },
            Theme::Timed => match rng.u8(..16) {
                0..3 => Instr::WaitTimeout(queue, atomic),
                3..5 => Instr::WaitInterruptible(queue, atomic),
                5 => Instr::ScheduleTimeout(queue),
                6..8 => Instr::WaitKillable(queue, atomic),
                8..11 => Instr::WaitCmd(queue),
                11..13 => Instr::Store(atomic, rng.u64(0..=1)),
                13 => Instr::WakeUp(queue),
                14 => Instr::Lock(mutex),
                _ => Instr::WakeUpAll(queue),
            },
            Theme::Completions => match rng.u8(..16) {
                0..4 => Instr::WaitForCompletion(0),
                4 => Instr::TryWaitForCompletion(0),
                5..7 => Instr::WaitForCompletionTimeout(0),
                7..9 => Instr::WaitForCompletionInterruptible(0),
                9 => Instr::CompletionDone(0),
                10 => Instr::Reinit(0),
                11..15 => Instr::Complete(0),
                _ => Instr::CompleteAll(0),
            },
            Theme::Condvars => match rng.u8(..16) {
                0..4 => Instr::CondvarWait(0),
                4..6 => Instr::CondvarWaitWhile(0),
                6..8 => Instr::CondvarWaitTimeout(0),
                8..11 => Instr::NotifyOne(0),
                11 => Instr::NotifyAll(0),
                12..14 => Instr::Lock(mutex),
                14 => Instr::Load(atomic),
                _ => release,
            },
            Theme::Slots => match rng.u8(..16) {
                0..4 => Instr::Down(0),
                4..6 => Instr::DownInterruptible(0),
                6..8 => Instr::DownTimeout(0),
                8..10 => Instr::DownTrylock(0),
                10..14 => Instr::Up(0),
                _ => Instr::Choose(rng.u8(2..=3)),
            },
            Theme::Counts => match rng.u8(..10) {
                0..2 => Instr::KrefPut(0),
                8 => Instr::KrefPutMutex(0, mutex),
                9 => Instr::KrefRead(0),
                2 => Instr::KrefGet(0),
                3..6 => Instr::KrefGetUnlessZero(0),
                6 => Instr::Use(0),
                _ => Instr::Free(0),
            },
            Theme::Modules => match rng.u8(..8) {
                0..4 => Instr::ModuleGet(0),
                4..6 => Instr::ModuleDelete(0),
                6 => Instr::ModulePut(0),
                _ => Instr::ModuleCall(0),
            },
            Theme::Srcu => match rng.u8(..12) {
                0..4 => Instr::SrcuRead(0),
                4..7 => Instr::SrcuSync(0),
                7 => Instr::Use(0),
                8 => Instr::Free(0),
                _ => release,
            },
            Theme::Rcu => match rng.u8(..15) {
                0..5 => Instr::RcuRead,
                5 => Instr::RcuSync,
                6..8 => Instr::CallRcu(0),
                8 => Instr::Use(0),
                9 => Instr::Free(0),
                10 => Instr::RcuBarrier,
                _ => release,
            },
            Theme::Timers => match rng.u8(..12) {
                0..6 => Instr::ModTimer(0),
                6 => Instr::DelTimer(0),
                7 => Instr::TimerShutdown(0),
                8 => Instr::TimerShutdownSync(0),
                _ => Instr::DelTimerSync(0),
            },
            Theme::Works => match (rng.u8(..8), rng.usize(..self.works.len())) {
                (0..4, work) => Instr::QueueWork(work),
                (4..6, work) => Instr::FlushWork(work),
                (_, work) => Instr::CancelWork(work),
            },
            Theme::Workqueue => match (rng.u8(..16), rng.usize(..self.works.len())) {
                (0..7, work) => Instr::QueueWork(work),
                (7..9, work) => Instr::FlushWork(work),
                (9..11, work) => Instr::CancelWork(work),
                (11..13, _) => Instr::FlushWorkqueue,
                (13..15, _) => Instr::DrainWorkqueue,
                _ => Instr::DestroyWorkqueue,
            },
            // Some programs free it too early, some twice, some never.
            Theme::Memory => match rng.u8(..16) {
                0..2 => Instr::Lock(mutex),
                2 => Instr::RawLock(mutex),
                3 => Instr::DownRead(sem),
                4 => Instr::DownWrite(sem),
                5 => Instr::Spin(0),
                6 => Instr::UnfairRead(0),
                7..9 => Instr::FetchAdd(atomic, 1),
                9 => Instr::Use(0),
                10..13 => Instr::Free(0),
                _ => release,
            },
            Theme::Cpus => match rng.u8(..3) {
                0 => Instr::ThisCpu,
                1 => Instr::StoreLast(atomic),
                _ => Instr::Load(atomic),
            },
            // The thread is chosen later.
            Theme::Spawning => match rng.u8(..5) {
                0 | 1 => Instr::Spawn(0),
                2 => Instr::Join(0),
                3 => Instr::Store(atomic, 1),
                _ => Instr::Load(atomic),
            },
        }
    }
}
