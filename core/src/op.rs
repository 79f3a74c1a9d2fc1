//! The operation of a thread: one [`Op`] on one object.
//!
//! An operation is the unit of exploration. What a thread does between two of its operations is
//! invisible to the other threads and happens together with the operation before it.

use std::panic::Location;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::operations::{OpKind, form};

/// The place where an operation was called.
pub(crate) type Place = &'static Location<'static>;

/// A thread of a scenario. Threads are numbered in order of creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct ThreadId(u32);

impl ThreadId {
    /// The creator of the world, which also runs the final check.
    pub(crate) const SETUP: Self = Self(u32::MAX);

    /// A thread among any number of threads that is not shown.
    pub(crate) const HIDDEN: Self = Self(u32::MAX - 1);

    pub(crate) fn new(index: usize) -> Self {
        let id = u32::try_from(index).expect("fewer than 2^32 threads");
        assert!(id < Self::HIDDEN.0, "fewer than 2^32 threads");
        Self(id)
    }

    /// Returns the bit of the thread, in a word that represents a set of threads. Threads whose
    /// numbers differ by 64 share one.
    pub(crate) fn mask(self) -> u64 {
        1 << (self.index() % u64::BITS as usize)
    }

    /// Returns the thread's number: 0 for the first thread of the scenario.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An object of the world. Objects are numbered in order of creation.
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
    /// The kind of the operation.
    pub(crate) kind: OpKind,
    /// The first argument, whose meaning depends on the primitive.
    pub(crate) a: u64,
    /// The second argument, whose meaning depends on the primitive.
    pub(crate) b: u64,
    /// The word that it accesses, and the ordering, if it is an operation of the memory.
    pub(crate) weak: Weak,
}

/// What an operation of the memory has beyond its arguments, in one word: no others have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Weak(u32);

/// The orderings, by their number in an operation of the memory.
const ORDERINGS: [Ordering; 5] =
    [Ordering::Relaxed, Ordering::Acquire, Ordering::Release, Ordering::AcqRel, Ordering::SeqCst];

impl Weak {
    /// The bit of an operation that may depend on those of other words.
    const COARSE: u32 = 1 << 31;

    /// Returns the access of the word that `object` names, with the ordering of an access that
    /// changes it and that of one that does not. Without an object it is a fence.
    pub(crate) fn new(object: Option<ObjectId>, changes: Ordering, reads: Ordering) -> Self {
        let number = |ordering| {
            let place = ORDERINGS.iter().position(|other| *other == ordering);
            place.expect("all are there") as u32 + 1
        };
        let object = object.map_or(0, |object| object.index() as u32 + 1);
        Self(object | number(changes) << 16 | number(reads) << 20)
    }

    #[must_use]
    pub(crate) fn coarse(self, coarse: bool) -> Self {
        if coarse { Self(self.0 | Self::COARSE) } else { self }
    }

    /// Returns whether it may depend on operations of other words.
    pub(crate) fn is_coarse(self) -> bool {
        self.0 & Self::COARSE != 0
    }

    /// Returns whether the operation is one of the memory.
    pub(crate) fn is_some(self) -> bool {
        self.0 != 0
    }

    /// Returns the number of the object that names the word.
    pub(crate) fn object(self) -> Option<u32> {
        (self.0 & 0xFFFF).checked_sub(1)
    }

    pub(crate) fn ordering(self, changes: bool) -> Ordering {
        let number = self.0 >> if changes { 16 } else { 20 } & 0xF;
        ORDERINGS[number as usize - 1]
    }

    /// Returns a number for the fingerprint of a trace.
    pub(crate) fn traced(self) -> u64 {
        u64::from(self.0 & !Self::COARSE)
    }
}

impl Op {
    pub(crate) fn new(kind: OpKind) -> Self {
        Self::with(kind, 0)
    }

    pub(crate) fn with(kind: OpKind, a: u64) -> Self {
        Self::with_two(kind, a, 0)
    }

    pub(crate) fn with_two(kind: OpKind, a: u64, b: u64) -> Self {
        Self { kind, a, b, weak: Weak::default() }
    }

