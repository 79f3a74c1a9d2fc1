//! An interrupt line, its handler, and the ways to keep it from running.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::cpu::Context;
use crate::declare;
use crate::name::Name;
use crate::operations::OpKind;
use crate::runtime::setting::preempt_rt;

use super::handler::{Handler, NEEDS_THREAD, UNBALANCED};
use super::line::{Frame, Line};

/// An interrupt line with the handler that a driver has requested for it.
///
/// The device raises the line ([`raise`](Self::raise)): a thread of the scenario that stands for
/// the device, or the driver where it starts the device. The handler then runs on some CPU, with
/// interrupts disabled there:
///
/// - on that of a thread with interrupts enabled, between two of its operations. The thread takes
///   no step until the handler returns, so a handler that takes a lock of the thread deadlocks;
/// - or on an idle CPU, beside every thread.
///
/// Each thread has a CPU of its own. [`SpinLock`](super::SpinLock) has the functions that take a
/// lock with interrupts enabled or disabled, and [`local_irq_disable`](super::local_irq_disable)
/// is the function without a lock. The rules are those of `kernel/irq/manage.c` and
/// `kernel/irq/chip.c`, v6.6: the handler of a line never runs on two CPUs at a time. A line that
/// is raised while its handler runs, or while it is disabled, is pending, and its handler runs once
/// afterwards (`handle_edge_irq`, `check_irq_resend`). A handler may not sleep.
///
/// lockdep predicts what the kernel's reports as "inconsistent lock state" and "safe -> unsafe lock
/// order": see [`lockdep`](crate::observe::lockdep).
///
/// # What is left out
///
/// - There is one handler for each line (no `IRQF_SHARED`), and no priority between lines. Another
///   line does not interrupt a hard interrupt.
/// - A thread that holds no lock for which others spin is not interrupted: the interrupt arrives on
///   an idle CPU while the thread takes no step. That differs only if another thread polls for the
///   interrupted one ([`poll`](crate::poll)) with such a lock held.
/// - A line that is made by a thread, and not with the world, only ever arrives on an idle CPU.
/// - Outside of any engine the handler runs in a thread of its own.
///
/// ```
/// use selvedge_core::sync::{Irq, SpinLock};
/// use selvedge_core::{Engine, Scenario, ViolationKind, in_world};
///
/// struct World {
///     lock: SpinLock<u32>,
///     rx: Irq,
/// }
/// let world = || World {
///     lock: SpinLock::new("rxlock", 0),
///     rx: Irq::request_irq("rx", in_world(|w: &World| *w.lock.spin_lock() += 1)),
/// };
/// Scenario::builder("example/irq", world)
///     .thread("device", |w| w.rx.raise())
///     .thread("work", |w| *w.lock.spin_lock() += 1)
///     .expect_violations([ViolationKind::deadlock(["rxlock"])])
///     .assert_as_expected(Engine::Native);
/// ```
pub struct Irq {
    line: Arc<Line>,
}

static HARD: Frame = Frame {
    interrupts: Some((Context::Hardirq, OpKind::IrqArrives)),
    begins: OpKind::IrqBegins,
    returns: OpKind::IrqReturns,
};

static THREADED: Frame =
    Frame { interrupts: None, begins: OpKind::IrqThreadBegins, returns: OpKind::IrqReturns };

/// On PREEMPT_RT the handlers are forced into threads (`irq_setup_forced_threading`).
fn hard_or_thread() -> &'static Frame {
    if preempt_rt() { &THREADED } else { &HARD }
}

impl Irq {
    /// `request_irq`: creates a line of lock class `class` that `handler` is requested for.
    ///
    /// `handler` receives the line. It must be a function of the world alone, and carries nothing
    /// over from one run to the next. [`in_world`](crate::in_world) makes one of a function of the
    /// world.
    #[track_caller]
    pub fn request_irq(
        class: impl Into<Name>,
        handler: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        Self::of(class, true, hard_or_thread(), handler)
    }

