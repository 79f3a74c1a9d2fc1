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
use crate::op::{ObjectId, ThreadId};
use crate::operations::OpKind;
use crate::operations::Reads;

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
        match self.kind().row().reads {
            Reads::Never => false,
            Reads::Always => true,
            Reads::If(reply) => self.reply == reply,
            Reads::Unless(reply) => self.reply != reply,
            Reads::UnlessFirstArgument => self.reply != self.what.op.a,
        }
    }

    /// Whether it depends on events of other objects: see [`dependent`].
    pub(super) fn is_far_reaching(&self) -> bool {
        self.creates || !self.what.guaranteed || !self.frees.is_empty() || !self.watches.is_empty()
    }

    /// Whether it takes a mutex or a spinlock.
    pub(super) fn acquires(&self) -> bool {
        self.kind().row().locks || (self.kind().row().tries_lock && self.reply != REFUSED)
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
    let (row, kind) = (one.kind().row(), other.kind());
    (one.reads() && other.reads())
        || row.granted
        || kind.row().granted
        || row.commutes_with.contains(&kind)
        || kind.row().commutes_with.contains(&one.kind())
}

/// Whether `later` could not happen before `earlier` did.
pub(super) fn enables(earlier: &Event, later: &Event) -> bool {
    let row = later.kind().row();
    // A wait for what is gone is over. If it could have been over before, then every thread was tried
    // where the memory went.
    if earlier.frees.contains(&later.what.object) {
        return row.can_be_disabled;
    }
    earlier.what.object == later.what.object
        && row.enabled_by.contains(&earlier.kind())
        && match earlier.kind() {
            // It replies for whom it was the last section.
            OpKind::SrcuReadUnlock | OpKind::RcuReadUnlock => {
                earlier.reply & later.thread().mask() != 0
            }
            OpKind::QueueWork => earlier.what.op.b == later.what.op.b,
            // Who waits already needs no other.
            OpKind::Complete | OpKind::CompleteAll => earlier.reply == 1,
            _ => true,
        }
}
