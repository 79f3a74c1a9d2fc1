//! `struct tasklet_struct`: a function that runs in softirq.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::cpu::Context;
use crate::declare;
use crate::name::Name;
use crate::operations::OpKind;

use super::handler::{Handler, NEEDS_THREAD, UNBALANCED};
use super::line::{Frame, Line};

/// The kernel's `struct tasklet_struct`, and any other soft interrupt.
///
/// A tasklet that is scheduled runs in softirq: on the CPU of a thread that has interrupts and
/// bottom halves enabled, between two of its operations, or on an idle CPU. [`Irq`](super::Irq) has
/// the details, and what is left out. A hard interrupt may interrupt it. The rules are those of
/// `kernel/softirq.c`, v6.6: a tasklet is scheduled at most once, may be scheduled again while it
/// runs, and runs on one CPU at a time (`tasklet_action_common`). It may not sleep.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Atomic, Tasklet};
/// use std::sync::Arc;
/// let done = Arc::new(Atomic::new("done", 0));
/// let count = Arc::clone(&done);
/// let tasklet = Tasklet::new("tx_tasklet", move |_| _ = count.fetch_add(1));
/// tasklet.tasklet_schedule();
/// tasklet.tasklet_kill();
/// assert_eq!(done.load(), 1);
/// # });
/// ```
#[doc(alias("struct tasklet_struct", "softirq"))]
pub struct Tasklet {
    line: Arc<Line>,
}

static FRAME: Frame = Frame {
    interrupts: Some((Context::Softirq, OpKind::TaskletArrives)),
    begins: OpKind::TaskletBegins,
    returns: OpKind::TaskletReturns,
};

impl Tasklet {
    /// `tasklet_setup`: creates a tasklet of lock class `class` that runs `function`, of which the
    /// same is required as of that of an [`Irq`](super::Irq::request_irq).
    #[doc(alias("tasklet_setup", "tasklet_init", "DECLARE_TASKLET"))]
    #[track_caller]
    pub fn new(class: impl Into<Name>, function: impl Fn(&Self) + Send + Sync + 'static) -> Self {
        let function = move |line: &Arc<Line>| function(&Self { line: Arc::clone(line) });
        let machine = Box::new(Handler::new(true));
        Self { line: Line::new(class.into(), machine, &FRAME, Location::caller(), function) }
    }

    /// `tasklet_schedule`: schedules the tasklet, if it is not scheduled already.
    #[doc(alias("tasklet_hi_schedule", "raise_softirq"))]
    #[track_caller]
    pub fn tasklet_schedule(&self) {
        if self.line.perform(OpKind::TaskletSchedule, Location::caller()) == NEEDS_THREAD {
            self.line.start_thread();
        }
    }

    /// `tasklet_disable`: keeps the tasklet from running, and waits until it does not run. Disables
    /// nest. A tasklet that is scheduled meanwhile stays so.
    #[track_caller]
    pub fn tasklet_disable(&self) {
        let at = Location::caller();
        self.line.perform(OpKind::TaskletDisable, at);
        self.line.perform(OpKind::AwaitTasklet, at);
    }

    /// `tasklet_disable_nosync`: as [`tasklet_disable`](Self::tasklet_disable), and waits for
    /// nothing.
    #[track_caller]
    pub fn tasklet_disable_nosync(&self) {
        self.line.perform(OpKind::TaskletDisable, Location::caller());
    }

    /// `tasklet_enable`: undoes one disable.
    ///
    /// # Violations
    ///
    /// The invariant `tasklet_enable` if the tasklet is not disabled.
    #[track_caller]
    pub fn tasklet_enable(&self) {
        let at = Location::caller();
        if self.line.perform(OpKind::TaskletEnable, at) == UNBALANCED {
            declare::broken_at("tasklet_enable", "unbalanced enable".to_owned(), at);
        }
    }

    /// `tasklet_kill`: waits until the tasklet is not scheduled and does not run. It waits for good
    /// if the tasklet is scheduled and disabled. While it waits for the end of a run, scheduling
    /// the tasklet has no effect: it has taken `TASKLET_STATE_SCHED` (`kernel/softirq.c`, v6.6).
    #[track_caller]
    pub fn tasklet_kill(&self) {
        let at = Location::caller();
        self.line.perform(OpKind::TaskletKill, at);
        self.line.perform(OpKind::AwaitTaskletKill, at);
    }
}

impl fmt::Debug for Tasklet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasklet").field("object", &self.line.object).finish_non_exhaustive()
    }
}