    /// `request_irq` with `IRQF_NO_THREAD`: as [`request_irq`](Self::request_irq), and on
    /// PREEMPT_RT the handler does not run in a thread either.
    #[doc(alias = "IRQF_NO_THREAD")]
    #[track_caller]
    pub fn request_irq_no_thread(
        class: impl Into<Name>,
        handler: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        Self::of(class, true, &HARD, handler)
    }

    /// `request_threaded_irq` without a primary handler: `handler` runs in a thread of its own,
    /// with interrupts enabled, and may sleep. The line is masked until it returns
    /// (`IRQF_ONESHOT`).
    #[track_caller]
    pub fn request_threaded_irq(
        class: impl Into<Name>,
        handler: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        Self::of(class, true, &THREADED, handler)
    }

    /// Creates a line of lock class `class` whose handler is not requested yet: raising it has no
    /// effect before [`request`](Self::request).
    #[track_caller]
    pub fn new(class: impl Into<Name>, handler: impl Fn(&Self) + Send + Sync + 'static) -> Self {
        Self::of(class, false, hard_or_thread(), handler)
    }

    #[track_caller]
    fn of(
        class: impl Into<Name>,
        requested: bool,
        frame: &'static Frame,
        handler: impl Fn(&Self) + Send + Sync + 'static,
    ) -> Self {
        let function = move |line: &Arc<Line>| handler(&Self { line: Arc::clone(line) });
        let machine = Box::new(Handler::new(requested));
        Self { line: Line::new(class.into(), machine, frame, Location::caller(), function) }
    }

    /// `request_irq`, of a line whose handler is not requested. Returns whether it was not; the
    /// kernel returns `-EBUSY` otherwise.
    #[doc(alias = "request_irq")]
    #[track_caller]
    pub fn request(&self) -> bool {
        self.line.perform(OpKind::RequestIrq, Location::caller()) == 1
    }

    /// The device raises the line.
    #[track_caller]
    pub fn raise(&self) {
        if self.line.perform(OpKind::RaiseIrq, Location::caller()) == NEEDS_THREAD {
            self.line.start_thread();
        }
    }

    /// `free_irq`: takes the handler off the line, and waits until it does not run.
    ///
    /// # Violations
    ///
    /// [`ViolationKind::DoubleRelease`](crate::ViolationKind::DoubleRelease) if there is none, for
    /// which the kernel warns.
    #[doc(alias = "devm_free_irq")]
    #[track_caller]
    pub fn free_irq(&self) {
        let at = Location::caller();
        self.line.perform(OpKind::FreeIrq, at);
        self.line.perform(OpKind::SynchronizeIrq, at);
    }

    /// `disable_irq`: disables the line, and waits until its handler does not run. "If you use this
    /// function while holding a resource the IRQ handler may need you will deadlock"
    /// (`kernel/irq/manage.c`). Disables nest.
    #[track_caller]
    pub fn disable_irq(&self) {
        let at = Location::caller();
        self.line.perform(OpKind::DisableIrq, at);
        self.line.perform(OpKind::SynchronizeIrq, at);
    }

    /// `disable_irq_nosync`: disables the line, and waits for nothing.
    #[track_caller]
    pub fn disable_irq_nosync(&self) {
        self.line.perform(OpKind::DisableIrq, Location::caller());
    }

    /// `enable_irq`: undoes one disable.
    ///
    /// # Violations
    ///
    /// The invariant `enable_irq` if the line is not disabled, for which the kernel warns
    /// ("Unbalanced enable").
    #[track_caller]
    pub fn enable_irq(&self) {
        let at = Location::caller();
        if self.line.perform(OpKind::EnableIrq, at) == UNBALANCED {
            declare::broken_at("enable_irq", "unbalanced enable".to_owned(), at);
        }
    }

    /// `synchronize_irq`: waits until the handler does not run.
    #[track_caller]
    pub fn synchronize_irq(&self) {
        self.line.perform(OpKind::SynchronizeIrq, Location::caller());
    }
}

impl fmt::Debug for Irq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Irq").field("object", &self.line.object).finish_non_exhaustive()
    }
}
