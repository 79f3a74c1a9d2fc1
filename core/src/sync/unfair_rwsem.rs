//! A read-write semaphore that favours its readers, which the kernel does not have.
//!
//! A driver would want one in order to take the read side again while a writer waits: see
//! [`UnfairRwSem`]. It has no queue, so only the holders keep a thread waiting.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use super::hidden::variants;
use super::holders::Holders;
use super::rwsem::{ReadGuard, WriteGuard};
use crate::machine::{Fault, KEEP, Machine, REFUSED, Ready, Role, WaitsFor};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime::object::Object;
use crate::sync::data::{SharedData, Value};

/// A read-write semaphore whose readers pass every waiting writer.
///
/// A reader never waits for a writer that only waits. A cycle of threads that a waiting writer
/// closes with [`RwSem`](super::RwSem) is therefore not a cycle here. In exchange, a steady stream
/// of readers starves a writer.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::UnfairRwSem;
/// let matrix = UnfairRwSem::new("matrix_rwsem", 0u64);
/// *matrix.down_write() = 1;
/// assert_eq!(*matrix.down_read(), 1);
/// # });
/// ```
pub struct UnfairRwSem<T = ()> {
    object: Object,
    data: SharedData<T>,
}

impl<T: Value> UnfairRwSem<T> {
    /// Creates a free semaphore of lock class `class` that protects `value`.
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        let (data, value) = SharedData::new(value);
        let state = State { holders: Holders::none(value) };
        Self { object: Object::new(class, Box::new(state)), data }
    }

    /// Takes the read side as soon as no thread holds the write side.
    #[track_caller]
    pub fn down_read(&self) -> ReadGuard<'_, T> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::DownReadUnfair), at);
        ReadGuard::new(&self.object, self.data.read(), at)
    }

    /// Takes the read side if no thread holds the write side now.
    #[track_caller]
    pub fn try_down_read(&self) -> Option<ReadGuard<'_, T>> {
        let at = Location::caller();
        match self.object.perform(Op::new(OpKind::TryDownReadUnfair), at) {
            REFUSED => None,
            _ => Some(ReadGuard::new(&self.object, self.data.read(), at)),
        }
    }

    /// Takes the write side as soon as no thread holds either side.
    #[track_caller]
    pub fn down_write(&self) -> WriteGuard<'_, T> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::DownWriteUnfair), at);
        WriteGuard::new(&self.object, self.data.write(), at)
    }

    /// Takes the write side if no thread holds either side now.
    #[track_caller]
    pub fn try_down_write(&self) -> Option<WriteGuard<'_, T>> {
        let at = Location::caller();
        match self.object.perform(Op::new(OpKind::TryDownWriteUnfair), at) {
            REFUSED => None,
            _ => Some(WriteGuard::new(&self.object, self.data.write(), at)),
        }
    }

    /// As [`down_read`](Self::down_read), without a guard, for code that releases elsewhere.
    ///
    /// The data is inaccessible without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::Leak`](crate::ViolationKind::Leak) if no thread releases it by the end.
    #[track_caller]
    pub fn raw_down_read(&self) {
        self.object.perform(Op::new(OpKind::DownReadUnfair), Location::caller());
    }

    /// As [`try_down_read`](Self::try_down_read), without a guard. Returns whether the read side
    /// was taken.
    #[track_caller]
    #[must_use = "the read side is held if it was taken"]
    pub fn raw_try_down_read(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryDownReadUnfair), Location::caller()) != REFUSED
    }

    /// `up_read` without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::NotOwner`](crate::ViolationKind::NotOwner) if the thread does not hold it.
    #[track_caller]
    pub fn raw_up_read(&self) {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::UpRead), at);
        self.object.finish_unlock(at);
    }

    /// As [`down_write`](Self::down_write), without a guard; see
    /// [`raw_down_read`](Self::raw_down_read).
    #[track_caller]
    pub fn raw_down_write(&self) {
        self.object.perform(Op::new(OpKind::DownWriteUnfair), Location::caller());
    }

    /// As [`try_down_write`](Self::try_down_write), without a guard. Returns whether the write side
    /// was taken.
    #[track_caller]
    #[must_use = "the write side is held if it was taken"]
    pub fn raw_try_down_write(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryDownWriteUnfair), Location::caller()) != REFUSED
    }

    /// `up_write` without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::NotOwner`](crate::ViolationKind::NotOwner) if the thread does not hold it.
    #[track_caller]
    pub fn raw_up_write(&self) {
        let at = Location::caller();
        self.object.perform(Op::with(OpKind::UpWrite, KEEP), at);
        self.object.finish_unlock(at);
    }
}

impl<T> fmt::Debug for UnfairRwSem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnfairRwSem").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    holders: Holders,
}

impl State {
    fn has_room_for_reader(&self) -> bool {
        self.holders.writer.is_none()
    }

    fn has_room_for_writer(&self) -> bool {
        !self.holders.is_held()
    }
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(match op.kind {
            OpKind::DownReadUnfair => self.has_room_for_reader(),
            OpKind::DownWriteUnfair => self.has_room_for_writer(),
            _ => true,
        })
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::TryDownReadUnfair if !self.has_room_for_reader() => Ok(REFUSED),
            OpKind::TryDownWriteUnfair if !self.has_room_for_writer() => Ok(REFUSED),
            OpKind::DownReadUnfair | OpKind::TryDownReadUnfair => Ok(self.holders.read(me)),
            OpKind::DownWriteUnfair | OpKind::TryDownWriteUnfair => Ok(self.holders.write(me)),
            OpKind::UpRead => self.holders.up_read(me),
            OpKind::UpWrite => self.holders.up_write(me, op),
            other => unreachable!("{other} is not an operation of an unfair rw_semaphore"),
        }
    }

    fn blockers(&self, _me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        match op.kind {
            OpKind::DownWriteUnfair => self.holders.all().collect(),
            _ => self.holders.writer.into_iter().collect(),
        }
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        self.holders.rename(renaming);
        true
    }

    fn role(&self, thread: ThreadId) -> Role {
        self.holders.role(thread)
    }

    fn expose(&self, thread: ThreadId, role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        Some(variants(self.holders.expose(thread, role), |holders| Self { holders }))
    }

    fn waits_for(&self, me: ThreadId, op: Op) -> WaitsFor {
        WaitsFor::holders(self.blockers(me, op))
    }

    fn encode(&self, key: &mut Vec<u64>) {
        self.holders.encode(key);
    }

    fn leaked(&self) -> bool {
        self.is_held()
    }

    fn is_held(&self) -> bool {
        self.holders.is_held()
    }
}