    /// Returns the name of the operation, in a trace.
    pub(crate) fn name(self) -> &'static str {
        form(self.kind, self.b).unwrap_or(self.kind.row().text)
    }

    /// Returns what a word that holds `before` holds after an operation that changes it.
    pub(crate) fn updates(self, before: u64) -> u64 {
        let Self { kind, a, b, .. } = self;
        match kind {
            OpKind::Store | OpKind::Swap => a,
            OpKind::FetchAdd => before.wrapping_add(a) << b >> b,
            OpKind::CompareExchange => b,
            OpKind::FetchModify => Modify::from_word(b).of(before, a),
            other => unreachable!("{other} does not change a word"),
        }
    }

    /// Returns the object that the operation concerns, if that is not the object that it is on.
    /// Such an object is a work of a workqueue or a lock of a class, whose number is one less than
    /// `b`.
    pub(crate) fn about(self) -> Option<ObjectId> {
        if let Some(word) = self.weak.object() {
            return Some(ObjectId::new(word as usize));
        }
        let row = self.kind.row();
        let number = self.b.checked_sub(1).filter(|_| row.about_work || row.about_lock)?;
        Some(ObjectId::new(number as usize))
    }
}

impl Op {
    /// Returns the lock that makes the order of others of its class irrelevant, if there is one:
    /// that of `mutex_lock_nest_lock`, or the context of a `ww_mutex`, whose class `object` is.
    pub(crate) fn nest_lock(self, object: ObjectId) -> Option<ObjectId> {
        if self.kind == OpKind::WwLock {
            return (self.a > 0).then_some(object);
        }
        let number = self.b.checked_sub(1).filter(|_| self.kind == OpKind::LockNested)?;
        Some(ObjectId::new(number as usize))
    }
}

/// What a `FetchModify` does, as its second argument has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Modify {
    pub(crate) how: How,
    /// The number of bits of the integer.
    pub(crate) bits: u32,
    /// Whether its highest bit is a sign.
    pub(crate) signed: bool,
}

/// An operation on an integer. An addition has an operation of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Sub,
    And,
    Nand,
    Or,
    Xor,
    Max,
    Min,
}

impl Modify {
    /// Returns the operation with this argument.
    pub(crate) fn op(self, value: u64) -> Op {
        Op::with_two(OpKind::FetchModify, value, self.to_word())
    }

    fn to_word(self) -> u64 {
        self.how as u64 | u64::from(self.bits) << 8 | u64::from(self.signed) << 16
    }

    pub(crate) fn from_word(word: u64) -> Self {
        let how = How::ALL[(word & 0xFF) as usize];
        Self { how, bits: (word >> 8 & 0xFF) as u32, signed: word >> 16 > 0 }
    }

    fn of(self, before: u64, a: u64) -> u64 {
        let unused = u64::BITS - self.bits;
        // In the order of the integers, which for signed ones is not that of their words.
        let rank = |word: u64| match self.signed {
            true => (word << unused) ^ 1 << 63,
            false => word,
        };
        let after = match self.how {
            How::Sub => before.wrapping_sub(a),
            How::And => before & a,
            How::Nand => !(before & a),
            How::Or => before | a,
            How::Xor => before ^ a,
            How::Max if rank(a) > rank(before) => a,
            How::Min if rank(a) < rank(before) => a,
            How::Max | How::Min => before,
        };
        after << unused >> unused
    }
}

impl How {
    const ALL: [Self; 7] =
        [Self::Sub, Self::And, Self::Nand, Self::Or, Self::Xor, Self::Max, Self::Min];

    /// Returns the operation on an integer of so many bits.
    pub(crate) fn on(self, bits: u32, signed: bool) -> Modify {
        Modify { how: self, bits, signed }
    }

    /// Returns the name of the operation, in a trace.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Sub => "atomic_fetch_sub",
            Self::And => "atomic_fetch_and",
            Self::Nand => "atomic_fetch_nand",
            Self::Or => "atomic_fetch_or",
            Self::Xor => "atomic_fetch_xor",
            Self::Max => "atomic_fetch_max",
            Self::Min => "atomic_fetch_min",
        }
    }
}

/// The second argument of a sleep after which the thread evaluates its condition again, and sleeps
/// again if that does not hold.
pub(crate) const RECHECKS: u64 = 1;

/// The same, for a thread that has released a mutex while it sleeps.
pub(crate) const RECHECKS_LOCKED: u64 = 2;
