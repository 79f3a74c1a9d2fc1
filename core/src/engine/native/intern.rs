//! Numbers for values and for histories, so that states can be compared exactly.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

/// What a thread has been told so far, in order. A thread is deterministic, so this says
/// exactly where it is and what it knows.
pub(crate) type History = u32;

/// The history of a thread that has not been told anything.
pub(crate) const BEGINNING: History = 0;

/// Interned values and histories of one exploration.
#[derive(Default)]
pub(super) struct Interner {
    values: FxHashMap<Box<[u8]>, u64>,
    histories: FxHashMap<(History, u64), History>,
    bytes: Bytes,
}

impl Interner {
    /// The number of a value: equal for equal values, and only for those.
    pub(super) fn value<T: Hash>(&mut self, value: &T) -> u64 {
        self.bytes.0.clear();
        value.hash(&mut self.bytes);
        if let Some(id) = self.values.get(self.bytes.0.as_slice()) {
            return *id;
        }
        let id = self.values.len() as u64;
        self.values.insert(self.bytes.0.as_slice().into(), id);
        id
    }

    /// `history`, and then `reply`.
    pub(super) fn extend(&mut self, history: History, reply: u64) -> History {
        let next = u32::try_from(self.histories.len() + 1).expect("fewer than 2^32 histories");
        *self.histories.entry((history, reply)).or_insert(next)
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
