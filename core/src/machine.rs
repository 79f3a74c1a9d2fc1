//! The one trait of the library: a synchronisation object is a small state machine.
//!
//! Every primitive in [`sync`](crate::sync) is a handle on a [`Machine`]. A machine knows
//! nothing of threads that wait, of schedules or of engines: it says whether an operation can
//! happen now ([`Machine::ready`]) and what happens when it does ([`Machine::apply`]). A runtime
//! supplies the rest: how one step is made atomic, and how a thread waits until its step is
//! ready. That is why one definition of `mutex_trylock` serves the native explorer, loom,
//! shuttle and plain threads.

use dyn_clone::DynClone;
use smallvec::SmallVec;

use crate::op::{Op, ThreadId};

/// How many ways an operation can complete in the present state.
///
/// The ways are numbered from 0, the sure ones first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ready {
    /// Ways that will be taken if nothing else happens. A thread with none of them waits.
    pub(crate) guaranteed: u8,
    /// Ways that need luck: a signal, a spurious wake-up. Explored, but nobody may rely on
    /// them, so a state from which only these lead on counts as stuck.
    pub(crate) optional: u8,
}

impl Ready {
    pub(crate) const NO: Self = Self { guaranteed: 0, optional: 0 };
    pub(crate) const YES: Self = Self { guaranteed: 1, optional: 0 };

    pub(crate) fn when(condition: bool) -> Self {
        if condition { Self::YES } else { Self::NO }
    }

    pub(crate) fn or_optional(self) -> Self {
        Self { optional: self.optional + 1, ..self }
    }
}

/// What a thread is told when it asked for a lock and does not have it.
pub(crate) const REFUSED: u64 = u64::MAX;

/// What a thread is told when it asked for a lock and has been queued for it.
pub(crate) const QUEUED: u64 = u64::MAX - 1;

/// The identity that says "the value did not change".
pub(crate) const KEEP: u64 = u64::MAX;

/// A rule of the primitive that an operation broke.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fault {
    /// A lock was released by a thread that does not hold it.
    NotOwner,
    /// An object was touched after its release.
    UseAfterRelease,
    /// An object was released a second time.
    DoubleRelease,
    /// A lock was held when the memory that it lives in was released.
    FreedWhileHeld,
}

/// A synchronisation object as a state machine.
pub(crate) trait Machine: DynClone + Send + Sync {
    /// How `op` of thread `me` can complete now.
    fn ready(&self, me: ThreadId, op: Op) -> Ready;

    /// Completes `op` the given `outcome` and yields what the thread learns from it.
    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault>;

    /// Appends the whole state, so that equal words mean equal states. Every machine writes
    /// words that tell where they end: a fixed number, or a length first.
    fn encode(&self, key: &mut Vec<u64>);

    /// Whether a thread that has come to `op` has nothing to do now: it *idles*. The operation cannot
    /// happen, and that is no wait: the thread may stay there for good, and the world may end.
    fn idles(&self, _op: Op) -> bool {
        false
    }

    /// The threads that keep `op` of thread `me` from happening, if it cannot happen now: until
    /// *each* of them has taken a step, `me` waits. It is always right to name fewer. Somebody who
    /// may end the wait, beside others who may, is not one of them.
    fn blockers(&self, _me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        SmallVec::new()
    }

    /// Whether the object would be left behind if the world ended now.
    fn leaked(&self) -> bool {
        false
    }

    /// Whether somebody holds it who will touch it again to let go.
    fn is_held(&self) -> bool {
        false
    }

    /// Whether it lives in memory that can be released.
    fn is_resident(&self) -> bool {
        false
    }

    /// Takes a change that is no operation of its own: a thread's end, a ghost's new value.
    fn set(&mut self, _value: u64) {}

    /// The memory that it lives in is released.
    fn memory_freed(&mut self) -> Result<(), Fault> {
        unreachable!("only what lives in memory hears of its release")
    }
}

dyn_clone::clone_trait_object!(Machine);

/// An object that lives in memory that can be released: each operation on it touches that memory.
#[derive(Clone)]
pub(crate) struct Resident {
    machine: Box<dyn Machine>,
    freed: bool,
}

impl Resident {
    pub(crate) fn new(machine: Box<dyn Machine>) -> Self {
        Self { machine, freed: false }
    }
}

impl Machine for Resident {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        // A thread that idles touches nothing.
        if self.freed && !self.idles(op) { Ready::YES } else { self.machine.ready(me, op) }
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        if self.freed { Err(Fault::UseAfterRelease) } else { self.machine.apply(me, op, outcome) }
    }

    fn idles(&self, op: Op) -> bool {
        self.machine.idles(op)
    }

    fn blockers(&self, me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        self.machine.blockers(me, op)
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.freed));
        self.machine.encode(key);
    }

    fn leaked(&self) -> bool {
        self.machine.leaked()
    }

    fn is_held(&self) -> bool {
        self.machine.is_held()
    }

    fn is_resident(&self) -> bool {
        true
    }

    fn set(&mut self, value: u64) {
        self.machine.set(value);
    }

    fn memory_freed(&mut self) -> Result<(), Fault> {
        self.freed = true;
        if self.machine.is_held() { Err(Fault::FreedWhileHeld) } else { Ok(()) }
    }
}
