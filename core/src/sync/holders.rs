//! The holders of a reader-writer lock, independent of its rules of admission.

use smallvec::SmallVec;

use crate::machine::{Fault, KEEP, Role};
use crate::op::{Op, ThreadId};
use crate::renaming::Renaming;

use super::hidden::{expose_one, expose_set, rename_set};

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

    pub(super) fn rename(&mut self, renaming: &Renaming) {
        renaming.apply(&mut self.writer);
        rename_set(&mut self.readers, renaming);
    }

    /// Returns whether a thread writes, and how often it reads.
    pub(super) fn role(&self, thread: ThreadId) -> Role {
        let reads = self.readers.iter().filter(|reader| **reader == thread).count() as u64;
        [u64::from(self.writer == Some(thread)), reads].into_iter().collect()
    }

    pub(super) fn expose(&self, thread: ThreadId, role: &Role) -> Vec<Self> {
        let reads = vec![thread; role[1] as usize];
        let Some(writer) = expose_one(self.writer, thread, role[0] > 0) else { return Vec::new() };
        let readers = expose_set(&self.readers, thread, &reads).into_iter();
        readers.map(|readers| Self { writer, readers, value: self.value }).collect()
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
