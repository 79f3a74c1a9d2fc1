//! `struct rw_semaphore`: a fair semaphore, on which a waiting writer blocks new readers.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::RwLockWriteGuard;

use smallvec::SmallVec;

use crate::machine::{Fault, KEEP, Machine, QUEUED, REFUSED, Ready, Role, WaitsFor};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime::object::{Object, unwinding};
use crate::sync::data::{ReadData, SharedData, Value, WriteData};

use super::Interrupted;
use super::hidden::{expose_in_queue, rename_queue, variants};
use super::holders::Holders;

/// The kernel's `struct rw_semaphore`, with the data it protects, as in `kernel/locking/rwsem.c`.
///
/// Waiters are served in order of arrival. A reader that arrives while a writer waits queues behind
/// that writer, so a thread that takes the read side twice deadlocks as soon as a writer arrives in
/// between. Queueing is a step that other threads can see; the wait for the grant is another.
///
/// # What is left out
///
/// The kernel lets a writer overtake the queue when it finds the semaphore free; this model does
/// not. The interleavings in which the writer arrived first cover a thread that could have
/// overtaken, unless it arrives only because another thread is queued already.
/// Optimistic spinning is missing, which only decides which waiter is next.
///
/// # Per-CPU semaphores
///
/// A `percpu_rw_semaphore` has the same rules (`kernel/locking/percpu-rwsem.c`): a writer blocks
/// new readers, `percpu_down_read` then queues, and the queue is served in order. It differs in
/// cost alone, so this is its model too, as for the CPU hotplug lock (`cpus_read_lock`).
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::RwSem;
/// let hook = RwSem::new("pqap_hook_rwsem", None::<u32>);
/// *hook.down_write() = Some(1);
/// assert_eq!(*hook.down_read(), Some(1));
/// # });
/// ```
#[doc(alias("rw_semaphore", "percpu_rw_semaphore", "percpu_down_read", "percpu_down_write"))]
#[doc(alias("percpu_up_read", "percpu_up_write", "cpus_read_lock", "cpus_write_lock"))]
pub struct RwSem<T = ()> {
    object: Object,
    pub(crate) data: SharedData<T>,
}

