//! Interrupts that arrive on the CPU of a thread, between two of its operations.
//!
//! The handler runs in the interrupted thread, as a call that the thread does not know of: it takes
//! the place of the thread, which is in the same local state afterwards. While it waits, so does
//! the thread, so a wait for a lock of the thread is a wait of the thread for itself.
//!
//! A thread is interrupted only while it holds a lock for which others spin. An interrupt at any
//! other point is equivalent to one on an idle CPU during which the thread takes no step, and each
//! source of interrupts has an idle CPU: a thread of its own.

use std::sync::{Arc, Weak};

use smallvec::SmallVec;

use crate::cpu::{Context, Cpu};
use crate::op::ThreadId;

use super::setting::setting;
use super::{come_round, round};

/// What interrupts threads: an interrupt line, a timer, a tasklet, the callbacks of RCU.
pub(crate) trait Source: Send + Sync {
    /// Returns the kind of its interrupts.
    fn context(&self) -> Context;

    /// Returns the callbacks of RCU that may arrive in the running thread until it releases the
    /// spinning locks that it holds, as a set of their threads.
    fn due(&self) -> u64 {
        0
    }

    /// Lets the interrupt arrive in the running thread, or not, and returns whether it has.
    fn arrives(&self) -> bool;
}

type Sources = SmallVec<[Arc<dyn Source>; 2]>;

/// The CPUs of one execution, and what interrupts them.
#[derive(Default)]
pub(crate) struct Interrupts {
    cpus: Vec<Cpu>,
    /// The sources that were made with the world, in this order. That others exist is no part of
    /// the local state of a thread.
    sources: Vec<Weak<dyn Source>>,
}

impl Interrupts {
    fn cpu(&self, thread: ThreadId) -> Cpu {
        self.cpus.get(thread.index()).copied().unwrap_or_default()
    }

    fn set_cpu(&mut self, thread: ThreadId, cpu: Cpu) {
        let least = self.cpus.len().max(thread.index() + 1);
        self.cpus.resize(least, Cpu::default());
        self.cpus[thread.index()] = cpu;
    }

    /// Returns the sources of which `thread` accepts interrupts. That which makes the world and
    /// checks it accepts none.
    fn accepted(&self, thread: ThreadId) -> Sources {
        if thread == ThreadId::SETUP {
            return Sources::new();
        }
        let cpu = self.cpu(thread);
        let sources = self.sources.iter().filter_map(Weak::upgrade);
        sources.filter(|source| cpu.accepts(source.context())).collect()
    }

    /// Returns the sources of which an interrupt may arrive in `thread`.
    fn arriving(&self, thread: ThreadId) -> Sources {
        if self.cpu(thread).spinning == 0 { Sources::new() } else { self.accepted(thread) }
    }
}

/// Adds a source of interrupts, if the world is being made, and returns whether it is.
pub(crate) fn add_source(source: Weak<dyn Source>) -> bool {
    let added = setting(|setting, _, me| {
        let making = me == ThreadId::SETUP;
        if making {
            setting.interrupts.sources.push(source);
        }
        making
    });
    added.unwrap_or(false)
}

/// Returns the CPU of the running thread. Outside of the threads of a scenario nothing arrives.
pub(crate) fn cpu() -> Cpu {
    setting(|setting, _, me| setting.interrupts.cpu(me)).unwrap_or_default()
}

/// Changes the CPU of the running thread, and returns what `change` returns.
pub(crate) fn change_cpu<R>(change: impl FnOnce(&mut Cpu) -> R) -> R {
    let mut cpu = cpu();
    let result = change(&mut cpu);
    setting(|setting, observers, me| {
        if me != ThreadId::SETUP {
            setting.interrupts.set_cpu(me, cpu);
            observers.set_cpu(me, cpu);
        }
    });
    result
}

/// Runs `function` as the handler of an interrupt on the CPU of the running thread.
pub(crate) fn handle(interrupt: Context, function: impl FnOnce()) {
    let before = change_cpu(|cpu| std::mem::replace(cpu, cpu.handling(interrupt)));
    function();
    change_cpu(|cpu| *cpu = before);
}

/// Notes that the running thread begins to spin for a lock. From here on it delays the grace
/// periods that begin.
pub(crate) fn begin_to_spin() {
    if cpu().spinning > 0 {
        return;
    }
    match setting(|setting, _, me| setting.interrupts.accepted(me)) {
        Some(sources) if !sources.is_empty() => look(&sources),
        // The thread looks where interrupts may arrive.
        _ => change_cpu(|cpu| cpu.due = None),
    }
}

/// Notes which callbacks of RCU may arrive in the running thread.
fn look(sources: &[Arc<dyn Source>]) {
    let due = sources.iter().fold(0, |all, source| all | source.due());
    change_cpu(|cpu| cpu.due = Some(due));
}

/// Lets the interrupts arrive that may arrive in the running thread now: before an operation, and
/// before some of them may not arrive any more.
pub(crate) fn arrive() {
    let arriving = || setting(|setting, _, me| setting.interrupts.arriving(me));
    while let Some(sources) = arriving().filter(|sources| !sources.is_empty()) {
        if cpu().due.is_none() {
            look(&sources);
        }
        // Whatever has not arrived in this pass may arrive in the next, after the one that has.
        let before = round();
        if !sources.iter().any(|source| source.arrives()) {
            return;
        }
        come_round(before);
    }
}
