//! What a thread does: one [`Op`] on one object.
//!
//! An operation is the unit of exploration. Everything a thread does between two of its
//! operations is invisible to the other threads and runs as one with the operation before it.

use std::fmt;
use std::panic::Location;

use serde::{Deserialize, Serialize};

/// Where an operation was called.
pub(crate) type Place = &'static Location<'static>;

/// A thread of a scenario, in the order in which the threads were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct ThreadId(u32);

impl ThreadId {
    /// Whoever builds the world before the threads start and judges it after they have ended.
    pub(crate) const SETUP: Self = Self(u32::MAX);

    pub(crate) fn new(index: usize) -> Self {
        let id = u32::try_from(index).expect("fewer than 2^32 threads");
        assert!(id != u32::MAX, "fewer than 2^32 threads");
        Self(id)
    }

    /// The thread's position: 0 for the first thread of the scenario.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An object of the world, in the order in which the objects were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectId(u32);

impl ObjectId {
    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("a world has fewer than 2^32 objects"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One visible step of a thread on one object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Op {
    /// What is done.
    pub(crate) kind: OpKind,
    /// The first argument; its meaning is the primitive's own.
    pub(crate) a: u64,
    /// The second argument; its meaning is the primitive's own.
    pub(crate) b: u64,
}

impl Op {
    pub(crate) fn new(kind: OpKind) -> Self {
        Self { kind, a: 0, b: 0 }
    }

    pub(crate) fn with(kind: OpKind, a: u64) -> Self {
        Self { kind, a, b: 0 }
    }

    /// What a workqueue does about one of its works is about that, and not about the queue: the
    /// object that `b` is one more than the number of.
    pub(crate) fn about(self) -> Option<ObjectId> {
        use OpKind::{
            AwaitCancel, AwaitWork, CancelWork, CancelWorkSync, FlushWork, QueueWork, WorkBegins,
            WorkReturns,
        };
        let about = matches!(
            self.kind,
            QueueWork
                | WorkBegins
                | WorkReturns
                | FlushWork
                | AwaitWork
                | CancelWork
                | CancelWorkSync
                | AwaitCancel
        );
        self.b.checked_sub(1).filter(|_| about).map(|number| ObjectId::new(number as usize))
    }
}

/// The second argument of a sleep after which the thread looks at its condition again, and sleeps
/// again if that does not hold.
pub(crate) const RECHECKS: u64 = 1;

/// The same, of a thread that has given a mutex back for as long as it sleeps.
pub(crate) const RECHECKS_LOCKED: u64 = 2;

impl OpKind {
    /// Whether the operation leaves its object as it was.
    pub(crate) fn reads(self) -> bool {
        matches!(
            self,
            Self::Load
                | Self::Use
                | Self::FinishUnlock
                | Self::CallModule
                | Self::Join
                | Self::WaitqueueActive
                | Self::CompletionDone
                | Self::FreezeWorkqueuesBusy
        )
    }

    /// Whether it sleeps until somebody wakes it, or wakes for no reason: the last of its chance
    /// ways. Nobody but the thread itself makes it sleep again once it can go on.
    pub(crate) fn wakes_spuriously(self) -> bool {
        matches!(
            self,
            Self::Sleep
                | Self::SleepTimeout
                | Self::SleepInterruptible
                | Self::SleepKillable
                | Self::CondvarSleep
                | Self::CondvarSleepTimeout
        )
    }

    /// Whether it waits for its one owner to let go, and then is the owner.
    pub(crate) fn locks(self) -> bool {
        matches!(self, Self::Lock | Self::SpinLock)
    }

    /// Whether it takes a lock of one owner if that is free, and need not wait for it.
    pub(crate) fn tries_lock(self) -> bool {
        matches!(self, Self::TryLock | Self::LockInterruptible | Self::TrySpinLock)
    }

    /// Whether it gives back a lock of one owner.
    pub(crate) fn unlocks(self) -> bool {
        matches!(self, Self::Unlock | Self::SpinUnlock)
    }

    /// Whether it takes a semaphore that favours readers, if that is possible now.
    pub(crate) fn tries_unfair(self) -> bool {
        matches!(self, Self::TryDownReadUnfair | Self::TryDownWriteUnfair)
    }

    /// Whether it takes one of the times that a completion has happened, or would.
    pub(crate) fn takes_completion(self) -> bool {
        matches!(
            self,
            Self::WaitForCompletion
                | Self::WaitForCompletionTimeout
                | Self::WaitForCompletionInterruptible
                | Self::TryWaitForCompletion
        )
    }

    /// Whether it is about something at which a thread may be able to go on and then not again: a
    /// semaphore that favours readers, a timer, a work item, a completion.
    pub(crate) fn is_unfair(self) -> bool {
        self.takes_completion()
            || matches!(
                self,
                Self::DownReadUnfair
                    | Self::DownWriteUnfair
                    | Self::TryDownReadUnfair
                    | Self::TryDownWriteUnfair
                    | Self::ModTimer
                    | Self::TimerExpires
                    | Self::TimerReturns
                    | Self::DelTimer
                    | Self::DelTimerSync
                    | Self::TimerShutdownSync
                    | Self::QueueWork
                    | Self::WorkBegins
                    | Self::WorkReturns
                    | Self::FlushWork
                    | Self::AwaitWork
                    | Self::CancelWork
                    | Self::CancelWorkSync
                    | Self::AwaitCancel
                    | Self::FlushWorkqueue
                    | Self::AwaitFlush
                    | Self::DrainWorkqueue
                    | Self::AwaitDrain
                    | Self::FreezeWorkqueues
                    | Self::FreezeWorkqueuesBusy
                    | Self::ThawWorkqueues
                    | Self::DestroyWorkqueue
                    | Self::AwaitDestroy
                    | Self::Complete
                    | Self::CompleteAll
                    | Self::ReinitCompletion
                    | Self::CompletionDone
            )
    }

    /// What the thread itself learns from a reply. Some say only what the operation does: nothing
    /// that a thread does afterwards may depend on a ghost, and what an instruction returns is
    /// learnt apart.
    pub(crate) fn observed(self, reply: u64) -> u64 {
        match self {
            Self::Ghost
            | Self::Instruction
            | Self::SrcuReadUnlock
            | Self::RcuReadUnlock
            | Self::Complete
            | Self::CompleteAll
            | Self::NotifyOne => 0,
            kind if kind.takes_completion() => reply.min(1),
            _ => reply,
        }
    }
}

macro_rules! op_kinds {
    ($($(#[$doc:meta])* $kind:ident => $text:literal,)*) => {
        /// The kinds of operation, over all primitives.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub(crate) enum OpKind { $($(#[$doc])* $kind,)* }

        impl fmt::Display for OpKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$kind => $text,)* })
            }
        }
    };
}

