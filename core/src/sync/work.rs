//! `struct work_struct`: a function that a worker runs later, and the wait for it.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::object::Object;
use crate::op::{Op, OpKind, ThreadId};

use super::again::spawn_again;

/// The work was on a queue already, or is being cancelled.
const NOT_QUEUED: u64 = 0;
/// The work was queued, and a worker knows of it.
const QUEUED: u64 = 1;
/// The work was queued, and nobody knows of it yet.
const QUEUED_FOR_NOBODY: u64 = 2;

/// The kernel's `struct work_struct`, on a queue of its own.
///
/// It is queued at most once, may be queued again while it runs, and never runs twice at a time.
/// Whoever flushes or cancels it waits for it, so with a lock held that the work wants it
/// deadlocks; lockdep predicts that, as the kernel's does.
///
/// ```
/// # selvedge_core::doctest(|| {
/// use selvedge_core::sync::{Mutex, Work};
/// use std::sync::Arc;
/// let resets = Arc::new(Mutex::new("q->lock", 0));
/// let work = Work::new("reset_work");
/// let count = Arc::clone(&resets);
/// assert!(work.queue_work(move || *count.lock() += 1));
/// work.flush_work();
/// assert_eq!(*resets.lock(), 1);
/// # });
/// ```
pub struct Work {
    object: Arc<Object>,
}

impl Work {
    /// `INIT_WORK`: work of lock class `class` that is not queued.
    pub fn new(class: &'static str) -> Self {
        Self { object: Arc::new(Object::new(class, Box::new(State::default()))) }
    }

    /// `queue_work`, `schedule_work`: whether the work was queued now.
    ///
    /// Work has one function: whoever queues it says the same one. It must be a function of the
    /// world alone, and carries nothing over from one time to the next. A world is made with
    /// nothing queued.
    #[track_caller]
    pub fn queue_work(&self, function: impl Fn() + Send + 'static) -> bool {
        let at = Location::caller();
        let queued = self.object.perform(Op::new(OpKind::QueueWork), at);
        if queued == QUEUED_FOR_NOBODY {
            let turn = (OpKind::WorkBegins, OpKind::WorkReturns);
            spawn_again("worker", &self.object, at, turn, function);
        }
        queued != NOT_QUEUED
    }

    /// `flush_work`: waits until the work is done that is queued or runs now.
    #[track_caller]
    pub fn flush_work(&self) {
        self.wait(OpKind::FlushWork, Location::caller());
    }

    /// `cancel_work_sync`: takes the work off its queue, if it is on it, and waits until it does not
    /// run. Nobody can queue it meanwhile.
    #[track_caller]
    pub fn cancel_work_sync(&self) {
        self.wait(OpKind::CancelWorkSync, Location::caller());
    }

    fn wait(&self, kind: OpKind, at: &'static Location<'static>) {
        if self.object.perform(Op::new(kind), at) > 0 {
            self.object.perform(Op::new(OpKind::AwaitWork), at);
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("object", &self.object).finish_non_exhaustive()
    }
}

/// Somebody who waits for the work.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    thread: ThreadId,
    /// How often the work has to return.
    returns: u8,
    cancels: bool,
}

#[derive(Clone, Default)]
struct State {
    queued: bool,
    running: bool,
    /// Whether there is a worker for it, or one that has not seen yet that there need not be.
    served: bool,
    /// Kept sorted.
    waiting: SmallVec<[Waiter; 2]>,
}

impl State {
    fn queue(&mut self) -> u64 {
        if self.queued || self.waiting.iter().any(|waiter| waiter.cancels) {
            return NOT_QUEUED;
        }
        self.queued = true;
        if std::mem::replace(&mut self.served, true) { QUEUED } else { QUEUED_FOR_NOBODY }
    }

    fn wait(&mut self, thread: ThreadId, cancels: bool) -> u64 {
        let returns = u8::from(self.queued) + u8::from(self.running);
        if returns > 0 {
            self.waiting.push(Waiter { thread, returns, cancels });
            self.waiting.sort_unstable();
        }
        u64::from(returns)
    }

    /// Takes the work off its queue; nobody waits for it there any more.
    fn cancel(&mut self) {
        self.queued = false;
        let left = u8::from(self.running);
        self.waiting.iter_mut().for_each(|waiter| waiter.returns = waiter.returns.min(left));
    }

    fn place(&self, me: ThreadId) -> usize {
        self.waiting.iter().position(|waiter| waiter.thread == me).expect("it has begun to wait")
    }
}

impl Machine for State {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::AwaitWork => Ready::when(self.waiting[self.place(me)].returns == 0),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _way: u8) -> Result<u64, Fault> {
        Ok(match op.kind {
            OpKind::QueueWork => self.queue(),
            OpKind::WorkBegins if self.queued => {
                self.queued = false;
                self.running = true;
                0
            }
            OpKind::WorkBegins => {
                self.served = false;
                REFUSED
            }
            OpKind::WorkReturns => {
                self.running = false;
                for waiter in &mut self.waiting {
                    waiter.returns = waiter.returns.saturating_sub(1);
                }
                0
            }
            OpKind::FlushWork => self.wait(me, false),
            OpKind::CancelWorkSync => {
                self.cancel();
                self.wait(me, true)
            }
            OpKind::AwaitWork => {
                self.waiting.remove(self.place(me));
                0
            }
            other => unreachable!("{other} is no operation of work"),
        })
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.queued, self.running, self.served].map(u64::from));
        key.push(self.waiting.len() as u64);
        let waiter =
            |w: &Waiter| [w.thread.index() as u64, u64::from(w.returns), u64::from(w.cancels)];
        key.extend(self.waiting.iter().flat_map(waiter));
    }
}
