//! `rwlock_t`: readers and a writer that spin.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::RwLockWriteGuard;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, QUEUED, REFUSED, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime::object::{Object, unwinding};
use crate::runtime::setting::preempt_rt;
use crate::sync::data::{ReadData, SharedData, Value, WriteData};

use super::holders::Holders;
use super::local_irq::{Keeps, Kept, in_interrupt};

/// The kernel's `rwlock_t`, with the data it protects, as in `kernel/locking/qrwlock.c`.
///
/// A reader that finds a writer waiting queues behind it, so a thread that reads twice deadlocks as
/// soon as a writer arrives in between. A reader in an interrupt, or with bottom halves disabled
/// (`in_interrupt`), does not queue: it gets the lock "immediately if the writer is just waiting"
/// (`queued_read_lock_slowpath`). Waiters are served in order of arrival. No holder may sleep. The
/// functions that take the lock differ in the interrupts that they keep off the CPU, as those of
/// [`SpinLock`](super::SpinLock) do.
///
/// On PREEMPT_RT ([`preempt_rt`](crate::ScenarioBuilder::preempt_rt)) the lock sleeps, interrupts
/// stay enabled, and readers pass the writers that wait (`kernel/locking/rwbase_rt.c`).
///
/// # What is left out
///
/// A thread that finds the lock free takes it in the kernel even if others are about to be served;
/// here it queues behind them.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::RwLock;
/// let files = RwLock::new("ctl_files_rwlock", 0);
/// *files.write_lock_irqsave() += 1;
/// assert_eq!(*files.read_lock(), 1);
/// # });
/// ```
#[doc(alias = "rwlock_t")]
pub struct RwLock<T = ()> {
    object: Object,
    data: SharedData<T>,
    /// Whether it sleeps, as on PREEMPT_RT.
    sleeps: bool,
}

impl<T: Value> RwLock<T> {
    /// Creates a free lock of lock class `class` that protects `value`.
    #[doc(alias("rwlock_init", "DEFINE_RWLOCK"))]
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        let (data, id) = SharedData::new(value);
        let state = State { holders: Holders::none(id), queue: SmallVec::new() };
        Self { object: Object::new(class, Box::new(state)), data, sleeps: preempt_rt() }
    }

    /// `read_lock`: takes the read side, and leaves interrupts as they are.
    #[track_caller]
    pub fn read_lock(&self) -> ReadLockGuard<'_, T> {
        self.read(Keeps::Nothing, Location::caller())
    }

    /// `read_lock_bh`: the same, with bottom halves disabled.
    #[track_caller]
    pub fn read_lock_bh(&self) -> ReadLockGuard<'_, T> {
        self.read(Keeps::BottomHalves, Location::caller())
    }

    /// `read_lock_irq`: the same, with interrupts disabled. The unlock enables them.
    #[track_caller]
    pub fn read_lock_irq(&self) -> ReadLockGuard<'_, T> {
        self.read(Keeps::Interrupts, Location::caller())
    }

    /// `read_lock_irqsave`: the same, with interrupts disabled. The unlock restores what was.
    #[track_caller]
    pub fn read_lock_irqsave(&self) -> ReadLockGuard<'_, T> {
        self.read(Keeps::Saved, Location::caller())
    }

    /// `read_trylock`: takes the read side if no writer holds it or waits for it. Never waits.
    #[track_caller]
    pub fn read_trylock(&self) -> Option<ReadLockGuard<'_, T>> {
        let at = Location::caller();
        let kept = Keeps::Nothing.begin(false);
        match self.object.perform(Op::new(OpKind::TryReadLock), at) {
            REFUSED => None,
            _ => Some(self.reader(kept, at)),
        }
    }

    /// `write_lock`: takes the write side, and leaves interrupts as they are.
    #[track_caller]
    pub fn write_lock(&self) -> WriteLockGuard<'_, T> {
        self.write(Keeps::Nothing, Location::caller())
    }

    /// `write_lock_bh`: the same, with bottom halves disabled.
    #[track_caller]
    pub fn write_lock_bh(&self) -> WriteLockGuard<'_, T> {
        self.write(Keeps::BottomHalves, Location::caller())
    }

    /// `write_lock_irq`: the same, with interrupts disabled. The unlock enables them.
    #[track_caller]
    pub fn write_lock_irq(&self) -> WriteLockGuard<'_, T> {
        self.write(Keeps::Interrupts, Location::caller())
    }

    /// `write_lock_irqsave`: the same, with interrupts disabled. The unlock restores what was.
    #[track_caller]
    pub fn write_lock_irqsave(&self) -> WriteLockGuard<'_, T> {
        self.write(Keeps::Saved, Location::caller())
    }

    /// `write_trylock`: takes the write side if no thread holds either side or waits. Never waits.
    #[track_caller]
    pub fn write_trylock(&self) -> Option<WriteLockGuard<'_, T>> {
        let at = Location::caller();
        let kept = Keeps::Nothing.begin(false);
        match self.object.perform(Op::new(OpKind::TryWriteLock), at) {
            REFUSED => None,
            _ => Some(self.writer(kept, at)),
        }
    }

    fn read(&self, keeps: Keeps, at: Place) -> ReadLockGuard<'_, T> {
        let kept = keeps.begin(self.sleeps);
        if self.sleeps || in_interrupt() {
            self.object.perform(keeps.form(OpKind::ReadLockPassing, 0), at);
        } else if self.object.perform(keeps.form(OpKind::ReadLock, 0), at) == QUEUED {
            self.await_lock(&kept, OpKind::AwaitReadLock, at);
        }
        self.reader(kept, at)
    }

    fn write(&self, keeps: Keeps, at: Place) -> WriteLockGuard<'_, T> {
        let kept = keeps.begin(self.sleeps);
        if self.sleeps {
            self.object.perform(keeps.form(OpKind::WriteLockPassed, 0), at);
        } else if self.object.perform(keeps.form(OpKind::WriteLock, 0), at) == QUEUED {
            self.await_lock(&kept, OpKind::AwaitWriteLock, at);
        }
        self.writer(kept, at)
    }

    /// Waits in the queue. Others spin behind the thread there, as they do for a holder.
    fn await_lock(&self, kept: &Kept, wait: OpKind, at: Place) {
        kept.taken();
        self.object.perform(kept.form(wait, 0), at);
        kept.released();
    }

    fn reader(&self, kept: Kept, at: Place) -> ReadLockGuard<'_, T> {
        kept.taken();
        ReadLockGuard { lock: self, data: self.data.read(), kept, at }
    }

    fn writer(&self, kept: Kept, at: Place) -> WriteLockGuard<'_, T> {
        kept.taken();
        WriteLockGuard { lock: self, data: self.data.write(), kept, at }
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").field("object", &self.object).finish_non_exhaustive()
    }
}

