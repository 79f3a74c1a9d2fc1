//! Who holds a reader-writer lock, whatever its rules for letting somebody in.

use smallvec::SmallVec;

use crate::machine::{Fault, KEEP};
use crate::op::{Op, ThreadId};

/// The holders, and the value behind the lock.
#[derive(Clone)]
pub(super) struct Holders {
    pub(super) writer: Option<ThreadId>,
    /// A thread that holds the read side twice is here twice. Kept sorted: who came first does
    /// not matter any more.
    pub(super) readers: SmallVec<[ThreadId; 4]>,
    value: u64,
}

impl Holders {
    /// Nobody, of a lock with this value behind it.
    pub(super) fn none(value: u64) -> Self {
        Self { writer: None, readers: SmallVec::new(), value }
    }

    /// Lets a reader in; what it finds.
    pub(super) fn read(&mut self, me: ThreadId) -> u64 {
        self.readers.push(me);
        self.readers.sort_unstable();
        self.value
    }

    /// Lets a writer in; what it finds.
    pub(super) fn write(&mut self, me: ThreadId) -> u64 {
        self.writer = Some(me);
        self.value
    }

    /// A reader leaves.
    pub(super) fn up_read(&mut self, me: ThreadId) -> Result<u64, Fault> {
        let held = self.readers.iter().position(|t| *t == me).ok_or(Fault::NotOwner)?;
        self.readers.remove(held);
        Ok(0)
    }

    /// The writer leaves, and leaves a value behind.
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

    /// Everybody who holds it.
    pub(super) fn all(&self) -> impl Iterator<Item = ThreadId> {
        self.writer.into_iter().chain(self.readers.iter().copied())
    }

    pub(super) fn is_somebody(&self) -> bool {
        self.writer.is_some() || !self.readers.is_empty()
    }
}
