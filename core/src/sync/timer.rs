//! `struct timer_list`: a function that runs when a timer expires, and the ways to prevent that.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::cpu::Context;
use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::setting::preempt_rt;

use super::line::{Frame, Line};

/// The kernel's `struct timer_list`, as in `kernel/time/timer.c`.
///
/// An armed timer may expire at any later moment, unless a thread deletes it before. Its function
/// runs in softirq, so it may not sleep: in a thread of its own, named after the timer, or on top
/// of a thread that holds a spinlock with bottom halves enabled (see [`Irq`](super::Irq)). As in
/// the kernel, it runs on one CPU at a time. Its thread begins when the timer is first armed and
/// idles between two runs; it may idle when the world ends. `del_timer_sync` waits for the
/// function, so it deadlocks if the caller holds a lock that the function takes. lockdep predicts
/// that, as the kernel's does.
///
/// The function may free the memory that the timer is in, and so may another thread once the
/// function has accessed it for the last time (`call_timer_fn` in `kernel/time/timer.c`).
///
/// # What is left out
///
/// There is no time: a timer that was armed for a later time may expire before one that was armed
/// for an earlier time.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Atomic, Timer};
/// use std::sync::Arc;
/// let flushes = Arc::new(Atomic::new("flushes", 0));
/// let count = Arc::clone(&flushes);
/// let timer = Timer::new("fq_timer", move |_| _ = count.fetch_add(1));
/// timer.mod_timer();
/// timer.del_timer_sync();
/// assert!(flushes.load() <= 1);
/// # });
/// ```
///
/// A timer often lives in the object that its function works on. The function looks the world up
/// with [`in_world`](crate::in_world), and a thread arms the timer once the object is made:
///
/// ```
/// use selvedge_core::sync::{SpinLock, Timer, Tracked};
/// use selvedge_core::{Engine, Scenario, in_world};
///
/// struct Device {
///     lock: SpinLock<u32>,
///     watchdog: Timer,
/// }
/// type World = Tracked<Device>;
/// fn expired(device: &World) {
///     *device.get().lock.spin_lock() += 1;
/// }
/// let world = || {
///     Tracked::with("device", || Device {
///         lock: SpinLock::new("device->lock", 0),
///         watchdog: Timer::new("watchdog", in_world(expired)),
///     })
/// };
/// Scenario::builder("example/watchdog", world)
///     .thread("probe and remove", |device: &World| {
///         device.get().watchdog.mod_timer();
///         device.get().watchdog.del_timer_sync();
///         device.release();
///     })
///     .expect_proof()
///     .assert_as_expected(Engine::Native);
/// ```
pub struct Timer {
    line: Arc<Line>,
}

static FRAME: Frame = Frame {
    interrupts: Some((Context::Softirq, OpKind::TimerArrives)),
    begins: OpKind::TimerExpires,
    returns: OpKind::TimerReturns,
};

static HRTIMER: Frame = Frame {
    interrupts: Some((Context::Hardirq, OpKind::HrtimerArrives)),
    begins: OpKind::HrtimerExpires,
    returns: OpKind::TimerReturns,
};

impl Timer {
    /// `timer_setup`: creates a timer of lock class `class` that is not armed and runs `function`.
    ///
    /// `function` receives the timer, to arm it again. It must be a function of the world alone,
    /// and carries nothing over from one run to the next. [`in_world`](crate::in_world) makes one
    /// of a function of the world; one that needs another object that contains the timer stores a
    /// [`Weak`](std::sync::Weak) to that ([`Arc::new_cyclic`]).
    #[doc(alias = "timer_setup")]
    #[track_caller]
    pub fn new(class: impl Into<Name>, function: impl Fn(&Self) + Send + Sync + 'static) -> Self {
        Self::of(class, &FRAME, function)
    }

    /// `hrtimer_setup`: creates a high-resolution timer, whose function runs in a hard interrupt,
    /// and on PREEMPT_RT in a softirq. Its functions have other names in the kernel:
    /// `hrtimer_start`, `hrtimer_cancel` and `hrtimer_try_to_cancel` are those of a timer here.
    #[doc(alias("hrtimer_setup", "hrtimer_init", "hrtimer_start", "hrtimer_cancel"))]
    #[track_caller]
    pub fn hrtimer(
        class: impl Into<Name>,
        function: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        Self::of(class, if preempt_rt() { &FRAME } else { &HRTIMER }, function)
    }

