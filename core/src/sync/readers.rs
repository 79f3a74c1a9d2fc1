//! Readers that never wait, and waits for the readers that have begun: the common part of RCU and
//! SRCU.

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;

/// A read section: its reader, and its number among the reader's sections.
type Section = (ThreadId, u64);

type Sections = SmallVec<[Section; 4]>;

/// The number of every section of an RCU reader, which enters the same section again if it nests.
const ONLY: u64 = 0;

/// The sections, and the threads that wait for them.
#[derive(Clone, Default)]
pub(crate) struct Readers {
    /// The open sections, each as often as it was entered and not left. Sorted.
    open: Sections,
    /// The threads that synchronize, each with the sections that have not ended yet. Sorted.
    waiting: SmallVec<[(ThreadId, Sections); 2]>,
}

impl Readers {
    /// Returns the first number that no section of `me` has.
    fn free(&self, me: ThreadId) -> u64 {
        (0..).find(|number| !self.open.contains(&(me, *number))).expect("few sections are open")
    }

    /// Enters a section and returns its number.
    fn enter(&mut self, me: ThreadId, number: u64) -> u64 {
        self.open.push((me, number));
        self.open.sort_unstable();
        number
    }

    /// Leaves a section. If that ends it, returns the threads that were waiting for it.
    fn leave(&mut self, me: ThreadId, number: u64) -> Result<u64, Fault> {
        let section = (me, number);
        let place = self.open.iter().position(|open| *open == section).ok_or(Fault::NotOwner)?;
        self.open.remove(place);
        if self.open.contains(&section) {
            return Ok(0);
        }
        let mut waited_for_by = 0;
        for (waiter, sections) in &mut self.waiting {
            if let Some(place) = sections.iter().position(|awaited| *awaited == section) {
                sections.remove(place);
                waited_for_by |= waiter.mask();
            }
        }
        Ok(waited_for_by)
    }

    /// Begins to wait for every section that is open.
    fn wait(&mut self, me: ThreadId) {
        let mut sections = self.open.clone();
        sections.dedup();
        self.waiting.push((me, sections));
        self.waiting.sort_unstable();
    }

    fn place(&self, me: ThreadId) -> usize {
        self.waiting.iter().position(|(t, _)| *t == me).expect("it has begun to wait")
    }
}

impl Machine for Readers {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::AwaitReaders | OpKind::AwaitGracePeriod | OpKind::RcuCallback => {
                Ready::when(self.waiting[self.place(me)].1.is_empty())
            }
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::SrcuReadLock => return Ok(self.enter(me, self.free(me))),
            OpKind::RcuReadLock => return Ok(self.enter(me, ONLY)),
            OpKind::SrcuReadUnlock | OpKind::RcuReadUnlock => return self.leave(me, op.a),
            OpKind::SynchronizeSrcu | OpKind::SynchronizeRcu => self.wait(me),
            OpKind::AwaitReaders | OpKind::AwaitGracePeriod | OpKind::RcuCallback => {
                drop(self.waiting.remove(self.place(me)));
            }
            other => unreachable!("{other} is not an operation of RCU"),
        }
        Ok(0)
    }

    /// The readers in the sections that `me` waits for.
    fn blockers(&self, me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        self.waiting[self.place(me)].1.iter().map(|(reader, _)| *reader).collect()
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let words = |(thread, number): &Section| [thread.index() as u64, *number];
        key.push(self.open.len() as u64);
        key.extend(self.open.iter().flat_map(words));
        key.push(self.waiting.len() as u64);
        for (waiter, sections) in &self.waiting {
            key.extend([waiter.index() as u64, sections.len() as u64]);
            key.extend(sections.iter().flat_map(words));
        }
    }

    fn leaked(&self) -> bool {
        !self.open.is_empty()
    }
}