impl<T: Value> RwSem<T> {
    /// Creates a free semaphore of lock class `class` that protects `value`.
    #[doc(alias = "init_rwsem")]
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        let (data, id) = SharedData::new(value);
        let state = State { holders: Holders::none(id), queue: SmallVec::new() };
        Self { object: Object::new(class, Box::new(state)), data }
    }

    /// `down_read`: takes the read side, behind every writer that waits already.
    #[track_caller]
    pub fn down_read(&self) -> ReadGuard<'_, T> {
        let at = Location::caller();
        self.take_read(at);
        ReadGuard::new(&self.object, self.data.read(), at)
    }

    /// `down_read_killable`, `down_read_interruptible`: as [`down_read`](Self::down_read), but a
    /// signal may end the wait.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if a signal arrived while the thread was queued. The kernel returns
    /// `-EINTR`.
    #[doc(alias = "down_read_interruptible")]
    #[track_caller]
    pub fn down_read_killable(&self) -> Result<ReadGuard<'_, T>, Interrupted> {
        let at = Location::caller();
        if self.object.perform(Op::new(OpKind::DownRead), at) == QUEUED
            && self.object.perform(Op::new(OpKind::AwaitReadKillable), at) == REFUSED
        {
            return Err(Interrupted);
        }
        Ok(ReadGuard::new(&self.object, self.data.read(), at))
    }

    /// `down_read_trylock`: takes the read side if no writer holds it or waits for it.
    #[doc(alias = "down_read_trylock")]
    #[track_caller]
    pub fn try_down_read(&self) -> Option<ReadGuard<'_, T>> {
        let at = Location::caller();
        match self.object.perform(Op::new(OpKind::TryDownRead), at) {
            REFUSED => None,
            _ => Some(ReadGuard::new(&self.object, self.data.read(), at)),
        }
    }

    /// `down_write`: takes the write side, behind every thread that holds it or waits already.
    #[track_caller]
    pub fn down_write(&self) -> WriteGuard<'_, T> {
        let at = Location::caller();
        self.take_write(at);
        WriteGuard::new(&self.object, self.data.write(), at)
    }

    /// `down_write_killable`: as [`down_write`](Self::down_write), but a signal may end the wait.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if a signal arrived while the thread was queued. Threads that were queued
    /// behind it are then served. The kernel returns `-EINTR`.
    #[track_caller]
    pub fn down_write_killable(&self) -> Result<WriteGuard<'_, T>, Interrupted> {
        let at = Location::caller();
        if self.object.perform(Op::new(OpKind::DownWrite), at) == QUEUED
            && self.object.perform(Op::new(OpKind::AwaitWriteKillable), at) == REFUSED
        {
            return Err(Interrupted);
        }
        Ok(WriteGuard::new(&self.object, self.data.write(), at))
    }

    /// `down_write_trylock`: takes the write side if no thread holds either side or waits.
    #[doc(alias = "down_write_trylock")]
    #[track_caller]
    pub fn try_down_write(&self) -> Option<WriteGuard<'_, T>> {
        let at = Location::caller();
        match self.object.perform(Op::new(OpKind::TryDownWrite), at) {
            REFUSED => None,
            _ => Some(WriteGuard::new(&self.object, self.data.write(), at)),
        }
    }

    /// `downgrade_write`: turns the write side into a read side, without a moment in between in
    /// which the semaphore is free. Readers at the front of the queue are served then.
    ///
    /// # Panics
    ///
    /// If the guard is of another semaphore.
    #[track_caller]
    pub fn downgrade_write<'a>(&'a self, guard: WriteGuard<'a, T>) -> ReadGuard<'a, T> {
        assert!(std::ptr::eq(guard.object, &self.object), "the guard is of another semaphore");
        let at = Location::caller();
        let mut guard = ManuallyDrop::new(guard);
        let value = guard.data.close();
        self.object.perform(Op::with(OpKind::DowngradeWrite, value), at);
        ReadGuard::new(&self.object, self.data.read(), at)
    }

    /// `down_read` without a guard, for code that releases elsewhere.
    ///
    /// The data is inaccessible without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::Leak`](crate::ViolationKind::Leak) if no thread releases it by the end.
    #[doc(alias = "down_read")]
    #[track_caller]
    pub fn raw_down_read(&self) {
        self.take_read(Location::caller());
    }

    /// `down_read_trylock` without a guard. Returns whether the read side was taken.
    #[doc(alias = "down_read_trylock")]
    #[track_caller]
    #[must_use = "the read side is held if it was taken"]
    pub fn raw_try_down_read(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryDownRead), Location::caller()) != REFUSED
    }

    /// `up_read` without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::NotOwner`](crate::ViolationKind::NotOwner) if the thread does not hold it.
    #[doc(alias = "up_read")]
    #[track_caller]
    pub fn raw_up_read(&self) {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::UpRead), at);
        self.object.finish_unlock(at);
    }

    /// `down_write` without a guard; see [`raw_down_read`](Self::raw_down_read).
    #[doc(alias = "down_write")]
    #[track_caller]
    pub fn raw_down_write(&self) {
        self.take_write(Location::caller());
    }

    /// `down_write_trylock` without a guard. Returns whether the write side was taken.
    #[doc(alias = "down_write_trylock")]
    #[track_caller]
    #[must_use = "the write side is held if it was taken"]
    pub fn raw_try_down_write(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryDownWrite), Location::caller()) != REFUSED
    }

    /// `up_write` without a guard.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::NotOwner`](crate::ViolationKind::NotOwner) if the thread does not hold it.
    #[doc(alias = "up_write")]
    #[track_caller]
    pub fn raw_up_write(&self) {
        let at = Location::caller();
        self.object.perform(Op::with(OpKind::UpWrite, KEEP), at);
        self.object.finish_unlock(at);
    }

    fn take_read(&self, at: Place) {
        if self.object.perform(Op::new(OpKind::DownRead), at) == QUEUED {
            self.object.perform(Op::new(OpKind::AwaitRead), at);
        }
    }

    fn take_write(&self, at: Place) {
        if self.object.perform(Op::new(OpKind::DownWrite), at) == QUEUED {
            self.object.perform(Op::new(OpKind::AwaitWrite), at);
        }
    }
}

