//! Small concurrent programs as data.

use std::collections::BTreeSet;
use std::fmt;

/// A closed program: the shared objects, and the threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) mutexes: usize,
    pub(crate) spins: usize,
    pub(crate) sems: usize,
    pub(crate) unfair: usize,
    pub(crate) atomics: usize,
    pub(crate) queues: usize,
    pub(crate) completions: usize,
    pub(crate) condvars: usize,
    /// The count with which each counting semaphore begins.
    pub(crate) slots: Vec<u64>,
    /// The number of reference counts. Each has a reference at the beginning, which a thread is to
    /// put.
    pub(crate) krefs: usize,
    /// The number of allocated objects, which have to be freed.
    pub(crate) tracked: usize,
    /// Whether the locks, the words and the objects to wait for live in the first of these.
    pub(crate) in_memory: bool,
    pub(crate) modules: usize,
    pub(crate) srcus: usize,
    /// The function of each timer, by its number among the threads.
    pub(crate) timers: Vec<usize>,
    /// The function of each work, likewise.
    pub(crate) works: Vec<usize>,
    /// If the works belong to one workqueue, the number that it runs at a time.
    pub(crate) max_active: Option<usize>,
    /// The steps of each thread: first those that exist from the beginning, then those that are
    /// started, then the functions.
    pub(crate) threads: Vec<Vec<Step>>,
    /// The number of threads that exist from the beginning; others start the rest.
    pub(crate) started: usize,
    /// The number of threads, the first ones, that are declared to do the same.
    pub(crate) identical: usize,
}

/// One instruction, performed if the last entry of the thread's log is as required. At its end a
/// thread releases whatever it still holds, the last first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) when: When,
    pub(crate) instr: Instr,
}

impl Step {
    pub(crate) fn always(instr: Instr) -> Self {
        Self { when: When::Always, instr }
    }

    pub(super) fn sometimes(rng: &mut fastrand::Rng, instr: Instr) -> Self {
        let when = match rng.u8(..8) {
            0 => When::LastZero,
            1 => When::LastOther,
            _ => When::Always,
        };
        Self { when, instr }
    }
}

/// A condition on the newest entry of the thread's own log; an empty log counts as zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    Always,
    LastZero,
    LastOther,
}

impl When {
    pub(crate) fn holds(self, log: &[u64]) -> bool {
        let zero = last_entry(log) == 0;
        match self {
            Self::Always => true,
            Self::LastZero => zero,
            Self::LastOther => !zero,
        }
    }
}

/// Returns the last entry of a log.
pub(crate) fn last_entry(log: &[u64]) -> u64 {
    log.last().copied().unwrap_or(0)
}

