//! The operations of all primitives, one row each.
//!
//! A row describes the operation to the observers (which lock it takes, whether it may sleep), to
//! the searches (whether it leaves its object as it was, what it can make possible), and to a
//! reader of a trace (its name, the meaning of its result). A new primitive needs its file in
//! [`sync`](crate::sync) and its rows here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::machine::{QUEUED, REFUSED};

#[macro_use]
mod callbacks;
#[macro_use]
mod data;
mod forms;
#[macro_use]
mod interrupts;
#[macro_use]
mod later;
#[macro_use]
mod memory;
mod row;
#[macro_use]
mod sequences;
#[macro_use]
mod spinning;
#[macro_use]
mod tasks;
#[macro_use]
mod user_space;

pub(crate) use forms::{RETURNS, form};
pub use row::Mode;
pub(crate) use row::{Assumption, Observes, Reads, Row, Shows, Traced};

use crate::cpu::Context::{Hardirq, Softirq};

use Assumption::{FairQueues, GracePeriods, Hashes, NotPreemptRt, Parks, Workers};
use Mode::{Exclusive, Shared, SharedRecursive};
use OpKind::*;
use row::op;

/// What may end the wait for a work.
const ENDS_WAITS_FOR_WORK: &[OpKind] =
    &[WorkReturns, CancelWork, CancelWorkSync, DisableWork, DisableWorkSync, ModDelayedWork];

impl OpKind {
    /// Returns what a thread observes of a reply. Nothing that a thread does afterwards may depend
    /// on a ghost, and the result of an instruction is observed separately.
    pub(crate) fn observed(self, reply: u64) -> u64 {
        match self.row().observes {
            Observes::Reply => reply,
            Observes::WhetherAny => reply.min(1),
            Observes::Nothing | Observes::NoName => 0,
        }
    }

    /// Returns the part of a reply that decides how the thread continues: all of it, unless it only
    /// names threads for the dependency relation.
    pub(crate) fn continues_by(self, reply: u64) -> u64 {
        if self.row().observes == Observes::NoName { 0 } else { reply }
    }

    /// Returns what a trace shows of a reply.
    pub(crate) fn shown(self, reply: u64) -> Option<String> {
        let text = match self.row().shows {
            Shows::Value => return Some(reply.to_string()),
            Shows::YesNo if reply == 0 => "no",
            Shows::YesNo => "yes",
            Shows::Taken if reply == REFUSED => "busy",
            Shows::Taken => "taken",
            Shows::Queued if reply == QUEUED => "queued",
            Shows::Interrupted(shown) if reply == shown => "interrupted",
            Shows::TimedOut(shown) if reply == shown => "timed out",
            Shows::Arrives if reply == REFUSED => "not now",
            Shows::Last if reply == 1 => "last",
            Shows::BacksOff if reply == REFUSED => "-EDEADLK",
            Shows::BacksOff if reply == QUEUED => "queued",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().text)
    }
}

