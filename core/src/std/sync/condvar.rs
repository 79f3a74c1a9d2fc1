//! Condition variables.

use std::fmt;
use std::panic::Location;
use std::sync::LockResult;
use std::time::Duration;

use super::MutexGuard;
use crate::name::Name;
use crate::std::own;
use crate::sync;

/// A condition variable, as [`std::sync::Condvar`], with the rules of [`sync::Condvar`]: a waiter
/// may wake without a notification, `notify_one` wakes any one, and a timeout may always expire.
///
/// A waiter that wakes in vain, in a loop that has only looked, does so again only when something
/// has changed.
///
/// ```
/// use selvedge_core::std::sync::{Arc, Condvar, Mutex};
/// use selvedge_core::std::thread;
///
/// selvedge_core::model(|| {
///     let shared = Arc::new((Mutex::new(false), Condvar::new()));
///     let other = Arc::clone(&shared);
///     let setter = thread::spawn(move || {
///         *other.0.lock().unwrap() = true;
///         other.1.notify_one();
///     });
///     let mut ready = shared.0.lock().unwrap();
///     while !*ready {
///         ready = shared.1.wait(ready).unwrap();
///     }
///     drop(ready);
///     setter.join().unwrap();
/// });
/// ```
pub struct Condvar {
    condvar: sync::Condvar,
}

/// Whether a wait ended because its time was up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Returns whether the time was up.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// Creates a condition variable without waiters.
    #[track_caller]
    pub fn new() -> Self {
        Self { condvar: sync::Condvar::new(Name::here()) }
    }

    /// Releases the mutex, sleeps until a notification or a spurious wake-up, and takes the mutex
    /// again.
    ///
    /// # Errors
    ///
    /// None: a panic of the holder has ended the execution.
    #[track_caller]
    pub fn wait<'a, T: Send>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        Ok(self.sleep(guard, false).0)
    }

    /// Waits for as long as `condition` holds, which only looks at the value.
    ///
    /// # Errors
    ///
    /// None, as for [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_while<'a, T: Send>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard.guard.look().value) {
            guard = self.sleep(guard, false).0;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), but the time may be up at any moment.
    ///
    /// # Errors
    ///
    /// None, as for [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_timeout<'a, T: Send>(
        &self,
        guard: MutexGuard<'a, T>,
        _limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, timed_out) = self.sleep(guard, true);
        Ok((guard, WaitTimeoutResult(timed_out)))
    }

    /// As [`wait_while`](Self::wait_while), but the time may be up at any moment.
    ///
    /// # Errors
    ///
    /// None, as for [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_timeout_while<'a, T: Send>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _limit: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        while condition(&mut guard.guard.look().value) {
            let (again, timed_out) = self.sleep(guard, true);
            guard = again;
            if timed_out {
                let timed_out = condition(&mut guard.guard.look().value);
                return Ok((guard, WaitTimeoutResult(timed_out)));
            }
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    /// Wakes any one of the waiters.
    #[track_caller]
    pub fn notify_one(&self) {
        self.condvar.notify_one();
    }

    /// Wakes every waiter.
    #[track_caller]
    pub fn notify_all(&self) {
        self.condvar.notify_all();
    }

    #[track_caller]
    fn sleep<'a, T: Send>(
        &self,
        guard: MutexGuard<'a, T>,
        times_out: bool,
    ) -> (MutexGuard<'a, T>, bool) {
        let (at, condvar) = (Location::caller(), std::ptr::from_ref(self).addr());
        let mutex = guard.guard.mutex();
        let wake = self.condvar.wait_as_decided(times_out, || {
            guard.guard.unlock_at(at);
            own::waits(condvar, times_out, at);
        });
        (MutexGuard { guard: mutex.lock() }, wake.time_is_up && !wake.notified)
    }
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.condvar, f)
    }
}