impl<T> fmt::Debug for RwSem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwSem").field("object", &self.object).finish_non_exhaustive()
    }
}

/// The held read side of a [`RwSem`] or an [`UnfairRwSem`](super::UnfairRwSem). Dropping it is
/// `up_read`.
#[must_use = "the read side is held only as long as its guard lives"]
pub struct ReadGuard<'a, T: Value> {
    object: &'a Object,
    data: ReadData<'a, T>,
    at: &'static Location<'static>,
}

impl<'a, T: Value> ReadGuard<'a, T> {
    pub(super) fn new(
        object: &'a Object,
        data: ReadData<'a, T>,
        at: &'static Location<'static>,
    ) -> Self {
        Self { object, data, at }
    }

    /// `up_read`: releases the read side.
    #[track_caller]
    pub fn up_read(mut self) {
        self.at = Location::caller();
    }
}

impl<T: Value> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.get()
    }
}

impl<T: Value> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        let looked = self.data.looked();
        self.data.close();
        if !unwinding() {
            if looked {
                self.object.observe_use(self.at);
            }
            self.object.perform(Op::new(OpKind::UpRead), self.at);
            self.object.finish_unlock(self.at);
        }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadGuard").field(&**self).finish()
    }
}

/// The held write side of a [`RwSem`] or an [`UnfairRwSem`](super::UnfairRwSem). Dropping it is
/// `up_write`.
#[must_use = "the write side is held only as long as its guard lives"]
pub struct WriteGuard<'a, T: Value> {
    object: &'a Object,
    data: WriteData<RwLockWriteGuard<'a, T>>,
    at: &'static Location<'static>,
}

impl<'a, T: Value> WriteGuard<'a, T> {
    pub(super) fn new(
        object: &'a Object,
        data: WriteData<RwLockWriteGuard<'a, T>>,
        at: &'static Location<'static>,
    ) -> Self {
        Self { object, data, at }
    }

    /// `up_write`: releases the write side.
    #[track_caller]
    pub fn up_write(mut self) {
        self.at = Location::caller();
    }
}

impl<T: Value> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.get()
    }
}

impl<T: Value> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T: Value> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        let looked = self.data.looked();
        let value = self.data.close();
        if !unwinding() {
            if looked {
                self.object.observe_use(self.at);
            }
            self.object.perform(Op::with(OpKind::UpWrite, value), self.at);
            self.object.finish_unlock(self.at);
        }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(&**self).finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Read,
    Write,
}

#[derive(Clone)]
struct State {
    holders: Holders,
    queue: SmallVec<[(ThreadId, Side); 4]>,
}

impl State {
    /// Returns whether a thread can take `side` with `ahead` waiting before it.
    fn free(&self, side: Side, ahead: &[(ThreadId, Side)]) -> bool {
        match side {
            Side::Read => {
                self.holders.writer.is_none() && ahead.iter().all(|(_, s)| *s == Side::Read)
            }
            Side::Write => !self.holders.is_held() && ahead.is_empty(),
        }
    }

    fn take(&mut self, me: ThreadId, side: Side) -> u64 {
        match side {
            Side::Read => self.holders.read(me),
            Side::Write => self.holders.write(me),
        }
    }

    fn place(&self, me: ThreadId) -> usize {
        self.queue.iter().position(|(t, _)| *t == me).expect("queued by down_read or down_write")
    }