macro_rules! op_kinds {
    ($($(#[$doc:meta])* $kind:ident => $row:expr,)*) => {
        /// The kinds of operation, over all primitives.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub(crate) enum OpKind { $($(#[$doc])* $kind,)* }

        impl OpKind {
            /// Returns the properties of the operation.
            pub(crate) fn row(self) -> &'static Row {
                static ROWS: &[Row] = &[$($row,)*];
                &ROWS[self as usize]
            }
        }
    };
}

rows_of_interrupts! {
    /// `mutex_lock`.
    Lock => op("mutex_lock")
        .locks()
        .sleeps()
        .enabled_by(&[Unlock])
        .yields_value()
        .assumes(&[Hashes]),
    /// `mutex_lock_interruptible`: a signal may end the wait.
    LockInterruptible => op("mutex_lock_interruptible")
        .waits(Exclusive)
        .sleeps()
        .tries_lock()
        .shows(Shows::Interrupted(REFUSED))
        .yields_value(),
    /// `mutex_trylock`.
    TryLock => op("mutex_trylock")
        .tries_lock()
        .shows(Shows::Taken)
        .reads(Reads::If(REFUSED))
        .yields_value(),
    /// `mutex_unlock`; `a` is the value that stays behind the lock.
    Unlock => op("mutex_unlock").unlocks(),
    /// `spin_lock` in all its forms; `b` is the number of the [`form`].
    SpinLock => op("spin_lock")
        .locks()
        .atomic()
        .sleeps_on_rt()
        .enabled_by(&[SpinUnlock])
        .yields_value()
        .assumes(&[NotPreemptRt, Hashes]),
    /// `spin_trylock`, in all its forms.
    TrySpinLock => op("spin_trylock")
        .tries_lock()
        .atomic()
        .shows(Shows::Taken)
        .reads(Reads::If(REFUSED))
        .yields_value()
        .assumes(&[NotPreemptRt]),
    /// `spin_unlock_irqrestore`; `a` is the value that stays behind the lock.
    SpinUnlock => op("spin_unlock").unlocks(),
    /// `down_read`: granted at once, or queued.
    DownRead => op("down_read")
        .waits(Shared)
        .takes(Shared)
        .sleeps()
        .shows(Shows::Queued)
        .yields_value()
        .assumes(&[FairQueues, Hashes]),
    /// The rest of a queued `down_read`: the wait for the grant.
    AwaitRead => op("down_read (queued)")
        .takes(Shared)
        .granted()
        .enabled_by(&[UpWrite, AwaitWriteKillable, DowngradeWrite])
        .yields_value()
        .assumes(&[FairQueues]),
    /// `down_read_trylock`.
    TryDownRead => op("down_read_trylock")
        .takes(Shared)
        .reads(Reads::If(REFUSED))
        .shows(Shows::Taken)
        .yields_value(),
    /// `up_read`.
    UpRead => op("up_read").releases(),
    /// `down_write`: granted at once, or queued.
    DownWrite => op("down_write")
        .waits(Exclusive)
        .takes(Exclusive)
        .sleeps()
        .shows(Shows::Queued)
        .yields_value()
        .assumes(&[FairQueues, Hashes]),
    /// The rest of a queued `down_write`: the wait for the grant.
    AwaitWrite => op("down_write (queued)")
        .takes(Exclusive)
        .granted()
        .enabled_by(&[UpRead, UpWrite, AwaitReadKillable, AwaitWriteKillable])
        .yields_value()
        .assumes(&[FairQueues]),
    /// `down_write_trylock`.
    TryDownWrite => op("down_write_trylock")
        .takes(Exclusive)
        .reads(Reads::If(REFUSED))
        .shows(Shows::Taken)
        .yields_value(),
    /// `up_write`; `a` is the value that stays behind the lock.
    UpWrite => op("up_write").releases().leaves_value(),
    /// `down_read` of a semaphore that favours readers: waits until no thread holds the write side.
    DownReadUnfair => op("down_read (unfair)")
        .waits(SharedRecursive)
        .takes(SharedRecursive)
        .sleeps()
        .can_be_disabled()
        .enabled_by(&[UpWrite])
        .commutes_with(&[DownReadUnfair, TryDownReadUnfair, UpRead])
        .yields_value(),
    /// `down_write` of such a semaphore: waits until no thread holds either side.
    DownWriteUnfair => op("down_write (unfair)")
        .waits(Exclusive)
        .takes(Exclusive)
        .sleeps()
        .can_be_disabled()
        .enabled_by(&[UpRead, UpWrite])
        .yields_value(),
    /// `down_read_trylock` of such a semaphore.
    TryDownReadUnfair => op("down_read_trylock (unfair)")
        .takes(SharedRecursive)
        .tries_unfair()
        .commutes_with(&[DownReadUnfair, TryDownReadUnfair, UpRead])
        .yields_value(),
    /// `down_write_trylock` of such a semaphore.
    TryDownWriteUnfair => op("down_write_trylock (unfair)")
        .takes(Exclusive)
        .tries_unfair()
        .yields_value(),
    /// `down`: granted at once, or queued.
    Down => op("down").sleeps().shows(Shows::Queued),
    /// The rest of a queued `down`: the wait for the grant.
    AwaitDown => op("down (queued)").granted().enabled_by(&[Up]),
    /// The rest of a queued `down_interruptible`, which a signal can end before any `up`.
    AwaitDownInterruptible => op("down_interruptible (queued)")
        .leaves_queue()
        .shows(Shows::Interrupted(1)),
    /// The rest of a queued `down_timeout`, whose time can be up.
    AwaitDownTimeout => op("down_timeout (queued)").shows(Shows::TimedOut(1)),
    /// `down_trylock`.
    DownTrylock => op("down_trylock").reads(Reads::If(REFUSED)).shows(Shows::Taken),
    /// `up`: hands one to the waiter that has waited longest; replies with the set of that waiter.
    Up => op("up").observes(Observes::NoName),
    /// `srcu_read_lock`; replies with the number of the section among the thread's own.
    SrcuReadLock => op("srcu_read_lock")
        .takes(SharedRecursive)
        .commutes_with(&[SrcuReadLock, SrcuReadUnlock]),
    /// `srcu_read_unlock` of the section `a`.
    SrcuReadUnlock => op("srcu_read_unlock")
        .releases()
        .observes(Observes::NoName)
        .commutes_with(&[SrcuReadLock, SrcuReadUnlock]),
    /// `synchronize_srcu`: begins to wait for the open sections.
    SynchronizeSrcu => op("synchronize_srcu").waits(Exclusive).sleeps().assumes(&[GracePeriods]),
    /// The rest of `synchronize_srcu`: the wait for their ends.
    AwaitReaders => op("synchronize_srcu (waiting)").granted().enabled_by(&[SrcuReadUnlock]),
    /// `rcu_read_lock`.
    RcuReadLock => op("rcu_read_lock")
        .takes(SharedRecursive)
        .atomic()
        .commutes_with(&[RcuReadLock, RcuReadUnlock]),
    /// `rcu_read_unlock`.
    RcuReadUnlock => op("rcu_read_unlock")
        .releases()
        .observes(Observes::NoName)
        .commutes_with(&[RcuReadLock, RcuReadUnlock]),
    /// `synchronize_rcu`: begins a grace period.
    SynchronizeRcu => op("synchronize_rcu").waits(Exclusive).sleeps().assumes(&[GracePeriods]),
    /// The rest of `synchronize_rcu`: the wait for the end of the grace period.
    AwaitGracePeriod => op("synchronize_rcu (waiting)").granted().enabled_by(&[RcuReadUnlock]),
    /// The end of the grace period that a callback of `call_rcu` waits for: its function begins, in
    /// softirq.
    RcuCallback => op("rcu callback")
        .atomic()
        .commutes_with(&[
            RcuReadLock,
            RcuReadUnlock,
            SynchronizeRcu,
            GracePeriodBegins,
            CallRcu,
            RcuCallback,
            CallbackReturns,
            RcuBarrier,
        ])
        .enabled_by(&[RcuReadUnlock])
        .assumes(&[GracePeriods]),
    /// `prepare_to_wait`: from here on a wake-up is not lost.
    PrepareToWait => op("prepare_to_wait"),
    /// `prepare_to_wait_exclusive`: the same, for a waiter that is to be woken alone.
    PrepareToWaitExclusive => op("prepare_to_wait_exclusive"),
    /// `schedule`: sleeps until woken.
    Sleep => op("schedule").sleep(),
    /// `schedule_timeout`: sleeps until woken or until a timeout; replies whether that expired.
    SleepTimeout => op("schedule_timeout").sleep().reads(Reads::If(0)).shows(Shows::TimedOut(1)),
    /// `schedule` in `TASK_INTERRUPTIBLE`: replies whether a signal has ended it.
    SleepInterruptible => op("schedule (interruptible)").sleep().shows(Shows::Interrupted(1)),
    /// `schedule` in `TASK_KILLABLE`: replies whether a fatal signal has ended it.
    SleepKillable => op("schedule (killable)").sleep().shows(Shows::Interrupted(1)),
    /// `finish_wait`: leaves the queue.
    FinishWait => op("finish_wait"),
    /// `wake_up`: wakes every waiter that is not exclusive, and one that is.
    WakeOne => op("wake_up"),
    /// `wake_up_nr`: the same, with `a` exclusive waiters.
    WakeNr => op("wake_up_nr"),
    /// `wake_up_all`.
    WakeAll => op("wake_up_all"),
    /// `waitqueue_active`: replies whether a thread is queued.
    WaitqueueActive => op("waitqueue_active").reads(Reads::Always).shows(Shows::YesNo),
    /// `Condvar::wait`: from here on a notification is not lost. With `b` 1 it decides how the wait
    /// ends, and replies whether by itself; with 2 it ends by itself, and replies whether by a
    /// timeout.
    CondvarWait => op("Condvar::wait"),
    /// The rest of `Condvar::wait`: the sleep until notified.
    CondvarSleep => op("Condvar::wait (asleep)").sleep(),
    /// The same for `Condvar::wait_timeout`: replies whether the timeout expired.
    CondvarSleepTimeout => op("Condvar::wait_timeout (asleep)")
        .sleep()
        .reads(Reads::If(0))
        .shows(Shows::TimedOut(1)),
    /// `Condvar::notify_one`: wakes any one waiter; replies with that waiter.
    NotifyOne => op("Condvar::notify_one").observes(Observes::NoName),
    /// `Condvar::notify_all`; replies with the set of the waiters.
    NotifyAll => op("Condvar::notify_all").observes(Observes::NoName),
    /// An atomic load.
    Load => op("atomic_read").reads(Reads::Always).shows(Shows::Value),
    /// An atomic store of `a`.
    Store => op("atomic_set"),
    /// An atomic exchange for `a`.
    Swap => op("atomic_xchg").shows(Shows::Value),
    /// An atomic addition of `a`, which wraps below the upper `b` bits; replies with the previous
    /// value.
    FetchAdd => op("atomic_fetch_add").shows(Shows::Value),
    /// An atomic compare-and-exchange from `a` to `b`; replies with the previous value.
    CompareExchange => op("atomic_cmpxchg").reads(Reads::UnlessFirstArgument).shows(Shows::Value),
    /// `kref_get`.
    KrefGet => op("kref_get"),
    /// `kref_get_unless_zero`.
    KrefGetUnlessZero => op("kref_get_unless_zero").shows(Shows::YesNo),
    /// `kref_put`.
    KrefPut => op("kref_put").shows(Shows::Last),
    /// `try_module_get`.
    TryModuleGet => op("try_module_get").shows(Shows::YesNo),
    /// `module_put`.
    ModulePut => op("module_put"),
    /// `delete_module`: refuses new references if none is held.
    DeleteModule => op("delete_module").shows(Shows::YesNo),
    /// `free_module`: frees the module's text.
    FreeModule => op("free_module"),
    /// A call into the module's text.
    CallModule => op("call").reads(Reads::Always),
    /// An access to an object that can be released.
    Use => op("use").reads(Reads::Always),
    /// The rest of an unlock, which still touches the lock, and so the memory that it lives in,
    /// when other threads can take it.
    FinishUnlock => op("rest of the unlock").reads(Reads::Always),
    /// The release of such an object.
    Release => op("release"),
    /// An access to state that only the proof has.
    Ghost => op("ghost").observes(Observes::Nothing).hidden(),
    /// An instruction on state that only the hardware can touch.
    Instruction => op("instruction").observes(Observes::Nothing).hidden(),
    /// `mod_timer`: replies whether the timer needs a thread that waits for its expiry.
    ModTimer => op("mod_timer").can_be_disabled(),
    /// The timer expires, unless it was deleted: its function begins.
    TimerExpires => op("timer expires")
        .interrupts(Softirq)
        .enabled_by(&[ModTimer, TimerReturns])
        .assumes(&[NotPreemptRt]),
    /// The function of a timer returns. It may have freed the timer (`call_timer_fn`).
    TimerReturns => op("timer returns").releases().can_be_disabled().outlives_memory(),
    /// `del_timer`: replies whether the timer was pending.
    DelTimer => op("del_timer").can_be_disabled(),
    /// `del_timer_sync`: the same, once its function does not run.
    DelTimerSync => op("del_timer_sync")
        .waits(Exclusive)
        .can_be_disabled()
        .enabled_by(&[TimerReturns]),
    /// `timer_shutdown_sync`: the same, and no thread can arm it any more.
    TimerShutdownSync => op("timer_shutdown_sync")
        .waits(Exclusive)
        .can_be_disabled()
        .enabled_by(&[TimerReturns]),
    /// `queue_work`: replies with its effect.
    QueueWork => op("queue_work").work().can_be_disabled(),
    /// A worker begins the work, unless that was cancelled.
    WorkBegins => op("work begins")
        .work()
        .takes(Exclusive)
        .can_be_disabled()
        .enabled_by(&[
            QueueWork,
            DelayEnds,
            FlushDelayedWork,
            WorkReturns,
            CancelWork,
            CancelWorkSync,
            DisableWork,
            DisableWorkSync,
            ModDelayedWork,
            ThawWorkqueues,
        ])
        .assumes(&[Workers]),
    /// The work returns. It may have freed the `work_struct` (`process_one_work`).
    WorkReturns => op("work returns").work().releases().can_be_disabled().outlives_memory(),
    /// `flush_work`: replies whether there is something to wait for; `a` is 1 if it waits for the
    /// whole queue too, because that runs one work at a time.
    FlushWork => op("flush_work").work().waits(Exclusive).sleeps().can_be_disabled(),
    /// The rest of `flush_work`: the wait for the work.
    AwaitWork => op("flush_work (waiting)")
        .work()
        .can_be_disabled()
        .enabled_by(ENDS_WAITS_FOR_WORK),
    /// `cancel_work`: takes the work off its queue; replies whether it was on it.
    CancelWork => op("cancel_work").work().can_be_disabled(),
    /// `cancel_work_sync`: takes the work off its queue, and keeps it off; replies whether it was
    /// on it, and whether there is something to wait for.
    CancelWorkSync => op("cancel_work_sync").work().waits(Exclusive).sleeps().can_be_disabled(),
    /// The rest of `cancel_work_sync`: the wait for the work.
    AwaitCancel => op("cancel_work_sync (waiting)")
        .work()
        .can_be_disabled()
        .enabled_by(ENDS_WAITS_FOR_WORK),
    /// `flush_workqueue`: replies whether there is something to wait for.
    FlushWorkqueue => op("flush_workqueue").waits(Exclusive).sleeps().can_be_disabled(),
    /// The rest of `flush_workqueue`: the wait for what was queued.
    AwaitFlush => op("flush_workqueue (waiting)")
        .enabled_by(ENDS_WAITS_FOR_WORK)
        .can_be_disabled(),
    /// `drain_workqueue`: from here on only the works on the queue themselves may queue others.
    DrainWorkqueue => op("drain_workqueue").waits(Exclusive).sleeps().can_be_disabled(),
    /// The rest of `drain_workqueue`: the wait until nothing is left.
    AwaitDrain => op("drain_workqueue (waiting)")
        .enabled_by(ENDS_WAITS_FOR_WORK)
        .can_be_disabled(),
    /// `freeze_workqueues_begin`: no other work becomes active.
    FreezeWorkqueues => op("freeze_workqueues_begin").can_be_disabled(),
    /// `freeze_workqueues_busy`: replies whether a work is active that was so before the freeze.
    FreezeWorkqueuesBusy => op("freeze_workqueues_busy")
        .can_be_disabled()
        .reads(Reads::Always)
        .shows(Shows::YesNo),
    /// `thaw_workqueues`: works become active again.
    ThawWorkqueues => op("thaw_workqueues").can_be_disabled(),
    /// `destroy_workqueue`: as `drain_workqueue`, for good.
    DestroyWorkqueue => op("destroy_workqueue").waits(Exclusive).sleeps().can_be_disabled(),
    /// The rest of `destroy_workqueue`: the wait until nothing is left.
    AwaitDestroy => op("destroy_workqueue (waiting)")
        .enabled_by(ENDS_WAITS_FOR_WORK)
        .can_be_disabled(),
    /// `complete`: completes once more.
    Complete => op("complete").observes(Observes::Nothing).can_be_disabled(),
    /// `complete_all`: completes for all waits, now and later.
    CompleteAll => op("complete_all").observes(Observes::Nothing).can_be_disabled(),
    /// `reinit_completion`: resets the count.
    ReinitCompletion => op("reinit_completion").can_be_disabled(),
    /// `completion_done`: replies whether a wait would end at once.
    CompletionDone => op("completion_done")
        .can_be_disabled()
        .reads(Reads::Always)
        .shows(Shows::YesNo),
    /// `wait_for_completion`: consumes a completion; replies 2 after `complete_all`.
    WaitForCompletion => op("wait_for_completion")
        .takes_completion()
        .waits(Exclusive)
        .sleeps()
        .enabled_by(&[Complete, CompleteAll]),
    /// `wait_for_completion_timeout`: the same, or replies 0 if the timeout expired.
    WaitForCompletionTimeout => op("wait_for_completion_timeout")
        .takes_completion()
        .waits(Exclusive)
        .sleeps()
        .shows(Shows::TimedOut(0)),
    /// `wait_for_completion_interruptible`: the same, or replies 0 if a signal arrived.
    WaitForCompletionInterruptible => op("wait_for_completion_interruptible")
        .takes_completion()
        .waits(Exclusive)
        .sleeps()
        .shows(Shows::Interrupted(0)),
    /// `try_wait_for_completion`: the same, or replies 0 at once.
    TryWaitForCompletion => op("try_wait_for_completion").takes_completion().shows(Shows::YesNo),
    /// `raw_cpu_ptr`: replies with the CPU that the thread is on.
    ThisCpu => op("this_cpu"),
    /// A choice between `a` outcomes; yields which.
    Choose => op("choose").reads(Reads::Always).shows(Shows::Value),
    /// A wait for the end of another thread.
    Join => op("join").sleeps().reads(Reads::Always).hidden(),
}
