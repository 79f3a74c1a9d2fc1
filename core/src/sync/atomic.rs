//! Atomic words, sequentially consistent on every engine.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

/// A word that threads read and write without a lock: `atomic_t`, or a field that the driver
/// accesses with `READ_ONCE` and `WRITE_ONCE`.
///
/// Every access is one step in one total order. [`WeakAtomic`](super::WeakAtomic) has weaker
/// accesses.
///
/// # What is left out
///
/// Memory orders: each access is indivisible and visible to all threads at once.
pub struct Atomic {
    object: Object,
}

impl Atomic {
    /// Creates a word that holds `value`, named `class`.
    pub fn new(class: impl Into<Name>, value: u64) -> Self {
        Self { object: Object::new(class, machine(value)) }
    }

    /// `atomic_read`, `READ_ONCE`: returns the value.
    #[doc(alias("atomic_read", "READ_ONCE"))]
    #[track_caller]
    pub fn load(&self) -> u64 {
        self.object.perform(Op::new(OpKind::Load), Location::caller())
    }

    /// `atomic_set`, `WRITE_ONCE`: sets the value.
    #[doc(alias("atomic_set", "WRITE_ONCE"))]
    #[track_caller]
    pub fn store(&self, value: u64) {
        self.object.perform(Op::with(OpKind::Store, value), Location::caller());
    }

    /// `atomic_xchg`: sets the value and returns the previous one.
    #[doc(alias("atomic_xchg", "xchg"))]
    #[track_caller]
    pub fn swap(&self, value: u64) -> u64 {
        self.object.perform(Op::with(OpKind::Swap, value), Location::caller())
    }

    /// `atomic_fetch_add`: adds `value`, wrapping, and returns the previous value.
    #[doc(alias = "atomic_fetch_add")]
    #[track_caller]
    pub fn fetch_add(&self, value: u64) -> u64 {
        self.object.perform(Op::with(OpKind::FetchAdd, value), Location::caller())
    }

    /// `atomic_cmpxchg`: stores `new` if the word holds `current`. It never fails spuriously.
    ///
    /// # Errors
    ///
    /// The value found, if it is not `current`.
    #[doc(alias("atomic_cmpxchg", "cmpxchg"))]
    #[track_caller]
    pub fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        let op = Op { kind: OpKind::CompareExchange, a: current, b: new };
        let found = self.object.perform(op, Location::caller());
        if found == current { Ok(found) } else { Err(found) }
    }
}

impl fmt::Debug for Atomic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atomic").field("object", &self.object).finish_non_exhaustive()
    }
}

/// Creates the machine of a word that holds `value`.
pub(super) fn machine(value: u64) -> Box<dyn Machine> {
    Box::new(State { value })
}

#[derive(Clone)]
struct State {
    value: u64,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let before = self.value;
        match op.kind {
            OpKind::Load => {}
            OpKind::Store => {
                self.value = op.a;
                return Ok(0);
            }
            OpKind::Swap => self.value = op.a,
            OpKind::FetchAdd => self.value = before.wrapping_add(op.a),
            OpKind::CompareExchange if before == op.a => self.value = op.b,
            OpKind::CompareExchange => {}
            other => unreachable!("{other} is not an operation of an atomic"),
        }
        Ok(before)
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.value);
    }
}