/// The held read side of an [`RwLock`]. Dropping it is `read_unlock`, or the counterpart of the
/// function that took it.
#[must_use = "the read side is held only as long as its guard lives"]
pub struct ReadLockGuard<'a, T: Value> {
    lock: &'a RwLock<T>,
    data: ReadData<'a, T>,
    kept: Kept,
    at: Place,
}

impl<T: Value> ReadLockGuard<'_, T> {
    /// `read_unlock`, or the counterpart of the function that took it.
    #[doc(alias("read_unlock_bh", "read_unlock_irq", "read_unlock_irqrestore"))]
    #[track_caller]
    pub fn read_unlock(mut self) {
        self.at = Location::caller();
    }
}

impl<T: Value> Deref for ReadLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.get()
    }
}

impl<T: Value> Drop for ReadLockGuard<'_, T> {
    fn drop(&mut self) {
        let looked = self.data.looked();
        self.data.close();
        if !unwinding() {
            if looked {
                self.lock.object.observe_use(self.at);
            }
            let op = self.kept.form(OpKind::ReadUnlock, 0);
            self.lock.object.perform(op, self.at);
            self.kept.unlocked();
        }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for ReadLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadLockGuard").field(&**self).finish()
    }
}

/// The held write side of an [`RwLock`]. Dropping it is `write_unlock`, or the counterpart of the
/// function that took it.
#[must_use = "the write side is held only as long as its guard lives"]
pub struct WriteLockGuard<'a, T: Value> {
    lock: &'a RwLock<T>,
    data: WriteData<RwLockWriteGuard<'a, T>>,
    kept: Kept,
    at: Place,
}

impl<T: Value> WriteLockGuard<'_, T> {
    /// `write_unlock`, or the counterpart of the function that took it.
    #[doc(alias("write_unlock_bh", "write_unlock_irq", "write_unlock_irqrestore"))]
    #[track_caller]
    pub fn write_unlock(mut self) {
        self.at = Location::caller();
    }
}

impl<T: Value> Deref for WriteLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.get()
    }
}