/// An instruction of a thread. Numbers name objects of the kind in question, or threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Instr {
    Lock(usize),
    /// Locks without a guard, so that the data is inaccessible.
    RawLock(usize),
    /// Unlocks without a guard, whichever thread has the mutex. Does nothing if there is a guard.
    RawUnlock(usize),
    /// Logs 1 for the lock and 0 for the signal.
    LockInterruptible(usize),
    /// Logs 1 for the lock and 0 for none; so do the other trylocks.
    TryLock(usize),
    /// The same, without a guard.
    RawTryLock(usize),
    /// With a subclass for lockdep.
    LockNested(usize),
    /// The first, while the second is held, in whatever order others are taken.
    LockNestLock(usize, usize),
    Spin(usize),
    TrySpin(usize),
    DownRead(usize),
    DownWrite(usize),
    TryDownRead(usize),
    TryDownWrite(usize),
    /// Without a guard; see `RawLock` and `RawUnlock`.
    RawDownRead(usize),
    RawDownWrite(usize),
    RawTryDownRead(usize),
    RawTryDownWrite(usize),
    RawUpRead(usize),
    RawUpWrite(usize),
    UnfairRead(usize),
    UnfairWrite(usize),
    TryUnfairRead(usize),
    TryUnfairWrite(usize),
    SrcuRead(usize),
    RcuRead,
    /// Releases one of the locks held, counted cyclically from the first, so that locks are
    /// released in any order. Does nothing if none is held.
    Release(usize),
    /// Logs the data behind the lock taken last. Does nothing if it is inaccessible.
    Look,
    /// Adds to the data behind the lock taken last. Does nothing if that is not writable.
    Add(u64),
    /// Declares that it may sleep.
    MightSleep,
    /// Logs the value; so do the next three, with the previous value.
    Load(usize),
    FetchAdd(usize, u64),
    Swap(usize, u64),
    CompareExchange(usize, u64, u64),
    Store(usize, u64),
    /// Stores one more than the last entry of the log.
    StoreLast(usize),
    /// `wait_event` on a queue until an atomic is not zero.
    WaitForAtomic(usize, usize),
    /// `wait_event` on a queue until the data behind a mutex is not zero.
    WaitForData(usize, usize),
    /// The same of an exclusive waiter, until an atomic is not zero.
    WaitExclusive(usize, usize),
    /// Logs whether the atomic was not zero in the end; so do the next two.
    WaitTimeout(usize, usize),
    WaitInterruptible(usize, usize),
    WaitKillable(usize, usize),
    /// `wait_event_cmd` with the mutex taken last, until the data behind it is not zero. Does
    /// nothing if the lock taken last was not a mutex.
    WaitCmd(usize),
    Prepare(usize),
    PrepareExclusive(usize),
    Schedule(usize),
    /// Logs whether there was time left.
    ScheduleTimeout(usize),
    Finish(usize),
    WakeUp(usize),
    WakeUpNr(usize, u32),
    WakeUpAll(usize),
    /// Logs whether a thread is queued.
    Active(usize),
    Complete(usize),
    CompleteAll(usize),
    Reinit(usize),
    WaitForCompletion(usize),
    /// Logs whether it has happened; so do the next three.
    TryWaitForCompletion(usize),
    WaitForCompletionTimeout(usize),
    WaitForCompletionInterruptible(usize),
    CompletionDone(usize),
    Down(usize),
    /// Logs 1 for one of the count and 0 for none; so do the next two.
    DownInterruptible(usize),
    DownTimeout(usize),
    DownTrylock(usize),
    Up(usize),
    /// Logs one of so many numbers.
    Choose(u8),
    /// Waits on a condition variable with the mutex taken last. Does nothing if the lock taken last
    /// was not a mutex; neither do the next two.
    CondvarWait(usize),
    /// Waits while the data behind the mutex is zero.
    CondvarWaitWhile(usize),
    /// Logs whether the timeout expired.
    CondvarWaitTimeout(usize),
    NotifyOne(usize),
    NotifyAll(usize),
    KrefGet(usize),
    /// Logs 1 for a reference and 0 for none.
    KrefGetUnlessZero(usize),
    /// Logs whether there is one reference.
    KrefRead(usize),
    /// Logs 1 for the last put.
    KrefPut(usize),
    /// The same, which leaves the mutex held.
    KrefPutMutex(usize, usize),
    /// Follows a pointer to an object that can be freed.
    Use(usize),
    Free(usize),
    /// Logs 1 for a reference and 0 for none.
    ModuleGet(usize),
    ModulePut(usize),
    /// Logs 1 if the unloading begins, and 0 if the module is in use.
    ModuleDelete(usize),
    ModuleFree(usize),
    ModuleCall(usize),
    SrcuSync(usize),
    RcuSync,
    /// Starts the thread of this number after a grace period, as a callback.
    CallRcu(usize),
    RcuBarrier,
    ModTimer(usize),
    /// Logs whether the timer was armed; so do the next three.
    DelTimer(usize),
    DelTimerSync(usize),
    TimerShutdown(usize),
    TimerShutdownSync(usize),
    /// Logs whether the work was queued.
    QueueWork(usize),
    FlushWork(usize),
    CancelWork(usize),
    FlushWorkqueue,
    DrainWorkqueue,
    DestroyWorkqueue,
    /// Logs the CPU, of two.
    ThisCpu,
    /// Starts the thread of this number. No thread is started in two places.
    Spawn(usize),
    /// Waits for the end of the thread of this number. Does nothing if it was not started.
    Join(usize),
    /// Looks at an atomic until it is not zero.
    Poll(usize),
    /// From here on the thread repeats its steps for ever. At the end of each round it releases
    /// what it has taken and forgets the entries of the round.
    Forever,
    Again,
    /// The beginning of a callback: the grace period begins, and is over. And its end.
    GraceBegins,
    GraceEnds,
    GraceReturns,
    /// The beginning and the end of the function of a timer.
    Expires(usize),
    TimerReturns(usize),
    /// The same for a work.
    WorkBegins(usize),
    WorkReturns(usize),
}