    fn down(&mut self, me: ThreadId, side: Side) -> u64 {
        if self.free(side, &self.queue) {
            return self.take(me, side);
        }
        self.queue.push((me, side));
        QUEUED
    }

    fn try_down(&mut self, me: ThreadId, side: Side) -> u64 {
        if self.free(side, &self.queue) { self.take(me, side) } else { REFUSED }
    }

    fn is_granted(&self, me: ThreadId) -> bool {
        let place = self.place(me);
        self.free(self.queue[place].1, &self.queue[..place])
    }

    fn granted(&mut self, me: ThreadId) -> u64 {
        let (_, side) = self.queue.remove(self.place(me));
        self.take(me, side)
    }
}

impl Machine for State {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::AwaitRead | OpKind::AwaitWrite => Ready::when(self.is_granted(me)),
            OpKind::AwaitReadKillable | OpKind::AwaitWriteKillable if !self.is_granted(me) => {
                Ready::NO.or_optional()
            }
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::DownRead => Ok(self.down(me, Side::Read)),
            OpKind::DownWrite => Ok(self.down(me, Side::Write)),
            OpKind::AwaitRead | OpKind::AwaitWrite => Ok(self.granted(me)),
            OpKind::AwaitReadKillable | OpKind::AwaitWriteKillable if self.is_granted(me) => {
                Ok(self.granted(me))
            }
            OpKind::AwaitReadKillable | OpKind::AwaitWriteKillable => {
                self.queue.remove(self.place(me));
                Ok(REFUSED)
            }
            OpKind::TryDownRead => Ok(self.try_down(me, Side::Read)),
            OpKind::TryDownWrite => Ok(self.try_down(me, Side::Write)),
            OpKind::UpRead => self.holders.up_read(me),
            OpKind::UpWrite => self.holders.up_write(me, op),
            OpKind::DowngradeWrite => {
                self.holders.up_write(me, op)?;
                self.holders.read(me);
                Ok(0)
            }
            other => unreachable!("{other} is not an operation of a rw_semaphore"),
        }
    }

    /// The holders and the threads queued before; a reader waits for writers only.
    fn blockers(&self, me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        let writes = matches!(op.kind, OpKind::AwaitWrite | OpKind::AwaitWriteKillable);
        let holders = self.holders.all().filter(|t| writes || Some(*t) == self.holders.writer);
        let ahead = &self.queue[..self.place(me)];
        let ahead = ahead.iter().filter(|(_, side)| writes || *side == Side::Write);
        holders.chain(ahead.map(|(t, _)| *t)).collect()
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        rename_queue(&mut self.queue, renaming);
        self.holders.rename(renaming);
        true
    }

    fn role(&self, thread: ThreadId) -> Role {
        let queued = self.queue.iter().find(|(waiter, _)| *waiter == thread);
        let mut role = self.holders.role(thread);
        role.push(queued.map_or(0, |(_, side)| 1 + u64::from(*side == Side::Write)));
        role
    }

    fn expose(&self, thread: ThreadId, role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        let queued = match role[2] {
            0 => None,
            1 => Some((thread, Side::Read)),
            _ => Some((thread, Side::Write)),
        };
        let queues = expose_in_queue(&self.queue, thread, queued);
        let each = self.holders.expose(thread, role).into_iter().flat_map(|holders| {
            queues.iter().map(move |queue| Self { holders: holders.clone(), queue: queue.clone() })
        });
        Some(variants(each, |state| state))
    }

    fn waits_for(&self, _me: ThreadId, _op: Op) -> WaitsFor {
        // If no thread holds it, the first in the queue can have it.
        WaitsFor::holders(self.holders.all())
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let thread = |t: ThreadId| t.index() as u64 + 1;
        self.holders.encode(key);
        key.push(self.queue.len() as u64);
        key.extend(self.queue.iter().map(|(t, s)| thread(*t) * 2 + u64::from(*s == Side::Write)));
    }

    fn leaked(&self) -> bool {
        self.is_held()
    }

    fn is_held(&self) -> bool {
        self.holders.is_held()
    }
}
