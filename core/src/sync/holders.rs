//! The holders of a reader-writer lock, independent of its rules of admission.

use smallvec::SmallVec;

use crate::machine::{Fault, KEEP};
use crate::op::{Op, ThreadId};

/// The holders, and the value behind the lock.
#[derive(Clone)]
pub(super) struct Holders {
    pub(super) writer: Option<ThreadId>,
    /// The threads that hold the read side; a thread that holds it twice is listed twice. Sorted,
    /// since the order of arrival has no effect any more.
    pub(super) readers: SmallVec<[ThreadId; 4]>,
    value: u64,
}

impl Holders {
    /// Creates the holders of a free lock with this value behind it.
    pub(super) fn none(value: u64) -> Self {
        Self { writer: None, readers: SmallVec::new(), value }
    }

    /// Adds a reader and returns the value that it finds.
    pub(super) fn read(&mut self, me: ThreadId) -> u64 {
        self.readers.push(me);
        self.readers.sort_unstable();
        self.value
    }

    /// Sets the writer and returns the value that it finds.
    pub(super) fn write(&mut self, me: ThreadId) -> u64 {
        self.writer = Some(me);
        self.value
    }

    /// Removes a reader.
    pub(super) fn up_read(&mut self, me: ThreadId) -> Result<u64, Fault> {
        let held = self.readers.iter().position(|t| *t == me).ok_or(Fault::NotOwner)?;
        self.readers.remove(held);
        Ok(0)
    }

    /// Removes the writer, which leaves a value.
    pub(super) fn up_write(&mut self, me: ThreadId, op: Op) -> Result<u64, Fault> {
        if self.writer != Some(me) {
            return Err(Fault::NotOwner);
        }
        self.writer = None;
        if op.a != KEEP {
            self.value = op.a;
        }
        Ok(0)
    }

    pub(super) fn encode(&self, key: &mut Vec<u64>) {
        let thread = |t: ThreadId| t.index() as u64 + 1;
        key.extend([self.writer.map_or(0, thread), self.value, self.readers.len() as u64]);
        key.extend(self.readers.iter().map(|t| thread(*t)));
    }

    /// Returns every thread that holds the lock.
    pub(super) fn all(&self) -> impl Iterator<Item = ThreadId> {
        self.writer.into_iter().chain(self.readers.iter().copied())
    }

    pub(super) fn is_held(&self) -> bool {
        self.writer.is_some() || !self.readers.is_empty()
    }
}
