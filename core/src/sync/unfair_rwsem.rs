//! A read-write semaphore that favours its readers, which the kernel does not have.
//!
//! It comes up where somebody would like to take the read side again while a writer waits: see
//! [`UnfairRwSem`]. It has no queue, so what keeps a thread waiting is nothing but who holds it.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use super::rwsem::{ReadGuard, WriteGuard};
use crate::data::{Data, KEEP, Value};
use crate::machine::{Fault, Machine, Ready};
use crate::object::Object;
use crate::op::{Op, OpKind, ThreadId};

/// A read-write semaphore whose readers pass every waiting writer.
///
/// A reader never waits for a writer that only waits, so a circle of threads that is closed by a
/// waiting writer with [`RwSem`](super::RwSem) is open here. The price is the writer's: a steady
/// stream of readers starves it.
///
/// ```
/// # selvedge_core::doctest(|| {
/// use selvedge_core::sync::UnfairRwSem;
/// let matrix = UnfairRwSem::new("matrix_rwsem", 0u64);
/// *matrix.down_write() = 1;
/// assert_eq!(*matrix.down_read(), 1);
/// # });
/// ```
pub struct UnfairRwSem<T = ()> {
    object: Object,
    data: Data<T>,
}

impl<T: Value> UnfairRwSem<T> {
    /// A free semaphore of lock class `class` that protects `value`.
    pub fn new(class: &'static str, value: T) -> Self {
        let (data, value) = Data::new(value);
        let state = State { writer: None, readers: SmallVec::new(), value };
        Self { object: Object::new(class, Box::new(state)), data }
    }

    /// Takes the read side as soon as nobody holds the write side.
    #[track_caller]
    pub fn down_read(&self) -> ReadGuard<'_, T> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::DownReadUnfair), at);
        ReadGuard::new(&self.object, self.data.read(), at)
    }

    /// Takes the write side as soon as nobody holds either side.
    #[track_caller]
    pub fn down_write(&self) -> WriteGuard<'_, T> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::DownWriteUnfair), at);
        WriteGuard::new(&self.object, self.data.write(), at)
    }
}

impl<T> fmt::Debug for UnfairRwSem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnfairRwSem").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    writer: Option<ThreadId>,
    /// A thread that holds the read side twice is here twice. Kept sorted.
    readers: SmallVec<[ThreadId; 4]>,
    value: u64,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(match op.kind {
            OpKind::DownReadUnfair => self.writer.is_none(),
            OpKind::DownWriteUnfair => self.writer.is_none() && self.readers.is_empty(),
            _ => true,
        })
    }

    fn apply(&mut self, me: ThreadId, op: Op, _way: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::DownReadUnfair => {
                self.readers.push(me);
                self.readers.sort_unstable();
                Ok(self.value)
            }
            OpKind::DownWriteUnfair => {
                self.writer = Some(me);
                Ok(self.value)
            }
            OpKind::UpRead => {
                let held = self.readers.iter().position(|t| *t == me).ok_or(Fault::NotOwner)?;
                self.readers.remove(held);
                Ok(0)
            }
            OpKind::UpWrite if self.writer == Some(me) => {
                self.writer = None;
                if op.a != KEEP {
                    self.value = op.a;
                }
                Ok(0)
            }
            OpKind::UpWrite => Err(Fault::NotOwner),
            other => unreachable!("{other} is no operation of an unfair rw_semaphore"),
        }
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let thread = |t: ThreadId| t.index() as u64 + 1;
        key.extend([self.writer.map_or(0, thread), self.value, self.readers.len() as u64]);
        key.extend(self.readers.iter().map(|t| thread(*t)));
    }

    fn left_behind(&self) -> bool {
        self.writer.is_some() || !self.readers.is_empty()
    }
}
