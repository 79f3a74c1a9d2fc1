//! Which operations can change places, and which make others possible.
//!
//! Two neighbouring operations of different threads that are *independent* can be exchanged, and
//! nobody notices: everybody is told the same and the world ends up the same. Executions that
//! come from each other by such exchanges are one *Mazurkiewicz trace*. The searches that count
//! traces all mean this relation.
//!
//! It is finer than "the same object" where that is cheap to say:
//!
//! - What leaves an object as it was commutes with its like: loads, trylocks that failed, and
//!   compare-and-exchanges that found another value.
//! - A queued `down_read` or `down_write` has its place in the queue. To take what it was granted
//!   (`Await..`) commutes with everything that can happen while it is possible: newcomers queue
//!   or fail before and after, readers that leave do not matter to a reader.
//! - To join commutes with everything; it only needs the other thread's end.
//! - A sleep of a thread that has been woken leaves the queue as it is, and so does a wait for a
//!   completion that has happened for everybody.
//!
//! - Readers of a semaphore that favours them come and go as they like, also those who only try.
//! - To enter a section of `srcu` or RCU or to leave it commutes with others who do; the end of
//!   `synchronize_srcu`, with everything that can happen while it is possible.
//!
//! It is coarser in four places:
//!
//! - *Luck* depends on everything. A state from which only luck leads on is a deadlock. If luck
//!   commuted with what others do, it might come early in every ordering that is tried, and
//!   nobody would ever see that state.
//! - A round that is begun again depends on what has changed since the last one: see
//!   [`rounds`](super::rounds).
//! - To release memory does not commute with an operation on what lives in it.
//! - Threads and objects have numbers, given in the order in which they are made. So two
//!   operations that lead to something being made do not commute.
//!
//! Some operations that do not commute can nevertheless not be exchanged, because the one
//! *enables* the other: nobody locks a mutex before it has been unlocked.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{CameRound, Enabled, Happened};
use crate::machine::REFUSED;
use crate::op::{ObjectId, OpKind, ThreadId};
use crate::sync::Readers;

/// An operation that has happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) what: Enabled,
    pub(super) reply: u64,
    /// The numbers of the threads that were started before the thread's next operation.
    pub(super) spawned: Range<usize>,
    /// Whether threads were started or objects made before the thread's next operation.
    pub(super) creates: bool,
    /// The objects that lived in memory that it released.
    pub(super) frees: Box<[ObjectId]>,
    /// Whether the thread has come back to where it was.
    pub(super) round: CameRound,
    /// What has to change before the thread can begin its round again, which is what it does here.
    pub(super) watches: Box<[Watch]>,
}

/// What somebody has looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) object: ObjectId,
    /// Whether it has seen that somebody has the lock, and not what is behind it alone.
    pub(super) owner: bool,
}

impl Event {
    pub(super) fn new(what: Enabled, happened: Happened) -> Self {
        let Happened { reply, spawned, creates, frees, round, .. } = happened;
        Self { what, reply, spawned, creates, frees, round, watches: Box::default() }
    }

    pub(super) fn thread(&self) -> ThreadId {
        self.what.choice.thread
    }

    pub(super) fn kind(&self) -> OpKind {
        self.what.op.kind
    }

    /// Whether the object is as it was before.
    pub(super) fn reads(&self) -> bool {
        match self.kind() {
            OpKind::TryLock | OpKind::TrySpinLock | OpKind::TryDownRead | OpKind::TryDownWrite => {
                self.reply == REFUSED
            }
            kind if kind.tries_unfair() => self.reply == REFUSED,
            OpKind::CompareExchange => self.reply != self.what.op.a,
            // Whoever has been woken is not in the queue any more.
            OpKind::SleepTimeout | OpKind::CondvarSleepTimeout => self.reply == 0,
            kind if kind.wakes_spuriously() => true,
            // Of one that has happened for everybody there is no less.
            kind if kind.takes_completion() => self.reply != 1,
            kind => kind.reads(),
        }
    }

    /// Whether it depends on events of other objects: see [`dependent`].
    pub(super) fn is_far_reaching(&self) -> bool {
        self.creates || !self.what.guaranteed || !self.frees.is_empty() || !self.watches.is_empty()
    }

    /// Whether it takes a mutex or a spinlock.
    pub(super) fn acquires(&self) -> bool {
        self.kind().locks() || (self.kind().tries_lock() && self.reply != REFUSED)
    }
}

