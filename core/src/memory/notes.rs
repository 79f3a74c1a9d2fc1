//! What the memory is notified of, apart from the operations on it.

use crate::machine::{Fault, QUEUED, REFUSED};
use crate::op::{ObjectId, Op, ThreadId};
use crate::operations::{Mode, OpKind, Reads};

use super::graph::INITIAL;
use super::races::Touch;
use super::view::View;
use super::words::{Store, Word};
use super::{Carrier, Memory, Thread};

/// The way in which an operation of another primitive orders the accesses of its thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Orders {
    /// It acquires what the owners have released.
    AcquireShared,
    /// It acquires what the owners and the readers have released.
    Acquire,
    /// It releases to every thread.
    Release,
    /// It releases to owners alone.
    ReleaseShared,
    /// It acquires and releases.
    Both,
    /// It releases, and what was released before is not acquired by it: the store of a word.
    Replace,
}

impl Orders {
    const ALL: [Self; 6] = [
        Self::AcquireShared,
        Self::Acquire,
        Self::Release,
        Self::ReleaseShared,
        Self::Both,
        Self::Replace,
    ];
}

/// Something that happens apart from the operations on the memory, as a part of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Note {
    /// A word is created, which holds 0.
    Word(ObjectId),
    /// The lower half of its first value.
    Low(ObjectId, u32),
    /// The upper half.
    High(ObjectId, u32),
    /// A thread is started by another, or by the set-up.
    Begins(ThreadId, ThreadId),
    /// A thread has ended.
    Ends(ThreadId),
    /// An operation on an object orders the accesses of the thread.
    Orders(ThreadId, ObjectId, Orders),
    /// A variable is accessed.
    Touches(ThreadId, ObjectId, Touch),
}

/// The number of the set-up in a note.
const SETUP: u64 = 0xFFFF;

impl Note {
    /// Returns the note as a word, below 2^56.
    pub(crate) fn to_word(self) -> u64 {
        let id = |object: ObjectId| object.index() as u64;
        let thread = |thread: ThreadId| match thread == ThreadId::SETUP {
            true => SETUP,
            false => thread.index() as u64,
        };
        let (kind, one, other, rest) = match self {
            Self::Word(object) => (0, id(object), 0, 0),
            Self::Low(object, half) => (1, id(object), u64::from(half), 0),
            Self::High(object, half) => (2, id(object), u64::from(half), 0),
            Self::Begins(new, by) => (3, thread(new), thread(by), 0),
            Self::Ends(old) => (4, thread(old), 0, 0),
            Self::Orders(by, object, orders) => (5, thread(by), id(object), orders as u64),
            Self::Touches(by, object, touch) => (6, thread(by), id(object), touch as u64),
        };
        kind << 52 | rest << 48 | other << 16 | one
    }

    pub(crate) fn from_word(word: u64) -> Self {
        let (kind, rest) = (word >> 52, (word >> 48 & 0xF) as usize);
        let (other, one) = (word >> 16 & 0xFFFF_FFFF, word & 0xFFFF);
        let id = |number: u64| ObjectId::new(number as usize);
        let thread = |number: u64| match number {
            SETUP => ThreadId::SETUP,
            number => ThreadId::new(number as usize),
        };
        match kind {
            0 => Self::Word(id(one)),
            1 => Self::Low(id(one), other as u32),
            2 => Self::High(id(one), other as u32),
            3 => Self::Begins(thread(one), thread(other)),
            4 => Self::Ends(thread(one)),
            5 => Self::Orders(thread(one), id(other), Orders::ALL[rest]),
            _ => Self::Touches(thread(one), id(other), Touch::ALL[rest]),
        }
    }
}

impl Memory {
    pub(super) fn note(&mut self, note: Note) -> Result<(), Fault> {
        let number = |object: ObjectId| object.index() as u32;
        match note {
            Note::Word(object) => {
                let (view, update, event) = (View::default(), false, INITIAL);
                let first = Store { value: 0, view, update, event };
                let stores = std::iter::once(first).collect();
                self.words.push(Word { object: number(object), stores });
            }
            Note::Low(object, half) => *self.first_value(number(object)) |= u64::from(half),
            Note::High(object, half) => *self.first_value(number(object)) |= u64::from(half) << 32,
            Note::Begins(new, by) => {
                // What its creator has done happens before.
                self.log(by, None, None);
                let creator = self.threads.get(by.index()).and_then(Option::as_ref);
                let now = creator.map_or(View::default(), |thread| thread.now.clone());
                self.threads.resize(self.threads.len().max(new.index() + 1), None);
                let thread = Thread { acquired: now.clone(), now, fenced: View::default() };
                self.threads[new.index()] = Some(thread);
                self.log(new, None, None);
            }
            Note::Ends(thread) => self.threads[thread.index()] = None,
            Note::Orders(me, object, orders) => {
                self.log(me, None, None);
                self.order(me, number(object), orders);
                self.log(me, None, None);
            }
            Note::Touches(me, object, touch) => return self.touch(me, number(object), touch),
        }
        Ok(())
    }