/// One thread a line, for the analysis of a disagreement.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (me, steps) in self.threads.iter().enumerate() {
            write!(f, "\n  T{me}:")?;
            for Step { when, instr } in steps {
                match when {
                    When::Always => write!(f, " {instr:?};")?,
                    when => write!(f, " {when:?} => {instr:?};")?,
                }
            }
        }
        Ok(())
    }
}

impl Instr {
    /// Returns the class of the lock that it takes, if it takes one.
    pub(super) fn takes(self) -> Option<&'static str> {
        match self {
            Self::Lock(m) | Self::RawLock(m) | Self::LockInterruptible(m) | Self::TryLock(m) => {
                Some(MUTEXES[m])
            }
            Self::RawTryLock(m) | Self::LockNested(m) | Self::LockNestLock(m, _) => {
                Some(MUTEXES[m])
            }
            Self::Spin(p) | Self::TrySpin(p) => Some(SPINS[p]),
            Self::DownRead(s) | Self::DownWrite(s) => Some(SEMS[s]),
            Self::TryDownRead(s) | Self::TryDownWrite(s) => Some(SEMS[s]),
            Self::RawDownRead(s) | Self::RawDownWrite(s) => Some(SEMS[s]),
            Self::RawTryDownRead(s) | Self::RawTryDownWrite(s) => Some(SEMS[s]),
            Self::UnfairRead(u) | Self::UnfairWrite(u) => Some(UNFAIR[u]),
            Self::TryUnfairRead(u) | Self::TryUnfairWrite(u) => Some(UNFAIR[u]),
            Self::SrcuRead(s) => Some(SRCUS[s]),
            Self::RcuRead => Some(RCU),
            _ => None,
        }
    }

    /// Returns whether it may be repeated without end.
    pub(super) fn in_rounds(self) -> bool {
        let grows = matches!(
            self,
            Self::FetchAdd(..)
                | Self::StoreLast(_)
                | Self::Add(_)
                | Self::Use(_)
                | Self::Free(_)
                | Self::Complete(_)
                | Self::Up(_)
        );
        // Locks from before the first round are inaccessible.
        let reaches = matches!(self, Self::RawUnlock(_) | Self::RawUpRead(_) | Self::RawUpWrite(_));
        !grows && !reaches && (self.in_functions() || matches!(self, Self::ModTimer(_)))
    }

    /// Returns whether it may be performed in a function that runs several times, or never.
    pub(super) fn in_functions(self) -> bool {
        !matches!(self, Self::Spawn(_) | Self::Join(_) | Self::CallRcu(_) | Self::ModTimer(_))
    }

    /// Returns whether it only marks the beginning or the end of a function.
    pub(crate) fn frames(self) -> bool {
        matches!(
            self,
            Self::GraceBegins
                | Self::GraceEnds
                | Self::GraceReturns
                | Self::Expires(_)
                | Self::TimerReturns(_)
                | Self::WorkBegins(_)
                | Self::WorkReturns(_)
                | Self::Again
        )
    }

    /// Returns whether it is performed with the mutex taken last.
    pub(crate) fn unlocks_mutex(self) -> bool {
        matches!(
            self,
            Self::WaitCmd(_)
                | Self::CondvarWait(_)
                | Self::CondvarWaitWhile(_)
                | Self::CondvarWaitTimeout(_)
        )
    }

    /// Returns what it adds to the length of a thread: a wait in a loop is expensive.
    pub(super) fn cost(self) -> u32 {
        match self {
            Self::WaitForAtomic(..) | Self::WaitForData(..) | Self::Prepare(_) => 2,
            Self::WaitExclusive(..) | Self::WaitTimeout(..) | Self::PrepareExclusive(_) => 2,
            Self::WaitInterruptible(..) | Self::WaitKillable(..) | Self::WaitCmd(_) => 2,
            Self::CondvarWait(_) | Self::CondvarWaitWhile(_) | Self::CondvarWaitTimeout(_) => 2,
            Self::QueueWork(_) | Self::ModTimer(_) => 2,
            _ => 1,
        }
    }

    /// Returns the name of the variant.
    pub(crate) fn kind(self) -> String {
        format!("{self:?}").split('(').next().unwrap_or_default().to_owned()
    }
}

