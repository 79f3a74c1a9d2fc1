//! A synchronisation object is a small state machine.
//!
//! Every primitive in [`sync`](crate::sync) is a handle on a [`Machine`]. A machine knows nothing
//! of waiting threads, of schedules or of engines. It defines whether an operation can happen now
//! ([`Machine::ready`]) and what it does ([`Machine::apply`]). A runtime supplies the rest: it
//! makes one step atomic, and makes a thread wait until its step is ready. One definition of
//! `mutex_trylock` therefore serves the native explorer, loom, shuttle and plain threads.

use std::fmt;

use dyn_clone::DynClone;
use smallvec::SmallVec;

use crate::op::{Op, ThreadId};
use crate::renaming::Renaming;

/// The number of outcomes that an operation has in the present state.
///
/// The outcomes are numbered from 0, the guaranteed ones first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ready {
    /// Outcomes that happen if nothing else does. A thread without any of them waits.
    pub(crate) guaranteed: u8,
    /// Outcomes that may or may not happen: a signal, a spurious wake-up. They are explored, but no
    /// thread may rely on them, so a state from which only these lead on counts as stuck.
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

/// The reply to a thread that asked for a lock and does not get it.
pub(crate) const REFUSED: u64 = u64::MAX;

/// The reply to a thread that asked for a lock and was queued for it.
pub(crate) const QUEUED: u64 = u64::MAX - 1;

/// The identity that stands for an unchanged value.
pub(crate) const KEEP: u64 = u64::MAX;

/// A rule of the primitive that an operation violated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fault {
    /// A thread released a lock that it does not hold.
    NotOwner,
    /// A thread accessed an object after its release.
    UseAfterRelease,
    /// A thread released an object a second time.
    DoubleRelease,
    /// A thread accessed a variable while another did, and one of them writes it.
    DataRace,
    /// A thread held a lock when the memory that it lives in was released.
    FreedWhileHeld,
}

/// The name of the violation, without the object.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOwner => "unlock-by-non-owner",
            Self::UseAfterRelease => "use-after-release",
            Self::DoubleRelease => "double-release",
            Self::DataRace => "data-race",
            Self::FreedWhileHeld => "freed-while-held",
        })
    }
}

/// The way in which an object has a thread, in words whose meaning depends on the primitive.
pub(crate) type Role = SmallVec<[u64; 4]>;

/// Who has to continue before a waiting thread can, among any number of threads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum WaitsFor {
    /// One of these, none of which waits for the object.
    Holders(SmallVec<[ThreadId; 4]>),
    /// Another thread that waits for the object, and can continue.
    Another,
    /// The object does not know.
    Unknown,
}

impl WaitsFor {
    /// Returns the wait for `holders`, or for another thread if there are none.
    pub(crate) fn holders(holders: impl IntoIterator<Item = ThreadId>) -> Self {
        let holders: SmallVec<[ThreadId; 4]> = holders.into_iter().collect();
        if holders.is_empty() { Self::Another } else { Self::Holders(holders) }
    }
}

/// A synchronisation object as a state machine.
pub(crate) trait Machine: DynClone + Send + Sync {
    /// Returns the outcomes that `op` of thread `me` has now.
    fn ready(&self, me: ThreadId, op: Op) -> Ready;

    /// Performs `op` with the given `outcome` and returns the reply to the thread.
    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault>;

    /// Appends the whole state, so that equal words mean equal states. Every machine writes words
    /// that are self-delimiting: a fixed number, or a length first.
    fn encode(&self, key: &mut Vec<u64>);

    /// Returns whether a thread that is at `op` *idles*, which means that it has nothing to do now.
    /// The operation cannot happen, and yet the thread does not wait: it may stay there for good,
    /// and the world may end.
    fn idles(&self, _op: Op) -> bool {
        false
    }

    /// Returns the threads that keep `op` of thread `me` from happening, if it cannot happen now:
    /// `me` waits until *each* of them has taken a step. It is always correct to return fewer. A
    /// thread that may end the wait is not one of them if another thread may end it too.
    fn blockers(&self, _me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        SmallVec::new()
    }

    /// Returns whether the state, or a reply that decides how its thread continues, may name a
    /// thread.
    fn names_threads(&self) -> bool {
        true
    }

    /// Renames the threads that the state names, and returns whether it can. Two threads may get
    /// the same new name. Of hidden threads in the same role it keeps one.
    ///
    /// It is always correct to return `false`, and wrong to return `true` and leave a name as it
    /// is.
    fn rename(&mut self, _renaming: &Renaming) -> bool {
        !self.names_threads()
    }

    /// Returns in which way the state has `thread`: equal for two states in which the object has it
    /// in the same way, as far as that is its own.
    fn role(&self, _thread: ThreadId) -> Role {
        Role::new()
    }

    /// Returns each state that becomes this one when `thread`, which this one does not name and
    /// which has this role, is hidden. More states are correct too. `None` if the object cannot
    /// tell.
    fn expose(&self, _thread: ThreadId, _role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        None
    }

    /// Returns who has to continue before `op` of thread `me` can happen, which cannot happen now.
    fn waits_for(&self, _me: ThreadId, _op: Op) -> WaitsFor {
        WaitsFor::Unknown
    }

    /// Returns whether the object would be leaked if the world ended now.
    fn leaked(&self) -> bool {
        false
    }

    /// Returns whether a thread holds the object and will touch it again to release it.
    fn is_held(&self) -> bool {
        false
    }

    /// Returns whether the object lives in memory that can be released.
    fn is_resident(&self) -> bool {
        false
    }

    /// Sets the value without an operation: at a thread's end, or when a ghost changes.
    fn set(&mut self, _value: u64) -> Result<(), Fault> {
        Ok(())
    }

    /// Notes that the memory in which the object lives is released.
    fn memory_freed(&mut self) -> Result<(), Fault> {
        unreachable!("only an object that lives in memory is notified of its release")
    }
}

dyn_clone::clone_trait_object!(Machine);

/// An object that lives in memory that can be released. Each operation on it accesses that memory,
/// but for the return of a function that may free it.
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
        // A thread that idles accesses nothing.
        if self.freed && !self.idles(op) { Ready::YES } else { self.machine.ready(me, op) }
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        match self.freed {
            // The interrupt that would touch the memory does not arrive.
            true if op.kind.row().arrives => Ok(REFUSED),
            true if op.kind.row().outlives_memory => self.machine.apply(me, op, outcome),
            true => Err(Fault::UseAfterRelease),
            false => self.machine.apply(me, op, outcome),
        }
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

    fn rename(&mut self, renaming: &Renaming) -> bool {
        self.machine.rename(renaming)
    }

    fn role(&self, thread: ThreadId) -> Role {
        self.machine.role(thread)
    }

    fn expose(&self, thread: ThreadId, role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        let exposed = self.machine.expose(thread, role)?.into_iter();
        let resident = |machine| Self { machine, freed: self.freed };
        Some(exposed.map(|machine| Box::new(resident(machine)) as Box<dyn Machine>).collect())
    }

    fn waits_for(&self, me: ThreadId, op: Op) -> WaitsFor {
        self.machine.waits_for(me, op)
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

    fn set(&mut self, value: u64) -> Result<(), Fault> {
        self.machine.set(value)
    }

    fn memory_freed(&mut self) -> Result<(), Fault> {
        self.freed = true;
        if self.machine.is_held() { Err(Fault::FreedWhileHeld) } else { Ok(()) }
    }
}