    fn first_value(&mut self, object: u32) -> &mut u64 {
        let word = self.words.iter_mut().find(|word| word.object == object);
        &mut word.expect("declared before").stores[0].value
    }

    fn order(&mut self, me: ThreadId, object: u32, orders: Orders) {
        let Some(Some(thread)) = self.threads.get_mut(me.index()) else { return };
        let place = match self.carriers.binary_search_by_key(&object, |carrier| carrier.object) {
            Ok(place) => place,
            Err(place) => {
                let (exclusive, shared) = (View::default(), View::default());
                self.carriers.insert(place, Carrier { object, exclusive, shared });
                place
            }
        };
        let carrier = &mut self.carriers[place];
        match orders {
            Orders::AcquireShared => thread.acquire(&carrier.exclusive),
            Orders::Acquire | Orders::Both => {
                thread.acquire(&carrier.exclusive);
                thread.acquire(&carrier.shared);
            }
            Orders::Release | Orders::ReleaseShared | Orders::Replace => {}
        }
        match orders {
            Orders::Release | Orders::Both => carrier.exclusive.join(&thread.now),
            Orders::ReleaseShared => carrier.shared.join(&thread.now),
            Orders::Replace => carrier.exclusive = thread.now.clone(),
            Orders::AcquireShared | Orders::Acquire => {}
        }
    }
}

/// Returns the note that an operation of another primitive makes, if it orders accesses.
///
/// A lock acquires and an unlock releases. A reader releases to the next owner, and not to other
/// readers. A word is an acquire load, a release store, or both. Whatever else threads synchronise
/// by acquires and releases, as the spinlock in its implementation does. A look that changes
/// nothing orders nothing, nor does state that only the proof, the hardware or the allocator has.
pub(crate) fn orders(me: ThreadId, object: ObjectId, op: Op, reply: u64) -> Option<Note> {
    let row = op.kind.row();
    let touch = match op.kind {
        OpKind::PlainRead => Some(Touch::Read),
        OpKind::PlainWrite => Some(Touch::Write),
        OpKind::MarkedRead => Some(Touch::MarkedRead),
        OpKind::MarkedWrite => Some(Touch::MarkedWrite),
        _ => None,
    };
    if let Some(touch) = touch {
        return Some(Note::Touches(me, object, touch));
    }
    let nothing = matches!(
        op.kind,
        OpKind::PlainReadEnds
            | OpKind::PlainWriteEnds
            | OpKind::Ghost
            | OpKind::Instruction
            | OpKind::Choose
            | OpKind::ThisCpu
            | OpKind::Use
            | OpKind::FinishUnlock
            | OpKind::WaitqueueActive
            | OpKind::KrefGet
            | OpKind::KrefGetUnlessZero
    ) || (op.kind == OpKind::KrefRead && op.a == 0);
    // `REFUSED` and `QUEUED` are replies of locks, and values of words.
    let in_vain = (row.takes.is_some() && (reply == REFUSED || reply == QUEUED))
        || (row.takes_completion && reply == 0);
    if nothing || in_vain {
        return None;
    }
    let orders = match op.kind {
        OpKind::Load => Orders::AcquireShared,
        OpKind::Store => Orders::Replace,
        OpKind::CompareExchange if reply != op.a => Orders::AcquireShared,
        OpKind::UpRead
        | OpKind::ReadUnlock
        | OpKind::RcuReadUnlock
        | OpKind::SrcuReadUnlock
        | OpKind::KernfsPutActive => Orders::ReleaseShared,
        _ if row.takes == Some(Mode::Exclusive) => Orders::Acquire,
        _ if row.takes.is_some() => Orders::AcquireShared,
        _ if row.releases => Orders::Release,
        _ if row.reads == Reads::Always => Orders::Acquire,
        _ => Orders::Both,
    };
    // A lock of a class is an object of its own. A work is ordered with its whole queue.
    let object = op.about().filter(|_| row.about_lock).unwrap_or(object);
    Some(Note::Orders(me, object, orders))
}