op_kinds! {
    /// `mutex_lock`.
    Lock => "mutex_lock",
    /// `mutex_lock_interruptible`: a signal may end the wait.
    LockInterruptible => "mutex_lock_interruptible",
    /// `mutex_trylock`.
    TryLock => "mutex_trylock",
    /// `mutex_unlock`; `a` is the value left behind the lock.
    Unlock => "mutex_unlock",
    /// `spin_lock_irqsave`.
    SpinLock => "spin_lock",
    /// `spin_trylock_irqsave`.
    TrySpinLock => "spin_trylock",
    /// `spin_unlock_irqrestore`; `a` is the value left behind the lock.
    SpinUnlock => "spin_unlock",
    /// `down_read`: granted at once, or queued.
    DownRead => "down_read",
    /// The rest of a queued `down_read`: the wait for the grant.
    AwaitRead => "down_read (queued)",
    /// `down_read_trylock`.
    TryDownRead => "down_read_trylock",
    /// `up_read`.
    UpRead => "up_read",
    /// `down_write`: granted at once, or queued.
    DownWrite => "down_write",
    /// The rest of a queued `down_write`: the wait for the grant.
    AwaitWrite => "down_write (queued)",
    /// `down_write_trylock`.
    TryDownWrite => "down_write_trylock",
    /// `up_write`; `a` is the value left behind the lock.
    UpWrite => "up_write",
    /// `down_read` of a semaphore that favours readers: waits for whoever holds the write side.
    DownReadUnfair => "down_read (unfair)",
    /// `down_write` of such a semaphore: waits for whoever holds either side.
    DownWriteUnfair => "down_write (unfair)",
    /// `down_read_trylock` of such a semaphore.
    TryDownReadUnfair => "down_read_trylock (unfair)",
    /// `down_write_trylock` of such a semaphore.
    TryDownWriteUnfair => "down_write_trylock (unfair)",
    /// `srcu_read_lock`; yields which section of the thread's own it is.
    SrcuReadLock => "srcu_read_lock",
    /// `srcu_read_unlock` of the section `a`.
    SrcuReadUnlock => "srcu_read_unlock",
    /// `synchronize_srcu`: begins to wait for those who read.
    SynchronizeSrcu => "synchronize_srcu",
    /// The rest of `synchronize_srcu`: the wait for their ends.
    AwaitReaders => "synchronize_srcu (waiting)",
    /// `rcu_read_lock`.
    RcuReadLock => "rcu_read_lock",
    /// `rcu_read_unlock`.
    RcuReadUnlock => "rcu_read_unlock",
    /// `synchronize_rcu`: a grace period begins.
    SynchronizeRcu => "synchronize_rcu",
    /// The rest of `synchronize_rcu`: the wait for its end.
    AwaitGracePeriod => "synchronize_rcu (waiting)",
    /// The end of the grace period that a callback of `call_rcu` waits for.
    RcuCallback => "rcu callback",
    /// `prepare_to_wait`: from here on a wake-up is not lost.
    PrepareToWait => "prepare_to_wait",
    /// `prepare_to_wait_exclusive`: the same, for who wants to be woken alone.
    PrepareToWaitExclusive => "prepare_to_wait_exclusive",
    /// `schedule`: sleep until woken.
    Sleep => "schedule",
    /// `schedule_timeout`: sleep until woken, or until the time is up; yields whether it is.
    SleepTimeout => "schedule_timeout",
    /// `schedule` in `TASK_INTERRUPTIBLE`: yields whether a signal has ended it.
    SleepInterruptible => "schedule (interruptible)",
    /// `schedule` in `TASK_KILLABLE`: yields whether a fatal signal has ended it.
    SleepKillable => "schedule (killable)",
    /// `finish_wait`: leave the queue.
    FinishWait => "finish_wait",
    /// `wake_up`: wake everybody who does not want to be woken alone, and one who does.
    WakeOne => "wake_up",
    /// `wake_up_nr`: the same, with `a` of those who want to be woken alone.
    WakeNr => "wake_up_nr",
    /// `wake_up_all`.
    WakeAll => "wake_up_all",
    /// `waitqueue_active`: yields whether somebody is queued.
    WaitqueueActive => "waitqueue_active",
    /// `Condvar::wait`: from here on a notification is not lost.
    CondvarWait => "Condvar::wait",
    /// The rest of `Condvar::wait`: the sleep until notified.
    CondvarSleep => "Condvar::wait (asleep)",
    /// The same of `Condvar::wait_timeout`: yields whether the time is up.
    CondvarSleepTimeout => "Condvar::wait_timeout (asleep)",
    /// `Condvar::notify_one`: wakes any one waiter; yields whom.
    NotifyOne => "Condvar::notify_one",
    /// `Condvar::notify_all`.
    NotifyAll => "Condvar::notify_all",
    /// An atomic load.
    Load => "atomic_read",
    /// An atomic store of `a`.
    Store => "atomic_set",
    /// An atomic exchange for `a`.
    Swap => "atomic_xchg",
    /// An atomic addition of `a`, wrapping; yields the value before.
    FetchAdd => "atomic_fetch_add",
    /// An atomic compare-and-exchange from `a` to `b`; yields the value before.
    CompareExchange => "atomic_cmpxchg",
    /// `kref_get`.
    KrefGet => "kref_get",
    /// `kref_get_unless_zero`.
    KrefGetUnlessZero => "kref_get_unless_zero",
    /// `kref_put`.
    KrefPut => "kref_put",
    /// `try_module_get`.
    TryModuleGet => "try_module_get",
    /// `module_put`.
    ModulePut => "module_put",
    /// `delete_module`: refuse new references if none is held.
    DeleteModule => "delete_module",
    /// `free_module`: the module's text is gone.
    FreeModule => "free_module",
    /// A call into the module's text.
    CallModule => "call",
    /// A touch of an object that can be released.
    Use => "use",
    /// The rest of an unlock, which still touches the lock when others can have it, and so the
    /// memory that it lives in.
    FinishUnlock => "rest of the unlock",
    /// The release of such an object.
    Release => "release",
    /// A look at, or a change of, state that only the proof has.
    Ghost => "ghost",
    /// An instruction of the machine on state that only it can touch.
    Instruction => "instruction",
    /// `mod_timer`: yields whether nobody is there yet who waits for the time.
    ModTimer => "mod_timer",
    /// The time has come, unless the timer was deleted: its function begins.
    TimerExpires => "timer expires",
    /// The function of a timer returns.
    TimerReturns => "timer returns",
    /// `del_timer`: yields whether the timer was pending.
    DelTimer => "del_timer",
    /// `del_timer_sync`: the same, once its function does not run.
    DelTimerSync => "del_timer_sync",
    /// `timer_shutdown_sync`: the same, and nobody arms it any more.
    TimerShutdownSync => "timer_shutdown_sync",
    /// `queue_work`: yields what it did.
    QueueWork => "queue_work",
    /// A worker begins the work, unless that was cancelled.
    WorkBegins => "work begins",
    /// The work is done.
    WorkReturns => "work returns",
    /// `flush_work`: yields whether there is something to wait for; `a` is 1 if it waits for the
    /// whole queue too, because that runs one work at a time.
    FlushWork => "flush_work",
    /// The rest of `flush_work`: the wait for the work.
    AwaitWork => "flush_work (waiting)",
    /// `cancel_work`: takes the work off its queue; yields whether it was on it.
    CancelWork => "cancel_work",
    /// `cancel_work_sync`: takes the work off its queue, and keeps it off; yields whether it was on it,
    /// and whether there is something to wait for.
    CancelWorkSync => "cancel_work_sync",
    /// The rest of `cancel_work_sync`: the wait for the work.
    AwaitCancel => "cancel_work_sync (waiting)",
    /// `flush_workqueue`: yields whether there is something to wait for.
    FlushWorkqueue => "flush_workqueue",
    /// The rest of `flush_workqueue`: the wait for what was queued.
    AwaitFlush => "flush_workqueue (waiting)",
    /// `drain_workqueue`: nobody queues any more, but the works on the queue themselves.
    DrainWorkqueue => "drain_workqueue",
    /// The rest of `drain_workqueue`: the wait until nothing is left.
    AwaitDrain => "drain_workqueue (waiting)",
    /// `freeze_workqueues_begin`: no other work becomes active.
    FreezeWorkqueues => "freeze_workqueues_begin",
    /// `freeze_workqueues_busy`: yields whether one is that was before.
    FreezeWorkqueuesBusy => "freeze_workqueues_busy",
    /// `thaw_workqueues`: works become active again.
    ThawWorkqueues => "thaw_workqueues",
    /// `destroy_workqueue`: as `drain_workqueue`, for good.
    DestroyWorkqueue => "destroy_workqueue",
    /// The rest of `destroy_workqueue`: the wait until nothing is left.
    AwaitDestroy => "destroy_workqueue (waiting)",
    /// `complete`: once more.
    Complete => "complete",
    /// `complete_all`: for everybody, now and later.
    CompleteAll => "complete_all",
    /// `reinit_completion`: as if it had never happened.
    ReinitCompletion => "reinit_completion",
    /// `completion_done`: yields whether nobody would wait.
    CompletionDone => "completion_done",
    /// `wait_for_completion`: takes one of the times that it has happened; yields 2 if there is no
    /// end of them.
    WaitForCompletion => "wait_for_completion",
    /// `wait_for_completion_timeout`: the same, or yields 0 if the time is up.
    WaitForCompletionTimeout => "wait_for_completion_timeout",
    /// `wait_for_completion_interruptible`: the same, or yields 0 if a signal came.
    WaitForCompletionInterruptible => "wait_for_completion_interruptible",
    /// `try_wait_for_completion`: the same, or yields 0 at once.
    TryWaitForCompletion => "try_wait_for_completion",
    /// `raw_cpu_ptr`: yields the CPU that the thread is on.
    ThisCpu => "this_cpu",
    /// A wait for the end of another thread.
    Join => "join",
}
