//! Numbers for values and for histories, so that states can be compared exactly.
//!
//! A number is a hash of what it stands for, so it is the same in every run of the program and
//! on every machine. It is exact all the same: what each number stands for is remembered, and
//! whoever finds its number taken by something else gets the next.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use crate::mix::mix;

/// What a thread has been told so far, in order. A thread is deterministic, so this says
/// exactly where it is and what it knows.
pub(crate) type History = u64;

/// The history of whoever has not been told anything.
pub(crate) const BEGINNING: History = 0;

/// How a history can begin. No thread's history is that of another.
#[derive(Clone, Copy)]
pub(crate) enum Begins {
    /// With a thread of the scenario, by its number.
    Thread,
    /// With a thread that another has started, by what that one had been told.
    Child,
    /// With a thread that has forgotten what came before, by its number.
    Again,
}

/// Interned values and histories of one exploration.
#[derive(Default)]
pub(crate) struct Interner {
    values: FxHashMap<u64, Box<[u8]>>,
    histories: FxHashMap<History, (History, u64)>,
    bytes: Bytes,
}

impl Interner {
    /// The number of a value: equal for equal values, and only for those. Small enough not to
    /// be taken for what a lock replies without having been taken.
    pub(crate) fn value<T: Hash>(&mut self, value: &T) -> u64 {
        self.bytes.0.clear();
        value.hash(&mut self.bytes);
        let bytes = self.bytes.0.as_slice();
        let mut hasher = FxHasher::default();
        hasher.write(bytes);
        let mut id = mix(hasher.finish(), bytes.len() as u64) >> 1;
        while self.values.get(&id).is_some_and(|known| **known != *bytes) {
            id = (id + 1) & (u64::MAX >> 1);
        }
        self.values.entry(id).or_insert_with(|| bytes.into());
        id
    }

    /// The beginning of a history.
    pub(crate) fn begin(&mut self, begins: Begins, by: u64) -> History {
        let root = self.extend(BEGINNING, begins as u64);
        self.extend(root, by)
    }

    /// `history`, and then `reply`.
    pub(crate) fn extend(&mut self, history: History, reply: u64) -> History {
        let mut id = mix(history, reply);
        while id == BEGINNING
            || *self.histories.entry(id).or_insert((history, reply)) != (history, reply)
        {
            id = id.wrapping_add(1);
        }
        id
    }
}

/// A hasher that keeps what it is fed. `finish` is never asked.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the bytes are the hash")
    }
}
