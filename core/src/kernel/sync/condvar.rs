//! Condition variables, as `rust/kernel/sync/condvar.rs` (v6.15).

use std::ffi::c_ulong;
use std::fmt;
use std::panic::Location;

use super::lock::{Backend, Guard};
use crate::name::Name;
use crate::std::own;
use crate::sync::{self, Choice};

/// Creates a [`CondVar`](crate::kernel::sync::CondVar) without waiters, with a name or else that of
/// the line.
#[macro_export]
macro_rules! new_condvar {
    ($($name:literal)? $(,)?) => {
        $crate::kernel::sync::CondVar::new($crate::kernel_name!($($name)?))
    };
}

/// A condition variable: in the kernel a wait queue on which every waiter is exclusive.
///
/// The rules are those of its documentation: a wait may end without a notification, and
/// `notify_one` wakes one waiter. The kernel's wakes the first that sleeps
/// (`__wake_up_common`, `kernel/sched/wait.c`), and here any: what is proved holds for the first
/// one too, and a counterexample may need another. A notification without a waiter is lost.
///
/// A waiter that wakes in vain, in a loop that has only looked, does so again only when something
/// has changed. The lock of the guard is released while the thread sleeps, and is taken again
/// afterwards. Any other spinlock that is held is a sleep in atomic context.
///
/// A signal is pending or not when an interruptible wait ends, whatever has ended it. So a waiter
/// may consume a notification and return with a signal all the same.
///
/// ```
/// use selvedge_core::kernel::prelude::*;
/// use selvedge_core::kernel::sync::{Arc, CondVar, Mutex, new_condvar, new_mutex};
/// use selvedge_core::thread;
///
/// struct Example {
///     value: Mutex<u32>,
///     value_changed: CondVar,
/// }
///
/// fn wait_for_value(e: &Example, v: u32) {
///     let mut guard = e.value.lock();
///     while *guard != v {
///         e.value_changed.wait(&mut guard);
///     }
/// }
///
/// fn increment(e: &Example) {
///     *e.value.lock() += 1;
///     e.value_changed.notify_all();
/// }
///
/// selvedge_core::check(|| {
///     let init = pin_init!(Example {
///         value <- new_mutex!(0, "value"),
///         value_changed <- new_condvar!("value_changed"),
///     });
///     let e = Arc::pin_init(init, GFP_KERNEL).unwrap();
///     let other = e.clone();
///     let waiter = thread::spawn("waiter", move || wait_for_value(&other, 1));
///     increment(&e);
///     waiter.join();
/// });
/// ```
pub struct CondVar {
    condvar: sync::Condvar,
    signal: Choice,
}

/// A time in ticks.
pub type Jiffies = c_ulong;

/// How [`CondVar::wait_interruptible_timeout`] has ended. There is no time here: what is left is
/// all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CondVarTimeoutResult {
    /// The time was up.
    Timeout,
    /// The thread was woken.
    Woken {
        /// The time that is left.
        jiffies: Jiffies,
    },
    /// A signal is pending.
    Signal {
        /// The time that is left.
        jiffies: Jiffies,
    },
}

impl CondVar {
    /// Creates a condition variable without waiters.
    pub fn new(name: impl Into<Name>) -> Self {
        let name = name.into();
        Self { condvar: sync::Condvar::new(name), signal: Choice::new(format!("signal({name})")) }
    }

    /// Releases the lock, sleeps until a notification or a spurious wake-up, and takes the lock
    /// again.
    #[track_caller]
    pub fn wait<T: Send + 'static, B: Backend>(&self, guard: &mut Guard<'_, T, B>) {
        self.sleep(guard, false);
    }

    /// As [`wait`](Self::wait), and a signal ends the wait too. Returns whether one is pending.
    #[must_use = "the caller has to look whether a signal is pending"]
    #[track_caller]
    pub fn wait_interruptible<T: Send + 'static, B: Backend>(
        &self,
        guard: &mut Guard<'_, T, B>,
    ) -> bool {
        self.sleep(guard, false);
        self.signal_pending()
    }

    /// As [`wait_interruptible`](Self::wait_interruptible): nothing freezes here.
    #[must_use = "the caller has to look whether a signal is pending"]
    #[track_caller]
    pub fn wait_interruptible_freezable<T: Send + 'static, B: Backend>(
        &self,
        guard: &mut Guard<'_, T, B>,
    ) -> bool {
        self.wait_interruptible(guard)
    }

    /// As [`wait_interruptible`](Self::wait_interruptible), and the time may be up at any moment,
    /// also that of a thread that was notified just before.
    #[must_use = "the caller has to look whether a signal is pending"]
    #[track_caller]
    pub fn wait_interruptible_timeout<T: Send + 'static, B: Backend>(
        &self,
        guard: &mut Guard<'_, T, B>,
        jiffies: Jiffies,
    ) -> CondVarTimeoutResult {
        let time_is_up = self.sleep(guard, true);
        match (time_is_up, self.signal_pending()) {
            (_, true) => CondVarTimeoutResult::Signal { jiffies },
            (true, false) => CondVarTimeoutResult::Timeout,
            (false, false) => CondVarTimeoutResult::Woken { jiffies },
        }
    }

    /// Wakes one of the waiters.
    #[track_caller]
    pub fn notify_one(&self) {
        self.condvar.notify_one();
    }

    /// As [`notify_one`](Self::notify_one): that the thread is about to sleep is a hint for the
    /// scheduler.
    #[track_caller]
    pub fn notify_sync(&self) {
        self.condvar.notify_one();
    }

    /// Wakes every waiter.
    #[track_caller]
    pub fn notify_all(&self) {
        self.condvar.notify_all();
    }

    /// Returns whether the time was up.
    #[track_caller]
    fn sleep<T: Send + 'static, B: Backend>(
        &self,
        guard: &mut Guard<'_, T, B>,
        times_out: bool,
    ) -> bool {
        let (at, condvar) = (Location::caller(), std::ptr::from_ref(self).addr());
        let wake = self.condvar.wait_as_decided(times_out, || {
            guard.release(at);
            own::waits(condvar, times_out, at);
        });
        guard.relock();
        wake.time_is_up
    }

    #[track_caller]
    fn signal_pending(&self) -> bool {
        self.signal.choose(2) == 1
    }
}

impl fmt::Debug for CondVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.condvar, f)
    }
}
