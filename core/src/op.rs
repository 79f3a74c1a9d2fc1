//! The operation of a thread: one [`Op`] on one object.
//!
//! An operation is the unit of exploration. What a thread does between two of its operations is
//! invisible to the other threads and happens together with the operation before it.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::operations::OpKind;

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
}

impl Op {
    pub(crate) fn new(kind: OpKind) -> Self {
        Self { kind, a: 0, b: 0 }
    }

    pub(crate) fn with(kind: OpKind, a: u64) -> Self {
        Self { kind, a, b: 0 }
    }

    /// Returns the object that the operation concerns, if that is not the object that it is on.
    /// Such an object is a work of a workqueue or a lock of a class, whose number is one less than
    /// `b`.
    pub(crate) fn about(self) -> Option<ObjectId> {
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

/// The second argument of a sleep after which the thread evaluates its condition again, and sleeps
/// again if that does not hold.
pub(crate) const RECHECKS: u64 = 1;

/// The same, for a thread that has released a mutex while it sleeps.
pub(crate) const RECHECKS_LOCKED: u64 = 2;
