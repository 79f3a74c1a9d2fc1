//! Readers that wait for nobody, and those who wait for the readers that have begun: what RCU and
//! SRCU have in common.

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, OpKind, ThreadId};

type Threads = SmallVec<[ThreadId; 4]>;

/// The readers, and who waits for them.
#[derive(Clone, Default)]
pub(crate) struct Readers {
    /// A thread that is in two sections is here twice. Kept sorted.
    readers: Threads,
    /// Who synchronizes, and with which sections that have not ended yet. Kept sorted.
    waiting: SmallVec<[(ThreadId, Threads); 2]>,
}

impl Readers {
    /// How a thread that synchronizes shows in what the end of a section replies. Only who looks
    /// for dependences wants to know.
    pub(crate) fn waiter(thread: ThreadId) -> u64 {
        1 << (thread.index() % u64::BITS as usize)
    }

    /// Ends a section, and says who was waiting for it.
    fn leave(&mut self, me: ThreadId) -> Result<u64, Fault> {
        let reader = self.readers.iter().position(|t| *t == me).ok_or(Fault::NotOwner)?;
        self.readers.remove(reader);
        // Of two sections of one thread the later ends first: a section that began before the wait
        // has ended when fewer are left than the wait is for.
        let left = self.readers.iter().filter(|t| **t == me).count();
        let mut waited_for_by = 0;
        for (waiter, sections) in &mut self.waiting {
            if sections.iter().filter(|t| **t == me).count() > left {
                let ended = sections.iter().position(|t| *t == me).expect("just counted");
                sections.remove(ended);
                waited_for_by |= Self::waiter(*waiter);
            }
        }
        Ok(waited_for_by)
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
            OpKind::SrcuReadLock | OpKind::RcuReadLock => {
                self.readers.push(me);
                self.readers.sort_unstable();
            }
            OpKind::SrcuReadUnlock | OpKind::RcuReadUnlock => return self.leave(me),
            OpKind::SynchronizeSrcu | OpKind::SynchronizeRcu => {
                self.waiting.push((me, self.readers.clone()));
                self.waiting.sort_unstable();
            }
            OpKind::AwaitReaders | OpKind::AwaitGracePeriod | OpKind::RcuCallback => {
                drop(self.waiting.remove(self.place(me)));
            }
            other => unreachable!("{other} is no operation of RCU"),
        }
        Ok(0)
    }

    /// Who is in a section that the wait is for.
    fn blockers(&self, me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        self.waiting[self.place(me)].1.clone()
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let mut list = |threads: &Threads| {
            key.push(threads.len() as u64);
            key.extend(threads.iter().map(|t| t.index() as u64));
        };
        list(&self.readers);
        list(&self.waiting.iter().map(|(t, _)| *t).collect());
        self.waiting.iter().for_each(|(_, sections)| list(sections));
    }

    fn leaked(&self) -> bool {
        !self.readers.is_empty()
    }
}
