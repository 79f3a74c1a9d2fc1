//! What a thread does: one [`Op`] on one object.
//!
//! An operation is the unit of exploration. Everything a thread does between two of its
//! operations is invisible to the other threads and runs as one with the operation before it.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::operations::OpKind;

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

    /// Returns a bit for the thread, in a word that says which threads something is about. Threads
    /// that are 64 apart share one.
    pub(crate) fn mask(self) -> u64 {
        1 << (self.index() % u64::BITS as usize)
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

    /// Returns the object that the operation is about, where that is not the object it is on: a work
    /// of a workqueue, which `b` is one more than the number of.
    pub(crate) fn about(self) -> Option<ObjectId> {
        let number = self.b.checked_sub(1).filter(|_| self.kind.row().about_work)?;
        Some(ObjectId::new(number as usize))
    }
}

/// The second argument of a sleep after which the thread looks at its condition again, and sleeps
/// again if that does not hold.
pub(crate) const RECHECKS: u64 = 1;

/// The same, of a thread that has given a mutex back for as long as it sleeps.
pub(crate) const RECHECKS_LOCKED: u64 = 2;
