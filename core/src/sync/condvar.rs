//! Condition variables: sleep until notified, with a mutex released meanwhile.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime;
use crate::runtime::object::Object;
use crate::sync::data::Value;

use super::MutexGuard;

/// What a thread knows that has slept, and forgotten everything since it began to wait.
const SLEPT: u64 = u64::MAX;

/// What a sleep yields that the time has ended.
const TIMED_OUT: u64 = 1;

/// `std`'s `Condvar`, POSIX's `pthread_cond_t`.
///
/// The rules are those of `pthread_cond_wait` and `pthread_cond_signal` in POSIX.1-2017. A waiter
/// may wake without having been notified; as on a [`WaitQueue`](super::WaitQueue) that is explored,
/// and nobody may rely on it. To notify one is to wake *any* one of those who wait: each of them is
/// explored, so a deadlock that needs the wrong one to be woken is found. A notification that finds
/// nobody is lost.
///
/// There is no time: that of [`wait_timeout`](Self::wait_timeout) can be up at any moment, and outside
/// of any engine it is up at once. Unlike in POSIX, waiters on one condition variable may use different
/// mutexes.
///
/// # What is left out
///
/// Poisoning, since a panic ends an execution. That a notification is lost, which POSIX forbids, does not
/// happen.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Condvar, Mutex};
/// let (ready, condvar) = (Mutex::new("ready", false), Condvar::new("condvar"));
/// *ready.lock() = true;
/// condvar.notify_one();
/// let mut held = condvar.wait_while(ready.lock(), |ready| !*ready);
/// *held = false;
/// # });
/// ```
pub struct Condvar {
    object: Object,
}

impl Condvar {
    /// A condition variable that nobody waits for, named after what is waited for.
    pub fn new(class: &'static str) -> Self {
        Self { object: Object::new(class, Box::new(State { waiting: SmallVec::new() })) }
    }

    /// Releases the mutex and sleeps until notified, or until a spurious wake-up; then takes the
    /// mutex again.
    ///
    /// Whoever waits in a loop takes [`wait_while`](Self::wait_while), which says that nothing is
    /// carried over from one time to the next. Another loop is another state after each spurious
    /// wake-up, without end.
    #[track_caller]
    pub fn wait<'a, T: Value>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = guard.mutex();
        self.sleep(guard, OpKind::CondvarSleep);
        mutex.lock()
    }

    /// As [`wait`](Self::wait), again and again for as long as `condition` holds. It must be a
    /// function of the data, or else of the world, alone.
    #[track_caller]
    pub fn wait_while<'a, T: Value>(
        &self,
        mut guard: MutexGuard<'a, T>,
        condition: impl Fn(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        // As in `WaitQueue::wait_event_cmd`: each round starts from what was known before the
        // first, with the lock.
        let start = runtime::round();
        while condition(&mut guard) {
            let mutex = guard.mutex();
            self.sleep(guard, OpKind::CondvarSleep);
            runtime::come_round(start);
            runtime::observed(SLEPT);
            guard = mutex.lock();
        }
        guard
    }

    /// As [`wait`](Self::wait), but not for ever: whether the time is up.
    #[track_caller]
    pub fn wait_timeout<'a, T: Value>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> (MutexGuard<'a, T>, bool) {
        let mutex = guard.mutex();
        let timed_out = self.sleep(guard, OpKind::CondvarSleepTimeout) == TIMED_OUT;
        (mutex.lock(), timed_out)
    }

    /// Wakes one of those who wait, any of them.
    #[track_caller]
    pub fn notify_one(&self) {
        self.object.perform(Op::new(OpKind::NotifyOne), Location::caller());
    }

    /// Wakes everybody who waits.
    #[track_caller]
    pub fn notify_all(&self) {
        self.object.perform(Op::new(OpKind::NotifyAll), Location::caller());
    }

    /// To release the mutex and to begin to wait is one step, in that nobody who takes the mutex
    /// afterwards notifies in vain. Here it is two: the thread begins to wait, then it unlocks. If
    /// somebody notifies in between, he has not taken the mutex since, so he could as well have
    /// come after both. glibc and `std` do it in this order too.
    #[track_caller]
    fn sleep<T: Value>(&self, guard: MutexGuard<'_, T>, kind: OpKind) -> u64 {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::CondvarWait), at);
        guard.unlock();
        self.object.perform(Op::new(kind), at)
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    /// Who waits and has not been woken. Kept sorted: any of them may be next.
    waiting: SmallVec<[ThreadId; 4]>,
}

impl State {
    fn waits(&self, me: ThreadId) -> bool {
        self.waiting.contains(&me)
    }
}

impl Machine for State {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::NotifyOne => {
                let waiters = u8::try_from(self.waiting.len()).expect("a letter for each waiter");
                Ready { guaranteed: waiters.max(1), optional: 0 }
            }
            OpKind::CondvarSleep if self.waits(me) => Ready::NO.or_optional(),
            // Time passes, whatever else happens.
            OpKind::CondvarSleepTimeout if self.waits(me) => Ready::YES.or_optional(),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::CondvarWait => {
                self.waiting.push(me);
                self.waiting.sort_unstable();
            }
            // Only who looks for dependences wants to know whom.
            OpKind::NotifyOne if !self.waiting.is_empty() => {
                return Ok(self.waiting.remove(usize::from(outcome)).index() as u64 + 1);
            }
            OpKind::NotifyOne => {}
            OpKind::NotifyAll => self.waiting.clear(),
            OpKind::CondvarSleep => self.waiting.retain(|t| *t != me),
            OpKind::CondvarSleepTimeout => {
                let timed_out = self.waits(me) && outcome == 0;
                self.waiting.retain(|t| *t != me);
                return Ok(if timed_out { TIMED_OUT } else { 0 });
            }
            other => unreachable!("{other} is no operation of a condition variable"),
        }
        Ok(0)
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.waiting.len() as u64);
        key.extend(self.waiting.iter().map(|t| t.index() as u64));
    }
}