impl<T: Value> DerefMut for WriteLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T: Value> Drop for WriteLockGuard<'_, T> {
    fn drop(&mut self) {
        let looked = self.data.looked();
        let value = self.data.close();
        if !unwinding() {
            if looked {
                self.lock.object.observe_use(self.at);
            }
            let op = self.kept.form(OpKind::WriteUnlock, value);
            self.lock.object.perform(op, self.at);
            self.kept.unlocked();
        }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for WriteLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteLockGuard").field(&**self).finish()
    }
}

/// The state of the lock.
#[derive(Clone)]
struct State {
    holders: Holders,
    /// The waiters in order of arrival, and whether each wants to write.
    queue: SmallVec<[(ThreadId, bool); 4]>,
}

impl State {
    /// Returns whether a thread that comes after the first `ahead` waiters can have the lock.
    fn free(&self, writes: bool, ahead: usize) -> bool {
        match writes {
            true => !self.holders.is_held() && ahead == 0,
            false => self.has_room_for_reader() && self.queue[..ahead].iter().all(|(_, w)| !w),
        }
    }

    fn has_room_for_reader(&self) -> bool {
        self.holders.writer.is_none()
    }

    fn take(&mut self, me: ThreadId, writes: bool) -> u64 {
        if writes { self.holders.write(me) } else { self.holders.read(me) }
    }

    fn lock(&mut self, me: ThreadId, writes: bool, otherwise: u64) -> u64 {
        if self.free(writes, self.queue.len()) {
            return self.take(me, writes);
        }
        if otherwise == QUEUED {
            self.queue.push((me, writes));
        }
        otherwise
    }

    /// Returns the number of waiters before `me`, which is one. If it has been interrupted while it
    /// waited, the interrupt waits behind it.
    fn ahead(&self, me: ThreadId) -> usize {
        self.queue.iter().rposition(|(waiter, _)| *waiter == me).expect("it is queued")
    }

    fn granted(&mut self, me: ThreadId) -> u64 {
        let (_, writes) = self.queue.remove(self.ahead(me));
        self.take(me, writes)
    }
}

impl Machine for State {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        Ready::when(match op.kind {
            OpKind::AwaitReadLock => self.free(false, self.ahead(me)),
            OpKind::AwaitWriteLock => self.free(true, self.ahead(me)),
            OpKind::ReadLockPassing => self.has_room_for_reader(),
            OpKind::WriteLockPassed => !self.holders.is_held(),
            _ => true,
        })
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::ReadLock => Ok(self.lock(me, false, QUEUED)),
            OpKind::WriteLock => Ok(self.lock(me, true, QUEUED)),
            OpKind::TryReadLock => Ok(self.lock(me, false, REFUSED)),
            OpKind::TryWriteLock => Ok(self.lock(me, true, REFUSED)),
            OpKind::AwaitReadLock | OpKind::AwaitWriteLock => Ok(self.granted(me)),
            OpKind::ReadLockPassing => Ok(self.take(me, false)),
            OpKind::WriteLockPassed => Ok(self.take(me, true)),
            OpKind::ReadUnlock => self.holders.up_read(me),
            OpKind::WriteUnlock => self.holders.up_write(me, op),
            other => unreachable!("{other} is not an operation of a rwlock_t"),
        }
    }

    /// The holders, and the waiters before; a reader waits for writers only.
    fn blockers(&self, me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        let writes = matches!(op.kind, OpKind::AwaitWriteLock | OpKind::WriteLockPassed);
        let queued = matches!(op.kind, OpKind::AwaitReadLock | OpKind::AwaitWriteLock);
        let holders = self.holders.all().filter(|t| writes || Some(*t) == self.holders.writer);
        let ahead = if queued { self.ahead(me) } else { 0 };
        let ahead = self.queue[..ahead].iter().filter(|(_, other)| writes || *other);
        holders.chain(ahead.map(|(t, _)| *t)).collect()
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        renaming.apply(self.queue.iter_mut().map(|(waiter, _)| waiter));
        self.holders.rename(renaming);
        true
    }

    fn encode(&self, key: &mut Vec<u64>) {
        self.holders.encode(key);
        key.push(self.queue.len() as u64);
        key.extend(self.queue.iter().map(|(t, w)| (t.index() as u64 + 1) * 2 + u64::from(*w)));
    }

    fn leaked(&self) -> bool {
        self.is_held()
    }

    fn is_held(&self) -> bool {
        self.holders.is_held()
    }
}
