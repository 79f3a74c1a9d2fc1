//! A lock with one owner, which alone may unlock it: the common part of mutexes and spinlocks.

use smallvec::SmallVec;

use crate::machine::{Fault, KEEP, Machine, REFUSED, Ready, Role, WaitsFor};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;

use super::hidden::{expose_one, variants};

/// The owner, and the value behind the lock.
#[derive(Clone)]
pub(super) struct Owned {
    owner: Option<ThreadId>,
    /// The identity of the data, which the next holder observes when it takes the lock.
    value: u64,
}

impl Owned {
    /// Creates a free lock with this value behind it.
    pub(super) fn new(value: u64) -> Self {
        Self { owner: None, value }
    }

    fn take(&mut self, me: ThreadId) -> u64 {
        self.owner = Some(me);
        self.value
    }
}

impl Machine for Owned {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        match op.kind {
            kind if kind.row().locks => Ready::when(self.owner.is_none()),
            // A thread that finds the lock free takes it; a signal ends only a wait.
            OpKind::LockInterruptible if self.owner.is_some() => Ready::NO.or_optional(),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let free = self.owner.is_none();
        match op.kind {
            kind if kind.row().locks => Ok(self.take(me)),
            kind if kind.row().tries_lock => Ok(if free { self.take(me) } else { REFUSED }),
            kind if kind.row().unlocks && self.owner == Some(me) => {
                self.owner = None;
                if op.a != KEEP {
                    self.value = op.a;
                }
                Ok(0)
            }
            kind if kind.row().unlocks => Err(Fault::NotOwner),
            other => unreachable!("{other} is not an operation of a mutex or a spinlock"),
        }
    }

    fn blockers(&self, _me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        self.owner.into_iter().collect()
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        renaming.apply(&mut self.owner);
        true
    }

    fn role(&self, thread: ThreadId) -> Role {
        [u64::from(self.owner == Some(thread))].into_iter().collect()
    }

    fn expose(&self, thread: ThreadId, role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        let owner = expose_one(self.owner, thread, role[0] > 0);
        Some(variants(owner, |owner| Self { owner, ..self.clone() }))
    }

    fn waits_for(&self, _me: ThreadId, _op: Op) -> WaitsFor {
        WaitsFor::holders(self.owner)
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.owner.map_or(0, |owner| owner.index() as u64 + 1), self.value]);
    }

    fn leaked(&self) -> bool {
        self.is_held()
    }

    fn is_held(&self) -> bool {
        self.owner.is_some()
    }
}