impl Program {
    /// Returns whether thread `me` is the function of a timer or a work.
    pub(crate) fn is_function(&self, me: usize) -> bool {
        self.timers.contains(&me) || self.works.contains(&me)
    }
}

/// The possible ends of a program, which every engine has to find.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Outcome {
    /// Every final state.
    pub(crate) finals: BTreeSet<Final>,
    /// Every deadlock, as the classes on its shortest cycle of waits.
    pub(crate) deadlocks: BTreeSet<Vec<String>>,
    /// Every other violation, in the words of the library.
    pub(crate) violations: BTreeSet<String>,
}

impl Outcome {
    pub(crate) fn is_refuted(&self) -> bool {
        !self.deadlocks.is_empty() || !self.violations.is_empty()
    }
}

/// The visible state after the end of every thread.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Final {
    pub(crate) logs: Vec<Vec<u64>>,
    pub(crate) mutexes: Vec<u64>,
    pub(crate) spins: Vec<u64>,
    pub(crate) sems: Vec<u64>,
    pub(crate) unfair: Vec<u64>,
    pub(crate) atomics: Vec<u64>,
}

pub(crate) const MUTEXES: [&str; 3] = ["M0", "M1", "M2"];
pub(crate) const SEMS: [&str; 2] = ["S0", "S1"];
pub(crate) const ATOMICS: [&str; 3] = ["A0", "A1", "A2"];
pub(crate) const QUEUES: [&str; 2] = ["Q0", "Q1"];
pub(crate) const SPINS: [&str; 2] = ["P0", "P1"];
pub(crate) const UNFAIR: [&str; 2] = ["U0", "U1"];
pub(crate) const COMPLETIONS: [&str; 1] = ["D0"];
pub(crate) const SLOTS: [&str; 1] = ["N0"];
pub(crate) const KREFS: [&str; 1] = ["K0"];
pub(crate) const TRACKED: [&str; 1] = ["X0"];
pub(crate) const MODULES: [&str; 1] = ["mod"];
pub(crate) const SRCUS: [&str; 1] = ["R0"];
pub(crate) const RCU: &str = "rcu";
pub(crate) const TIMERS: [&str; 1] = ["t0"];
pub(crate) const WORKS: [&str; 3] = ["w0", "w1", "w2"];
pub(crate) const WORKQUEUE: &str = "wq";
pub(crate) const CONDVARS: [&str; 1] = ["V0"];
pub(crate) const CHILDREN: [&str; 2] = ["C0", "C1"];
