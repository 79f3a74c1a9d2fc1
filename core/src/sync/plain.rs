//! A variable that threads access without a marking, and the data races on it.

use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready, Role};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime;
use crate::runtime::object::Object;
use crate::sync::data::Value;

use super::hidden::{expose_set, rename_set, variants};

/// A variable of the driver that is accessed without `READ_ONCE` and `WRITE_ONCE`.
///
/// Two accesses of different threads that nothing orders, of which one writes and one is plain, are
/// a *data race*: [`ViolationKind::DataRace`](crate::ViolationKind::DataRace), which names both
/// accesses and the locks that each thread held. The rule is that of the kernel's KCSAN
/// (`Documentation/dev-tools/kcsan.rst`): accesses are concurrent that can overlap. So each plain
/// access is two steps, and no other access that conflicts may come in between.
/// [`read_once`](Self::read_once) and [`write_once`](Self::write_once) are marked, and race with
/// plain accesses only. A variable whose every access is marked is an
/// [`Atomic`](super::Atomic).
///
/// # What is left out
///
/// Memory is sequentially consistent: accesses that are ordered only by the order of marked ones,
/// without a barrier, do not overlap here.
///
/// ```
/// use selvedge_core::sync::{Mutex, Plain};
/// use selvedge_core::{Engine, Scenario, ViolationKind};
///
/// Scenario::builder("example/race", || (Mutex::new("lock", ()), Plain::new("users", 0)))
///     .thread("open", |(lock, users)| {
///         let _held = lock.lock();
///         users.write(users.read() + 1);
///     })
///     .thread("show", |(_, users)| _ = users.read())
///     .expect_violations([ViolationKind::data_race("users")])
///     .assert_as_expected(Engine::Native);
/// ```
#[doc(alias("data_race", "KCSAN"))]
pub struct Plain<T> {
    object: Object,
    value: Mutex<T>,
}

impl<T: Value + Clone> Plain<T> {
    /// Creates a variable that holds `value`, named `class`.
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        let machine = machine(runtime::value_id(&value));
        Self { object: Object::new(class, machine), value: Mutex::new(value) }
    }

    /// Reads the variable.
    #[track_caller]
    pub fn read(&self) -> T {
        let at = Location::caller();
        let (_, value) =
            self.object.perform_then(Op::new(OpKind::PlainRead), at, || self.cell().clone());
        self.object.perform(Op::new(OpKind::PlainReadEnds), at);
        value
    }

    /// Writes the variable.
    #[track_caller]
    pub fn write(&self, value: T) {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::PlainWrite), at);
        self.set(OpKind::PlainWriteEnds, value, at);
    }

    /// `READ_ONCE`: reads the variable by a marked access.
    #[doc(alias = "READ_ONCE")]
    #[track_caller]
    pub fn read_once(&self) -> T {
        let op = Op::new(OpKind::MarkedRead);
        self.object.perform_then(op, Location::caller(), || self.cell().clone()).1
    }

    /// `WRITE_ONCE`: writes the variable by a marked access.
    #[doc(alias = "WRITE_ONCE")]
    #[track_caller]
    pub fn write_once(&self, value: T) {
        self.set(OpKind::MarkedWrite, value, Location::caller());
    }

    fn set(&self, kind: OpKind, value: T, at: &'static Location<'static>) {
        let op = Op::with(kind, runtime::value_id(&value));
        self.object.perform_then(op, at, || *self.cell() = value);
    }

    fn cell(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("object", &self.object).finish_non_exhaustive()
    }
}

/// Creates the machine of a variable whose value has this identity.
pub(crate) fn machine(value: u64) -> Box<dyn Machine> {
    Box::new(State { value, accesses: SmallVec::new() })
}

/// The state of a variable.
#[derive(Clone)]
struct State {
    /// The identity of the value.
    value: u64,
    /// The plain accesses that have begun and not ended, and whether each writes. Sorted.
    accesses: SmallVec<[(ThreadId, bool); 2]>,
}

impl State {
    /// Returns whether an access conflicts with one that has not ended.
    fn races(&self, writes: bool) -> bool {
        self.accesses.iter().any(|(_, other)| writes || *other)
    }

    fn begin(&mut self, me: ThreadId, writes: bool) {
        self.accesses.push((me, writes));
        self.accesses.sort_unstable();
    }

    fn end(&mut self, me: ThreadId, writes: bool) {
        let place = self.accesses.iter().position(|access| *access == (me, writes));
        self.accesses.remove(place.expect("it has begun"));
    }
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::PlainRead | OpKind::MarkedRead if self.races(false) => {
                return Err(Fault::DataRace);
            }
            OpKind::PlainWrite | OpKind::MarkedWrite if self.races(true) => {
                return Err(Fault::DataRace);
            }
            OpKind::PlainRead => self.begin(me, false),
            OpKind::PlainReadEnds => self.end(me, false),
            OpKind::PlainWrite => self.begin(me, true),
            OpKind::PlainWriteEnds => {
                self.end(me, true);
                self.value = op.a;
            }
            OpKind::MarkedWrite => self.value = op.a,
            OpKind::MarkedRead => {}
            other => unreachable!("{other} is not an operation of a variable"),
        }
        let reads = matches!(op.kind, OpKind::PlainRead | OpKind::MarkedRead);
        Ok(if reads { self.value } else { 0 })
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        rename_set(&mut self.accesses, renaming);
        true
    }

    fn role(&self, thread: ThreadId) -> Role {
        let mine = self.accesses.iter().filter(|(accessor, _)| *accessor == thread);
        mine.map(|(_, writes)| u64::from(*writes)).collect()
    }

    fn expose(&self, thread: ThreadId, role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        let mine: Vec<(ThreadId, bool)> = role.iter().map(|word| (thread, *word > 0)).collect();
        let accesses = expose_set(&self.accesses, thread, &mine);
        Some(variants(accesses, |accesses| Self { accesses, ..self.clone() }))
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.value, self.accesses.len() as u64]);
        let word =
            |(thread, writes): &(ThreadId, bool)| thread.index() as u64 * 2 + u64::from(*writes);
        key.extend(self.accesses.iter().map(word));
    }
}
