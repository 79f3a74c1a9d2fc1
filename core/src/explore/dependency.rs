//! The independence of operations, and which operations make others possible.
//!
//! Two adjacent operations of different threads that are *independent* can be exchanged without an
//! effect: every thread observes the same and the world ends in the same state. Executions that
//! differ only by such exchanges are one *Mazurkiewicz trace*. All searches that count traces use
//! this relation.
//!
//! It is finer than "the same object" where that is cheap:
//!
//! - Operations that leave an object as it was commute with each other: loads, trylocks that
//!   failed, and compare-and-exchanges that found another value.
//! - A queued `down_read` or `down_write` has its place in the queue. To take what it was granted
//!   (`Await..`) commutes with everything that can happen while it is possible: new threads queue
//!   or fail before and after, and a reader that leaves does not affect another reader.
//! - A join commutes with everything; it only needs the other thread's end.
//! - A sleep of a thread that has been woken leaves the queue as it is. So does a wait for a
//!   completion after `complete_all`.
//! - The readers of a semaphore that favours them commute with each other, including those that
//!   only try.
//! - Entering and leaving a section of `srcu` or RCU commutes with the sections of other threads.
//!   The end of `synchronize_srcu` commutes with everything that can happen while it is possible.
//!
//! It is coarser in five places:
//!
//! - An *optional outcome* depends on everything. A state from which only optional outcomes lead on
//!   is a deadlock. If they commuted with the operations of other threads, they might come early in
//!   every interleaving that is explored, and the search would never visit that state.
//! - A round that begins again depends on what has changed since the last one: see
//!   [`rounds`](super::rounds).
//! - A release of memory does not commute with an operation on an object that lives in it.
//! - Threads and objects are numbered in the order of their creation, so two operations that lead
//!   to a creation do not commute.
//! - Where a memory of words observes the order of operations on an object, only operations that
//!   leave it as it was commute.
//!
//! Some operations that do not commute cannot be exchanged either, because one *enables* the other:
//! no thread locks a mutex before it has been unlocked.

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
    /// Whether threads were started or objects created before the thread's next operation.
    pub(super) creates: bool,
    /// The objects that lived in memory that it released.
    pub(super) frees: Box<[ObjectId]>,
    /// Whether the thread has returned to an earlier local state.
    pub(super) round: CameRound,
    /// Whether a memory observes in which order operations on an object happen.
    pub(super) ordered: bool,
    /// The objects of which one has to change before the thread begins its round again, if it does
    /// so here.
    pub(super) watches: Box<[Watch]>,
}

/// An object that a thread has looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) object: ObjectId,
    /// Whether the thread has seen that the lock has an owner, and not only the data behind it.
    pub(super) owner: bool,
    /// The word, if the object is the memory.
    pub(super) word: Option<u32>,
}

impl Event {
    pub(super) fn new(what: Enabled, happened: Happened) -> Self {
        let Happened { reply, spawned, creates, frees, round, ordered, .. } = happened;
        Self { what, reply, spawned, creates, frees, round, ordered, watches: Box::default() }
    }

    pub(super) fn thread(&self) -> ThreadId {
        self.what.choice.thread
    }

    pub(super) fn kind(&self) -> OpKind {
        self.what.op.kind
    }

    /// Returns whether the object is as it was before.
    pub(super) fn reads(&self) -> bool {
        // A load of the memory changes what the thread may read.
        !self.what.op.weak.is_some() && self.leaves_as_it_was()
    }

    /// As [`reads`](Self::reads), but a load of the memory counts, since no other thread can see
    /// later that it has happened.
    pub(super) fn leaves_as_it_was(&self) -> bool {
        match self.kind().row().reads {
            Reads::Never => false,
            Reads::Always => true,
            Reads::If(reply) => self.reply == reply,
            Reads::Unless(reply) => self.reply != reply,
            Reads::UnlessFirstArgument => self.reply != self.what.op.a,
        }
    }

    /// Returns whether it is an interrupt that might have arrived and has not.
    pub(super) fn does_not_arrive(&self) -> bool {
        self.kind().row().arrives && self.reply == REFUSED
    }

    /// Returns whether it depends on events of other objects: see [`dependent`].
    pub(super) fn is_far_reaching(&self) -> bool {
        self.creates || !self.what.guaranteed || !self.frees.is_empty() || !self.watches.is_empty()
    }

    /// Returns whether it takes a mutex or a spinlock.
    pub(super) fn acquires(&self) -> bool {
        self.kind().row().locks || (self.kind().row().tries_lock && self.reply != REFUSED)
    }
}

/// Returns whether the two must not be exchanged where they are adjacent.
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
    if one.what.op.weak.is_some() {
        return commute_in_memory(one, other);
    }
    if one.ordered || other.ordered {
        return one.reads() && other.reads();
    }
    (one.reads() && other.reads())
        || row.granted
        || kind.row().granted
        || row.commutes_with.contains(&kind)
        || kind.row().commutes_with.contains(&one.kind())
}

/// Returns whether two operations of the memory commute: those of different words do, and loads of
/// one word, since each only changes the views of its thread. A fence only changes those too. But
/// sequentially consistent fences relate what happens at different words.
fn commute_in_memory(one: &Event, other: &Event) -> bool {
    let (weak, with) = (one.what.op.weak, other.what.op.weak);
    if weak.is_coarse() || with.is_coarse() {
        return false;
    }
    let same = weak.object().is_some() && weak.object() == with.object();
    !same || (one.kind() == OpKind::Load && other.kind() == OpKind::Load)
}

/// Returns whether `later` could not happen before `earlier` did.
pub(super) fn enables(earlier: &Event, later: &Event) -> bool {
    let row = later.kind().row();
    // A wait for an object in freed memory is over. If it could have been over before, then every
    // thread was tried at the point where the memory was freed.
    if earlier.frees.contains(&later.what.object) {
        return row.can_be_disabled;
    }
    earlier.what.object == later.what.object
        && row.enabled_by.contains(&earlier.kind())
        && match earlier.kind() {
            // The argument is the thread of the callback.
            OpKind::CallRcu | OpKind::CallSrcu => {
                earlier.what.op.a == later.thread().index() as u64
            }
            // The reply is the set of threads that waited for this section last, or for this
            // callback.
            OpKind::SrcuReadUnlock | OpKind::RcuReadUnlock | OpKind::CallbackReturns => {
                earlier.reply & later.thread().mask() != 0
            }
            // The reply is the set of the waiter that it went to. Others may follow before that
            // waiter takes it.
            OpKind::Up => earlier.reply & later.thread().mask() != 0,
            // The reply is the set of the waiters, or one more than the waiter.
            OpKind::NotifyAll => earlier.reply & later.thread().mask() != 0,
            OpKind::NotifyOne => earlier.reply == later.thread().index() as u64 + 1,
            OpKind::QueueWork => earlier.what.op.b == later.what.op.b,
            // Only the first completion makes a wait possible.
            OpKind::Complete | OpKind::CompleteAll => earlier.reply == 1,
            _ => true,
        }
}