/// Whether the two must not be exchanged where they follow each other.
pub(super) fn dependent(one: &Event, other: &Event) -> bool {
    one.thread() == other.thread()
        || !one.what.guaranteed
        || !other.what.guaranteed
        || (one.creates && other.creates)
        || one.frees.contains(&other.what.object)
        || other.frees.contains(&one.what.object)
        || one.watches.iter().any(|watch| other.changes(*watch))
        || other.watches.iter().any(|watch| one.changes(*watch))
        || (one.what.object == other.what.object && !commute_on_an_object(one, other))
}

fn commute_on_an_object(one: &Event, other: &Event) -> bool {
    use OpKind::{AwaitGracePeriod, AwaitRead, AwaitReaders, AwaitWrite, RcuCallback};
    let granted = |event: &Event| {
        matches!(
            event.kind(),
            AwaitRead | AwaitWrite | AwaitReaders | AwaitGracePeriod | RcuCallback
        )
    };
    (one.reads() && other.reads())
        || granted(one)
        || granted(other)
        || beside_each_other(one.kind(), other.kind())
        || beside_each_other(other.kind(), one.kind())
}

/// Whether they are readers, coming or going, who do not notice each other.
fn beside_each_other(one: OpKind, other: OpKind) -> bool {
    use OpKind::{
        DownReadUnfair, RcuReadLock, RcuReadUnlock, SrcuReadLock, SrcuReadUnlock,
        TryDownReadUnfair, UpRead,
    };
    match one {
        DownReadUnfair | TryDownReadUnfair => {
            matches!(other, DownReadUnfair | TryDownReadUnfair | UpRead)
        }
        SrcuReadLock | SrcuReadUnlock => matches!(other, SrcuReadLock | SrcuReadUnlock),
        RcuReadLock | RcuReadUnlock => matches!(other, RcuReadLock | RcuReadUnlock),
        _ => false,
    }
}

/// Whether `later` could not happen before `earlier` did.
pub(super) fn enables(earlier: &Event, later: &Event) -> bool {
    // A wait for what is gone is over. If it could have been over before, then every thread was tried
    // where the memory went.
    if earlier.frees.contains(&later.what.object) {
        return later.kind().is_unfair();
    }
    earlier.what.object == later.what.object
        && match later.kind() {
            kind if kind.locks() => earlier.kind().unlocks(),
            OpKind::AwaitRead => earlier.kind() == OpKind::UpWrite,
            OpKind::AwaitWrite | OpKind::DownWriteUnfair => {
                matches!(earlier.kind(), OpKind::UpRead | OpKind::UpWrite)
            }
            OpKind::DownReadUnfair => earlier.kind() == OpKind::UpWrite,
            OpKind::AwaitReaders | OpKind::AwaitGracePeriod | OpKind::RcuCallback => {
                let unlocks = [OpKind::SrcuReadUnlock, OpKind::RcuReadUnlock];
                let waits = Readers::waiter(later.thread());
                unlocks.contains(&earlier.kind()) && earlier.reply & waits != 0
            }
            OpKind::WorkBegins => {
                let queued = (OpKind::QueueWork, later.what.op.b);
                let makes_room = [
                    OpKind::WorkReturns,
                    OpKind::CancelWork,
                    OpKind::CancelWorkSync,
                    OpKind::ThawWorkqueues,
                ];
                (earlier.kind(), earlier.what.op.b) == queued
                    || makes_room.contains(&earlier.kind())
            }
            OpKind::AwaitWork
            | OpKind::AwaitCancel
            | OpKind::AwaitFlush
            | OpKind::AwaitDrain
            | OpKind::AwaitDestroy => {
                let ends = [OpKind::WorkReturns, OpKind::CancelWork, OpKind::CancelWorkSync];
                ends.contains(&earlier.kind())
            }
            OpKind::WaitForCompletion => {
                let completes = [OpKind::Complete, OpKind::CompleteAll];
                completes.contains(&earlier.kind()) && earlier.reply == 1
            }
            OpKind::TimerExpires => earlier.kind() == OpKind::ModTimer,
            OpKind::DelTimerSync | OpKind::TimerShutdownSync => {
                earlier.kind() == OpKind::TimerReturns
            }
            _ => false,
        }
}
