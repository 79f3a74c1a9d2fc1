//! The CPU of a thread: what runs there, and which interrupts may arrive.
//!
//! Each thread has a CPU of its own. Whether interrupts are enabled there follows from what the
//! thread has done, so it is part of the local state and no object has it.

/// What runs on a CPU. A context is interrupted by a greater one only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Context {
    /// A thread.
    #[default]
    Task,
    /// A soft interrupt: a timer, a tasklet.
    Softirq,
    /// A hard interrupt, during which interrupts are disabled.
    Hardirq,
}

/// The state of a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cpu {
    pub(crate) context: Context,
    /// Whether interrupts are enabled, apart from `saved`.
    pub(crate) interrupts: bool,
    /// How often interrupts are saved and disabled by a lock that was taken without a guard.
    pub(crate) saved: u32,
    /// How often bottom halves are disabled.
    pub(crate) bh_disabled: u32,
    /// How often preemption is disabled.
    pub(crate) preempt_disabled: u32,
    /// The number of locks held for which another thread spins.
    pub(crate) spinning: u32,
    /// The callbacks of RCU that may arrive until the last of these locks is released, as a set of
    /// threads, once the thread has looked.
    pub(crate) due: Option<u64>,
    /// Whether it handles what only ever runs on an idle CPU here: a callback of an RCU domain that
    /// a thread has made.
    pub(crate) idle_before: bool,
}

impl Default for Cpu {
    fn default() -> Self {
        Self {
            context: Context::Task,
            interrupts: true,
            saved: 0,
            bh_disabled: 0,
            preempt_disabled: 0,
            spinning: 0,
            due: None,
            idle_before: false,
        }
    }
}

impl Cpu {
    /// Returns whether an interrupt of this kind may arrive. Soft interrupts run when a hard one
    /// returns, so they need hard interrupts enabled too.
    pub(crate) fn accepts(self, interrupt: Context) -> bool {
        let bottom_halves = interrupt == Context::Hardirq || self.bh_disabled == 0;
        self.interrupts && self.saved == 0 && bottom_halves && self.context < interrupt
    }

    /// Returns the CPU while it handles an interrupt of this kind.
    pub(crate) fn handling(self, interrupt: Context) -> Self {
        let interrupts = interrupt != Context::Hardirq;
        Self { context: interrupt, interrupts, saved: 0, ..self }
    }

    /// Returns what forbids to sleep, or to take a spinlock that sleeps, if nothing is held.
    pub(crate) fn forbids_sleep(self, spinlock: bool) -> Option<&'static str> {
        if !self.interrupts {
            Some("local_irq_disable")
        } else if self.preempt_disabled > 0 {
            Some("preempt_disable")
        } else if self.bh_disabled > 0 && !spinlock {
            Some("local_bh_disable")
        } else {
            None
        }
    }
}
