//! Condition variables: sleep until notified, with a mutex released meanwhile.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime;
use crate::runtime::object::Object;
use crate::sync::data::Value;

use super::MutexGuard;

/// The observation of a thread that has slept and carries over nothing else from its wait.
const SLEPT: u64 = u64::MAX;

/// The reply of a sleep that a timeout has ended.
const TIMED_OUT: u64 = 1;

/// `std`'s `Condvar`, POSIX's `pthread_cond_t`.
///
/// The rules are those of `pthread_cond_wait` and `pthread_cond_signal` in POSIX.1-2017. A waiter
/// may wake without a notification. As on a [`WaitQueue`](super::WaitQueue), that is explored, and
/// no thread may rely on it. `notify_one` wakes *any* one of the waiters. Each choice is explored,
/// so a deadlock that needs the wrong waiter to be woken is found. A notification without a waiter
/// is lost.
///
/// There is no time: the timeout of [`wait_timeout`](Self::wait_timeout) may expire at any moment,
/// and outside of any engine it expires at once. Unlike in POSIX, waiters on one condition variable
/// may use different mutexes.
///
/// # What is left out
///
/// There is no poisoning, since a panic ends an execution. A notification of a waiter is never
/// lost, which POSIX forbids too.
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

/// How a wait has ended.
pub(crate) struct Wake {
    /// Whether a notification was for it.
    pub(crate) notified: bool,
    /// Whether its time was up, before or after that.
    pub(crate) time_is_up: bool,
}

impl Condvar {
    /// Creates a condition variable without waiters, named after the event that is waited for.
    pub fn new(class: impl Into<Name>) -> Self {
        Self { object: Object::new(class, Box::new(State { waiting: SmallVec::new() })) }
    }

    /// Releases the mutex, sleeps until a notification or a spurious wake-up, and takes the mutex
    /// again.
    ///
    /// For a wait in a loop use [`wait_while`](Self::wait_while), which declares that nothing is
    /// carried over from one iteration to the next. Any other loop has a new state after each
    /// spurious wake-up, without end.
    #[doc(alias = "pthread_cond_wait")]
    #[track_caller]
    pub fn wait<'a, T: Value>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = guard.mutex();
        self.sleep(guard, OpKind::CondvarSleep);
        mutex.lock()
    }

    /// Calls [`wait`](Self::wait) repeatedly for as long as `condition` holds. The condition must
    /// be a function of the data, or else of the world, alone.
    #[track_caller]
    pub fn wait_while<'a, T: Value>(
        &self,
        mut guard: MutexGuard<'a, T>,
        condition: impl Fn(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        // As in `WaitQueue::wait_event_cmd`: each round starts from what the thread had observed
        // before the first, with the lock.
        let start = runtime::round();
        while condition(guard.look()) {
            let mutex = guard.mutex();
            self.sleep(guard, OpKind::CondvarSleep);
            runtime::come_round(start);
            runtime::observed(SLEPT);
            guard = mutex.lock();
        }
        guard
    }

    /// As [`wait`](Self::wait), but with a timeout. Returns whether the timeout expired.
    #[doc(alias = "pthread_cond_timedwait")]
    #[track_caller]
    pub fn wait_timeout<'a, T: Value>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> (MutexGuard<'a, T>, bool) {
        let mutex = guard.mutex();
        let timed_out = self.sleep(guard, OpKind::CondvarSleepTimeout) == TIMED_OUT;
        (mutex.lock(), timed_out)
    }

    /// Sleeps until a notification, or else until the wait ends by itself, or by a timeout if it
    /// `times_out`. Which of them it is, is decided at the beginning, which has fewer interleavings
    /// than a spurious wake-up at any moment and as many results. `release` releases the lock
    /// before the sleep, and the caller takes it again.
    #[track_caller]
    pub(crate) fn wait_as_decided(&self, times_out: bool, release: impl FnOnce()) -> Wake {
        let at = Location::caller();
        let begins = Op::with_two(OpKind::CondvarWait, 0, if times_out { 2 } else { 1 });
        let by_itself = self.object.perform(begins, at) == 1;
        release();
        if !times_out && !by_itself {
            self.object.perform(Op::new(OpKind::CondvarAwait), at);
            return Wake { notified: true, time_is_up: false };
        }
        let time_is_up = times_out && by_itself;
        let wakes = Op::with(OpKind::CondvarWakes, u64::from(time_is_up));
        let waited = self.object.perform(wakes, at) == 1;
        Wake { notified: !waited, time_is_up }
    }

    /// Wakes any one of the waiters.
    #[doc(alias = "pthread_cond_signal")]
    #[track_caller]
    pub fn notify_one(&self) {
        self.object.perform(Op::new(OpKind::NotifyOne), Location::caller());
    }

    /// Wakes every waiter.
    #[doc(alias = "pthread_cond_broadcast")]
    #[track_caller]
    pub fn notify_all(&self) {
        self.object.perform(Op::new(OpKind::NotifyAll), Location::caller());
    }

    /// POSIX makes it one step to release the mutex and to begin to wait: a thread that takes the
    /// mutex afterwards never notifies in vain. Here it is two: the thread begins to wait, then it
    /// unlocks. A thread that notifies in between has not taken the mutex since, so its
    /// notification could equally have come after both. glibc and `std` have this order too.
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
    /// The threads that wait and have not been woken. Sorted, since any of them may be next.
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
            OpKind::CondvarWait if op.b > 0 => Ready { guaranteed: 2, optional: 0 },
            OpKind::CondvarAwait => Ready::when(!self.waits(me)),
            OpKind::CondvarSleep if self.waits(me) => Ready::NO.or_optional(),
            // The timeout may expire in every state.
            OpKind::CondvarSleepTimeout if self.waits(me) => Ready::YES.or_optional(),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::CondvarWait => {
                self.waiting.push(me);
                self.waiting.sort_unstable();
                return Ok(u64::from(outcome));
            }
            // Only the dependency relation needs the thread that was woken.
            OpKind::NotifyOne if !self.waiting.is_empty() => {
                return Ok(self.waiting.remove(usize::from(outcome)).index() as u64 + 1);
            }
            OpKind::NotifyOne => {}
            OpKind::NotifyAll => {
                let waiters = self.waiting.iter().map(|waiter| waiter.mask());
                let waiters = waiters.fold(0, |all, waiter| all | waiter);
                self.waiting.clear();
                return Ok(waiters);
            }
            OpKind::CondvarAwait => {}
            OpKind::CondvarWakes => {
                let waited = self.waits(me);
                self.waiting.retain(|t| *t != me);
                return Ok(u64::from(waited));
            }
            OpKind::CondvarSleep => self.waiting.retain(|t| *t != me),
            OpKind::CondvarSleepTimeout => {
                let timed_out = self.waits(me) && outcome == 0;
                self.waiting.retain(|t| *t != me);
                return Ok(if timed_out { TIMED_OUT } else { 0 });
            }
            other => unreachable!("{other} is not an operation of a condition variable"),
        }
        Ok(0)
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        renaming.apply(&mut self.waiting);
        // The outcomes of a notification are numbered in the order of the names.
        self.waiting.len() <= 1
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.waiting.len() as u64);
        key.extend(self.waiting.iter().map(|t| t.index() as u64));
    }
}
