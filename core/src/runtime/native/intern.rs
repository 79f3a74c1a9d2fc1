//! Numbers for values and for histories, by which states are compared exactly.
//!
//! A number is a hash of what it represents, so it is the same in every run of the program and on
//! every machine. It is exact nevertheless: what each number represents is stored, and a value
//! whose number is already in use gets the next one.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use crate::mix::mix;

/// The observations of a thread so far, in order. A thread is deterministic, so this is exactly its
/// local state.
pub(crate) type History = u64;

/// The history of a thread without observations.
pub(crate) const BEGINNING: History = 0;

/// The beginning of a history. The histories of different threads differ, unless they are treated
/// as the same.
#[derive(Clone, Copy)]
pub(crate) enum Begins {
    /// That of a thread of the scenario, by its number.
    Thread,
    /// That of a thread that another has started, by the history of that other.
    Child,
    /// That of a thread that has forgotten what came before, by its number.
    Again,
}

/// The interned values and histories of one exploration.
#[derive(Default)]
pub(crate) struct Interner {
    values: FxHashMap<u64, Box<[u8]>>,
    histories: FxHashMap<History, (History, u64)>,
    bytes: Bytes,
}

impl Interner {
    /// Returns the number of a value: equal for equal values, and only for those. It is small
    /// enough not to be confused with a lock's reply that it was not taken.
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

    /// Returns the beginning of a history.
    pub(crate) fn begin(&mut self, begins: Begins, by: u64) -> History {
        let root = self.extend(BEGINNING, begins as u64);
        self.extend(root, by)
    }

    /// Returns `history` extended by `reply`.
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

/// A hasher that stores its input. `finish` is never called.
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
