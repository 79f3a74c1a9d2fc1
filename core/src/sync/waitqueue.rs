//! `wait_queue_head_t`: sleep until woken, with spurious wake-ups.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use crate::data::Value;
use crate::machine::{Fault, Machine, Ready};
use crate::object::Object;
use crate::op::{Op, OpKind, ThreadId};
use crate::runtime;
use crate::sync::{Mutex, MutexGuard};

/// What a thread knows that has slept, and forgotten everything since it began to wait.
const SLEPT: u64 = u64::MAX;

/// The kernel's `wait_queue_head_t`.
///
/// A sleeper may wake without having been woken. Nobody may rely on that, so a state in which
/// only a spurious wake-up could help is a deadlock; but it is explored, so a waiter that does
/// not check its condition again is found out.
///
/// ```
/// # selvedge_core::doctest(|| {
/// use selvedge_core::sync::{Mutex, WaitQueue};
/// let busy = Mutex::new("matrix_dev->lock", false);
/// let wait = WaitQueue::new("kvm_busy");
/// wait.wait_event(|| !*busy.lock());
/// wait.wake_up_all();
/// # });
/// ```
pub struct WaitQueue {
    object: Object,
}

impl WaitQueue {
    /// An empty wait queue, named after what is waited for.
    pub fn new(class: &'static str) -> Self {
        Self { object: Object::new(class, Box::new(State { waiting: SmallVec::new() })) }
    }

    /// `wait_event`: sleeps until `condition` holds. It is looked at before the first sleep and
    /// after each wake-up, and must be a function of the world alone.
    #[track_caller]
    pub fn wait_event(&self, condition: impl Fn() -> bool) {
        let at = Location::caller();
        // Each round starts from what was known before the first: `condition` carries nothing
        // over. So any number of wake-ups in vain leads back to a state that was seen before.
        let start = runtime::history();
        loop {
            self.object.perform(Op::new(OpKind::PrepareToWait), at);
            if condition() {
                break;
            }
            self.object.perform(Op::new(OpKind::Sleep), at);
            runtime::rewind(start);
        }
        self.object.perform(Op::new(OpKind::FinishWait), at);
    }

    /// `wait_event_cmd` with a mutex that is released for as long as the thread sleeps, and held
    /// again at the end. `condition` must be a function of the world alone.
    #[track_caller]
    pub fn wait_event_cmd<'a, T: Value>(
        &self,
        mutex: &'a Mutex<T>,
        mut guard: MutexGuard<'a, T>,
        condition: impl Fn(&T) -> bool,
    ) -> MutexGuard<'a, T> {
        let at = Location::caller();
        let start = runtime::history();
        loop {
            self.object.perform(Op::new(OpKind::PrepareToWait), at);
            if condition(&guard) {
                break;
            }
            guard.unlock();
            self.object.perform(Op::new(OpKind::Sleep), at);
            // As in `wait_event`; but whoever has slept goes on with the lock.
            runtime::rewind(start);
            runtime::learnt(SLEPT);
            guard = mutex.lock();
        }
        self.object.perform(Op::new(OpKind::FinishWait), at);
        guard
    }

    /// `prepare_to_wait`: joins the queue. A wake-up from here on ends the next
    /// [`schedule`](Self::schedule) at once.
    #[track_caller]
    pub fn prepare_to_wait(&self) {
        self.object.perform(Op::new(OpKind::PrepareToWait), Location::caller());
    }

    /// `schedule` after [`prepare_to_wait`](Self::prepare_to_wait): sleeps until woken, or
    /// until a spurious wake-up.
    #[track_caller]
    pub fn schedule(&self) {
        self.object.perform(Op::new(OpKind::Sleep), Location::caller());
    }

    /// `finish_wait`: leaves the queue.
    #[track_caller]
    pub fn finish_wait(&self) {
        self.object.perform(Op::new(OpKind::FinishWait), Location::caller());
    }

    /// `wake_up`: wakes the waiter that has waited longest, if there is one.
    #[track_caller]
    pub fn wake_up(&self) {
        self.object.perform(Op::new(OpKind::WakeOne), Location::caller());
    }

    /// `wake_up_all`: wakes every waiter.
    #[track_caller]
    pub fn wake_up_all(&self) {
        self.object.perform(Op::new(OpKind::WakeAll), Location::caller());
    }

    /// Declares that this thread will wake the sleepers: it sets the flag they wait for.
    ///
    /// This changes nothing in what can happen. It tells the observers who is waited for, so
    /// that a deadlock over a flag names its whole cycle and the lock-order check sees the flag
    /// as the lock it is. The kernel's lockdep cannot; that is how the `kvm_busy` scheme of
    /// v5.13 passed it.
    #[track_caller]
    pub fn promise(&self) {
        self.object.observe_promise(true, Location::caller());
    }

    /// Declares that the promise is kept: the flag is clear.
    #[track_caller]
    pub fn fulfil(&self) {
        self.object.observe_promise(false, Location::caller());
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    /// Who waits, longest first, and whether it has been woken.
    waiting: SmallVec<[(ThreadId, bool); 4]>,
}

impl State {
    fn place(&self, me: ThreadId) -> Option<usize> {
        self.waiting.iter().position(|(t, _)| *t == me)
    }

    fn woken(&self, me: ThreadId) -> bool {
        // Whoever sleeps without being queued sleeps until a spurious wake-up.
        self.place(me).is_some_and(|place| self.waiting[place].1)
    }
}

impl Machine for State {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::Sleep if self.woken(me) => Ready::YES,
            OpKind::Sleep => Ready::NO.or_chance(),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _way: u8) -> Result<u64, Fault> {
        match op.kind {
            // A wake-up takes the waiter off the queue, so it comes back last; one that woke
            // spuriously has kept its place.
            OpKind::PrepareToWait if self.place(me).is_some() && !self.woken(me) => {}
            OpKind::PrepareToWait => {
                self.waiting.retain(|(t, _)| *t != me);
                self.waiting.push((me, false));
            }
            OpKind::FinishWait => {
                if let Some(place) = self.place(me) {
                    self.waiting.remove(place);
                }
            }
            OpKind::WakeOne => {
                if let Some(waiter) = self.waiting.iter_mut().find(|(_, woken)| !woken) {
                    waiter.1 = true;
                }
            }
            OpKind::WakeAll => self.waiting.iter_mut().for_each(|(_, woken)| *woken = true),
            OpKind::Sleep => {}
            other => unreachable!("{other} is no operation of a wait queue"),
        }
        Ok(0)
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.waiting.len() as u64);
        key.extend(self.waiting.iter().map(|(t, woken)| t.index() as u64 * 2 + u64::from(*woken)));
    }
}
