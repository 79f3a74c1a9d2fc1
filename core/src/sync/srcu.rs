//! `struct srcu_struct`: readers that may sleep and wait for nobody, and a wait for those who have
//! begun.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::object::{Object, unwinding};
use crate::op::{Op, OpKind, ThreadId};

/// The kernel's `struct srcu_struct`.
///
/// A reader never waits. `synchronize_srcu` waits for every reader that has begun by then and for
/// none that begins later; that it has begun to wait is a step that others can see, and the end of
/// the wait is another. Memory is sequentially consistent here, so what a reader saw before is all
/// that is stale about it.
///
/// ```
/// # selvedge_core::doctest(|| {
/// use selvedge_core::sync::Srcu;
/// let srcu = Srcu::new("kvm->srcu");
/// let reader = srcu.read_lock();
/// reader.unlock();
/// srcu.synchronize();
/// # });
/// ```
pub struct Srcu {
    object: Object,
}

impl Srcu {
    /// A domain of readers, of lock class `class`.
    pub fn new(class: &'static str) -> Self {
        let state = State { readers: SmallVec::new(), waiting: SmallVec::new() };
        Self { object: Object::new(class, Box::new(state)) }
    }

    /// `srcu_read_lock`.
    #[track_caller]
    pub fn read_lock(&self) -> SrcuReader<'_> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::SrcuReadLock), at);
        SrcuReader { srcu: self, at }
    }

    /// `synchronize_srcu`.
    #[track_caller]
    pub fn synchronize(&self) {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::SynchronizeSrcu), at);
        self.object.perform(Op::new(OpKind::AwaitReaders), at);
    }
}

impl Srcu {
    /// How a thread that synchronizes shows in what the end of a section replies. Only who looks
    /// for dependences wants to know.
    pub(crate) fn waiter(thread: ThreadId) -> u64 {
        1 << (thread.index() % u64::BITS as usize)
    }
}

impl fmt::Debug for Srcu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srcu").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A read section of a [`Srcu`]. Dropping it is `srcu_read_unlock`.
#[must_use = "the section lasts only as long as this lives"]
#[derive(Debug)]
pub struct SrcuReader<'a> {
    srcu: &'a Srcu,
    at: &'static Location<'static>,
}

impl SrcuReader<'_> {
    /// `srcu_read_unlock`.
    #[track_caller]
    pub fn unlock(mut self) {
        self.at = Location::caller();
    }
}

impl Drop for SrcuReader<'_> {
    fn drop(&mut self) {
        if !unwinding() {
            self.srcu.object.perform(Op::new(OpKind::SrcuReadUnlock), self.at);
        }
    }
}

type Threads = SmallVec<[ThreadId; 4]>;

#[derive(Clone)]
struct State {
    /// A thread that is in two sections is here twice. Kept sorted.
    readers: Threads,
    /// Who synchronizes, and with which sections that have not ended yet. Kept sorted.
    waiting: SmallVec<[(ThreadId, Threads); 2]>,
}

impl State {
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
                waited_for_by |= Srcu::waiter(*waiter);
            }
        }
        Ok(waited_for_by)
    }

    fn place(&self, me: ThreadId) -> usize {
        self.waiting.iter().position(|(t, _)| *t == me).expect("it has begun to wait")
    }
}

impl Machine for State {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::AwaitReaders => Ready::when(self.waiting[self.place(me)].1.is_empty()),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _way: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::SrcuReadLock => {
                self.readers.push(me);
                self.readers.sort_unstable();
            }
            OpKind::SrcuReadUnlock => return self.leave(me),
            OpKind::SynchronizeSrcu => {
                self.waiting.push((me, self.readers.clone()));
                self.waiting.sort_unstable();
            }
            OpKind::AwaitReaders => drop(self.waiting.remove(self.place(me))),
            other => unreachable!("{other} is no operation of a srcu_struct"),
        }
        Ok(0)
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

    fn left_behind(&self) -> bool {
        !self.readers.is_empty()
    }
}