    /// As [`hrtimer`](Self::hrtimer), with `HRTIMER_MODE_HARD`: in a hard interrupt on PREEMPT_RT
    /// too.
    #[doc(alias = "HRTIMER_MODE_HARD")]
    #[track_caller]
    pub fn hrtimer_hard(
        class: impl Into<Name>,
        function: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        Self::of(class, &HRTIMER, function)
    }

    #[track_caller]
    fn of(
        class: impl Into<Name>,
        frame: &'static Frame,
        function: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        let state = State { pending: false, running: None, awaited: false, shutdown: false };
        let function = move |line: &Arc<Line>| function(&Self { line: Arc::clone(line) });
        Self { line: Line::new(class.into(), Box::new(state), frame, Location::caller(), function) }
    }

    /// `mod_timer`: arms the timer, if it is not armed already. A world may be created with armed
    /// timers.
    #[doc(alias("add_timer", "timer_reduce"))]
    #[track_caller]
    pub fn mod_timer(&self) {
        if self.line.perform(OpKind::ModTimer, Location::caller()) == 1 {
            self.line.start_thread();
        }
    }

    /// `del_timer`: deletes the timer, and returns whether it was armed. Its function may still
    /// run.
    #[doc(alias = "timer_delete")]
    #[track_caller]
    pub fn del_timer(&self) -> bool {
        self.line.perform(OpKind::DelTimer, Location::caller()) == 1
    }

    /// `del_timer_sync`: deletes the timer, waits until its function does not run, and returns
    /// whether it was armed.
    #[doc(alias = "timer_delete_sync")]
    #[track_caller]
    pub fn del_timer_sync(&self) -> bool {
        self.line.perform(OpKind::DelTimerSync, Location::caller()) == 1
    }

    /// `timer_shutdown_sync`: as [`del_timer_sync`](Self::del_timer_sync), and arming the timer has
    /// no effect from now on. According to `kernel/time/timer.c`, v6.2, the function may still arm
    /// it while it runs, and the timer is deleted with that.
    #[track_caller]
    pub fn timer_shutdown_sync(&self) -> bool {
        self.line.perform(OpKind::TimerShutdownSync, Location::caller()) == 1
    }

    /// `timer_shutdown`: as [`del_timer`](Self::del_timer), and arming the timer has no effect from
    /// now on. Its function may still run.
    #[track_caller]
    pub fn timer_shutdown(&self) -> bool {
        self.line.perform(OpKind::TimerShutdown, Location::caller()) == 1
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("object", &self.line.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    pending: bool,
    /// The thread that runs the function.
    running: Option<ThreadId>,
    /// Whether there is a thread that runs the function when the timer expires.
    awaited: bool,
    /// Whether the timer was shut down.
    shutdown: bool,
}

impl State {
    /// Returns whether the timer can expire now. Its function runs on one CPU at a time.
    fn is_due(&self) -> bool {
        self.pending && self.running.is_none()
    }

    fn delete(&mut self) -> u64 {
        u64::from(std::mem::replace(&mut self.pending, false))
    }
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        match op.kind {
            kind if kind.row().arrives => {
                Ready { guaranteed: 1 + u8::from(self.is_due()), optional: 0 }
            }
            OpKind::TimerExpires | OpKind::HrtimerExpires => Ready::when(self.is_due()),
            OpKind::DelTimerSync | OpKind::TimerShutdownSync => Ready::when(self.running.is_none()),
            _ => Ready::YES,
        }
    }

    fn idles(&self, op: Op) -> bool {
        matches!(op.kind, OpKind::TimerExpires | OpKind::HrtimerExpires) && !self.pending
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        Ok(match op.kind {
            OpKind::ModTimer if self.shutdown => 0,
            OpKind::ModTimer => {
                self.pending = true;
                u64::from(!std::mem::replace(&mut self.awaited, true))
            }
            kind if kind.row().arrives && outcome == 0 => REFUSED,
            kind if kind.row().interrupts.is_some() && self.pending => {
                self.pending = false;
                self.running = Some(me);
                0
            }
            OpKind::TimerExpires | OpKind::HrtimerExpires => {
                self.awaited = false;
                REFUSED
            }
            OpKind::TimerReturns => {
                self.running = None;
                0
            }
            OpKind::DelTimer | OpKind::DelTimerSync => self.delete(),
            OpKind::TimerShutdown | OpKind::TimerShutdownSync => {
                self.shutdown = true;
                self.delete()
            }
            other => unreachable!("{other} is not an operation of a timer"),
        })
    }

    fn blockers(&self, _me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        self.running.into_iter().collect()
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.pending, self.awaited, self.shutdown].map(u64::from));
        key.push(self.running.map_or(0, |thread| thread.index() as u64 + 1));
    }
}
