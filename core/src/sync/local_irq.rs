//! Whether interrupts arrive on the CPU of the running thread.

use crate::cpu::Context;
use crate::op::Op;
use crate::operations::OpKind;
use crate::runtime::interrupts::{arrive, begin_to_spin, change_cpu, cpu};

/// The way in which a spinning lock is taken: which interrupts it keeps off the CPU.
///
/// The numbers are those of [`form`](crate::operations::form).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keeps {
    /// `spin_lock`: none.
    Nothing = 0,
    /// `spin_lock_bh`: soft interrupts.
    BottomHalves = 1,
    /// `spin_lock_irq`: all, and its unlock enables them.
    Interrupts = 2,
    /// `spin_lock_irqsave`: all, and its unlock restores what was.
    Saved = 3,
}

/// What a lock has kept off the CPU, and what its unlock restores.
#[derive(Debug)]
pub(super) struct Kept {
    /// The way in which the lock was taken.
    way: Keeps,
    /// What that has kept off: nothing if the lock sleeps, as on PREEMPT_RT.
    keeps: Keeps,
    /// Whether interrupts were enabled before.
    before: bool,
}

impl Keeps {
    /// Returns the operation in the form that this way of taking the lock has.
    pub(super) fn form(self, kind: OpKind, a: u64) -> Op {
        Op::with_two(kind, a, self as u64)
    }

    /// Keeps the interrupts off, before the lock is taken; a lock that sleeps, as on PREEMPT_RT,
    /// keeps none off.
    pub(super) fn begin(self, sleeps: bool) -> Kept {
        let before = cpu().interrupts;
        let keeps = if sleeps { Self::Nothing } else { self };
        match keeps {
            Self::Nothing => {}
            Self::BottomHalves => local_bh_disable(),
            Self::Interrupts | Self::Saved => local_irq_disable(),
        }
        begin_to_spin();
        Kept { way: self, keeps, before }
    }
}

impl Kept {
    /// Returns the unlock in the form that goes with the way in which the lock was taken.
    pub(super) fn form(&self, kind: OpKind, a: u64) -> Op {
        self.way.form(kind, a)
    }

    /// Notes that the lock is taken.
    pub(super) fn taken(&self) {
        change_cpu(|cpu| cpu.spinning += 1);
    }

    /// Notes that the lock is released.
    pub(super) fn released(&self) {
        change_cpu(|cpu| cpu.spinning = cpu.spinning.saturating_sub(1));
    }

    /// Restores what was, after the unlock.
    pub(super) fn unlocked(&self) {
        self.released();
        self.end();
    }

    /// Restores what was, if the lock was not taken.
    pub(super) fn end(&self) {
        change_cpu(|cpu| match self.keeps {
            Keeps::Nothing => {}
            Keeps::BottomHalves => cpu.bh_disabled = cpu.bh_disabled.saturating_sub(1),
            Keeps::Interrupts => cpu.interrupts = true,
            Keeps::Saved => cpu.interrupts = self.before,
        });
    }
}

/// Notes that a lock was taken, or released, by `spin_lock_irqsave` without a guard.
pub(super) fn raw(taken: bool) {
    if taken {
        change_cpu(|cpu| cpu.saved += 1);
        begin_to_spin();
        change_cpu(|cpu| cpu.spinning += 1);
    } else {
        let less = |count: u32| count.saturating_sub(1);
        change_cpu(|cpu| (cpu.saved, cpu.spinning) = (less(cpu.saved), less(cpu.spinning)));
    }
}

/// `local_irq_disable`: keeps interrupts off the CPU of the running thread. Until they are enabled
/// the thread may not sleep.
///
/// ```
/// use selvedge_core::sync::{Mutex, local_irq_disable, local_irq_enable};
/// use selvedge_core::{Engine, Scenario, ViolationKind};
/// Scenario::builder("example/irqs", || Mutex::new("M", ()))
///     .thread("T", |m| {
///         local_irq_disable();
///         m.lock().unlock();
///         local_irq_enable();
///     })
///     .expect_violations([ViolationKind::sleep_in_atomic("M", "local_irq_disable")])
///     .assert_as_expected(Engine::Native);
/// ```
pub fn local_irq_disable() {
    arrive();
    change_cpu(|cpu| cpu.interrupts = false);
}

/// `local_irq_enable`: lets interrupts arrive again, whatever was before.
pub fn local_irq_enable() {
    change_cpu(|cpu| cpu.interrupts = true);
}

/// `local_irq_save`: as [`local_irq_disable`], and returns what was before.
#[must_use = "the flags are for `local_irq_restore`"]
pub fn local_irq_save() -> IrqFlags {
    let flags = IrqFlags(cpu().interrupts);
    local_irq_disable();
    flags
}

/// `local_irq_restore`: restores what [`local_irq_save`] returned.
pub fn local_irq_restore(flags: IrqFlags) {
    change_cpu(|cpu| cpu.interrupts = flags.0);
}

/// Whether interrupts were enabled: see [`local_irq_save`].
#[derive(Debug)]
pub struct IrqFlags(bool);

/// `local_bh_disable`: keeps soft interrupts off the CPU of the running thread. Disables nest, and
/// until the last is undone the thread may not sleep.
pub fn local_bh_disable() {
    arrive();
    change_cpu(|cpu| cpu.bh_disabled += 1);
}

/// `local_bh_enable`: undoes one [`local_bh_disable`].
pub fn local_bh_enable() {
    change_cpu(|cpu| cpu.bh_disabled = cpu.bh_disabled.saturating_sub(1));
}

/// `preempt_disable`: until it is undone, the running thread may not sleep. Disables nest.
pub fn preempt_disable() {
    change_cpu(|cpu| cpu.preempt_disabled += 1);
}

/// `preempt_enable`: undoes one [`preempt_disable`].
pub fn preempt_enable() {
    change_cpu(|cpu| cpu.preempt_disabled = cpu.preempt_disabled.saturating_sub(1));
}

/// `in_interrupt`: returns whether the running thread is in the handler of an interrupt, a tasklet
/// or a timer, or has disabled bottom halves.
#[doc(alias = "in_softirq")]
pub fn in_interrupt() -> bool {
    let cpu = cpu();
    cpu.context != Context::Task || cpu.bh_disabled > 0
}
