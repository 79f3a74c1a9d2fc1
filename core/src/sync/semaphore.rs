//! `struct semaphore`: a count that waiters take in the order in which they came.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, QUEUED, REFUSED, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime::object::Object;

use super::Interrupted;

/// The reply to a queued `down` that was not granted: a signal came, or the time is up.
const NOT_GRANTED: u64 = 1;

/// The kernel's counting `struct semaphore`.
///
/// `up` hands the count to the waiter that has waited longest, so no later `down` overtakes it
/// (`kernel/locking/semaphore.c`, `__up`). Any thread may call `up`. lockdep does not track it, so
/// the search alone finds a deadlock on it.
///
/// # What is left out
///
/// The spinlock inside, which is never held while a thread waits.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::Semaphore;
/// let slots = Semaphore::new("slots", 1);
/// slots.down();
/// assert!(!slots.down_trylock());
/// slots.up();
/// # });
/// ```
#[doc(alias = "struct semaphore")]
pub struct Semaphore {
    object: Object,
}

impl Semaphore {
    /// Creates a semaphore with this count, named `class` (`sema_init`).
    #[doc(alias = "sema_init")]
    pub fn new(class: impl Into<Name>, count: u64) -> Self {
        let state = Count { count, waiting: SmallVec::new(), granted: SmallVec::new() };
        Self { object: Object::new(class, Box::new(state)) }
    }

    /// `down`: takes one of the count, and waits for it if there is none.
    #[track_caller]
    pub fn down(&self) {
        self.take(OpKind::AwaitDown);
    }

    /// `down_interruptible`: as [`down`](Self::down), but a signal ends the wait.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if a signal came before the count was handed over. The kernel returns
    /// `-EINTR`.
    #[track_caller]
    #[doc(alias = "down_killable")]
    pub fn down_interruptible(&self) -> Result<(), Interrupted> {
        if self.take(OpKind::AwaitDownInterruptible) { Ok(()) } else { Err(Interrupted) }
    }

    /// `down_timeout`: as [`down`](Self::down), but the wait has an end. Returns whether the count
    /// was handed over before. There is no time, so the wait can end at any moment.
    #[track_caller]
    pub fn down_timeout(&self) -> bool {
        self.take(OpKind::AwaitDownTimeout)
    }

    /// `down_trylock`: takes one of the count if there is one, and returns whether it has. The
    /// kernel returns 0 for that.
    #[track_caller]
    pub fn down_trylock(&self) -> bool {
        let reply = self.object.perform(Op::new(OpKind::DownTrylock), Location::caller());
        reply != REFUSED
    }

    /// `up`: hands one to the waiter that has waited longest, or adds it to the count.
    #[track_caller]
    pub fn up(&self) {
        self.object.perform(Op::new(OpKind::Up), Location::caller());
    }

    #[track_caller]
    fn take(&self, wait: OpKind) -> bool {
        let at = Location::caller();
        let queued = self.object.perform(Op::new(OpKind::Down), at) == QUEUED;
        !queued || self.object.perform(Op::new(wait), at) != NOT_GRANTED
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("object", &self.object).finish_non_exhaustive()
    }
}

/// The state of a semaphore.
#[derive(Clone)]
struct Count {
    count: u64,
    /// The waiters, in the order in which they came.
    waiting: SmallVec<[ThreadId; 2]>,
    /// The waiters to which `up` has handed one. Sorted.
    granted: SmallVec<[ThreadId; 2]>,
}

impl Count {
    /// Returns the waiter to which it hands one, if there is any.
    fn up(&mut self) -> Option<ThreadId> {
        if self.waiting.is_empty() {
            self.count += 1;
            return None;
        }
        let first = self.waiting.remove(0);
        self.granted.push(first);
        self.granted.sort_unstable();
        Some(first)
    }
}

impl Machine for Count {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        let granted = Ready::when(self.granted.contains(&me));
        match op.kind {
            OpKind::AwaitDown => granted,
            OpKind::AwaitDownInterruptible if granted == Ready::NO => granted.or_optional(),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        Ok(match op.kind {
            OpKind::Down if self.count == 0 => {
                self.waiting.push(me);
                QUEUED
            }
            OpKind::DownTrylock if self.count == 0 => REFUSED,
            OpKind::Down | OpKind::DownTrylock => {
                self.count -= 1;
                0
            }
            OpKind::AwaitDown | OpKind::AwaitDownInterruptible | OpKind::AwaitDownTimeout => {
                match self.granted.iter().position(|t| *t == me) {
                    Some(place) => {
                        self.granted.remove(place);
                        0
                    }
                    None => {
                        self.waiting.retain(|waiter| *waiter != me);
                        NOT_GRANTED
                    }
                }
            }
            OpKind::Up => self.up().map_or(0, ThreadId::mask),
            other => unreachable!("a semaphore has no operation {other}"),
        })
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        renaming.apply(self.waiting.iter_mut().chain(&mut self.granted));
        self.granted.sort_unstable();
        true
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.count, self.waiting.len() as u64, self.granted.len() as u64]);
        key.extend(self.waiting.iter().chain(&self.granted).map(|t| t.index() as u64));
    }
}
