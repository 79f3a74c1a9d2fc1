//! The waiters of a wait queue, as `kernel/sched/wait.c` treats them.

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready, Role};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;

use super::hidden::{Named, expose_in_queue, rename_queue, variants};

/// The reply of a sleep that a signal or a timeout has ended.
pub(super) const CUT_SHORT: u64 = 1;

/// The argument of a sleep with a timeout whose caller asks for the time that was left.
pub(super) const REPLIES_TIME: u64 = 1;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    thread: ThreadId,
    exclusive: bool,
    /// Whether it sleeps and has not been woken.
    sleeps: bool,
}

impl Named for Waiter {
    fn thread(&mut self) -> &mut ThreadId {
        &mut self.thread
    }
}

/// The waiters of a queue.
#[derive(Clone, Default)]
pub(super) struct Waiters {
    /// The queued threads, from the head. A thread that is not queued runs.
    waiting: SmallVec<[Waiter; 4]>,
}

impl Waiters {
    fn place(&self, me: ThreadId) -> Option<usize> {
        self.waiting.iter().position(|waiter| waiter.thread == me)
    }

    fn sleeps(&self, me: ThreadId) -> bool {
        self.place(me).is_some_and(|place| self.waiting[place].sleeps)
    }

    fn prepare(&mut self, me: ThreadId, exclusive: bool) {
        let waiter = Waiter { thread: me, exclusive, sleeps: true };
        match self.place(me) {
            Some(place) => self.waiting[place] = waiter,
            None if exclusive => self.waiting.push(waiter),
            None => self.waiting.insert(0, waiter),
        }
    }

    /// Goes through the queue until `nr` exclusive waiters have been woken.
    fn wake(&mut self, mut nr: u64) {
        self.waiting.retain(|waiter| {
            let wakes = waiter.sleeps && nr > 0;
            nr -= u64::from(wakes && waiter.exclusive);
            !wakes
        });
    }

    /// The thread wakes without a wake-up of the queue, in which it stays.
    fn wake_alone(&mut self, thread: ThreadId) {
        if let Some(place) = self.place(thread) {
            self.waiting[place].sleeps = false;
        }
    }
}

impl Machine for Waiters {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::SleepTimeout if !self.sleeps(me) => {
                Ready { guaranteed: 1 + u8::from(op.a == REPLIES_TIME), optional: 0 }
            }
            kind if !kind.row().wakes_spuriously || !self.sleeps(me) => Ready::YES,
            OpKind::Sleep => Ready::NO.or_optional(),
            // The timeout may expire in every state.
            OpKind::SleepTimeout => Ready::YES.or_optional(),
            _ => Ready::NO.or_optional().or_optional(),
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::PrepareToWait => self.prepare(me, false),
            OpKind::PrepareToWaitExclusive => self.prepare(me, true),
            OpKind::FinishWait => self.waiting.retain(|waiter| waiter.thread != me),
            OpKind::WakeOne => self.wake(1),
            OpKind::WakeNr if op.a > 0 => self.wake(op.a),
            OpKind::WakeAll | OpKind::WakeNr => self.wake(u64::MAX),
            OpKind::TryToWakeUp => {
                let woken = ThreadId::new(op.a as usize);
                let slept = self.sleeps(woken);
                self.wake_alone(woken);
                return Ok(u64::from(slept));
            }
            OpKind::WaitqueueActive => return Ok(u64::from(!self.waiting.is_empty())),
            kind if kind.row().wakes_spuriously => {
                let cut_short = match self.sleeps(me) {
                    true => kind != OpKind::Sleep && outcome == 0,
                    false => outcome == 1,
                };
                self.wake_alone(me);
                return Ok(if cut_short { CUT_SHORT } else { 0 });
            }
            other => unreachable!("{other} is not an operation of a wait queue"),
        }
        Ok(0)
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        rename_queue(&mut self.waiting, renaming);
        // A wake-up is for one exclusive waiter, and how many are hidden is not known.
        let hidden = |waiter: &Waiter| waiter.thread == ThreadId::HIDDEN;
        !self.waiting.iter().any(|waiter| waiter.exclusive && hidden(waiter))
    }

    fn role(&self, thread: ThreadId) -> Role {
        let place = self.place(thread).map(|place| self.waiting[place]);
        place.iter().map(|waiter| u64::from(waiter.sleeps)).collect()
    }

    fn expose(&self, thread: ThreadId, role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        let waiter = |sleeps: &u64| Waiter { thread, exclusive: false, sleeps: *sleeps > 0 };
        let queues = expose_in_queue(&self.waiting, thread, role.first().map(waiter));
        Some(variants(queues, |waiting| Self { waiting }))
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.waiting.len() as u64);
        key.extend(self.waiting.iter().map(|Waiter { thread, exclusive, sleeps }| {
            thread.index() as u64 * 4 + u64::from(*exclusive) * 2 + u64::from(*sleeps)
        }));
    }
}
