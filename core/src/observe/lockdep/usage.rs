//! The use of lock classes inside of interrupts, and where interrupts may arrive.
//!
//! A class that an interrupt waits for is *safe* in the kernel's words: it must never be held while
//! such an interrupt may arrive, since the interrupt would wait for the thread that it interrupts.
//! A class that is held while the interrupt may arrive is *unsafe*. So an unsafe class has a
//! dependency on each safe one: the thread that holds it may be interrupted by a wait for the
//! other. The three reports of the kernel are cycles with one such dependency. Of one class with
//! itself it is an *inconsistent lock state*. With others it is a *safe -> unsafe lock order*, or,
//! if the kernel has seen the order before the use, an *irq lock inversion*.
//!
//! The uses are those of `mark_usage` and `mark_held_locks` (`kernel/locking/lockdep.c`). A trylock
//! in an interrupt waits for nothing, so it makes no class safe.

use std::collections::BTreeMap;

use crate::cpu::{Context, Cpu};

use super::{ClassId, Edge, Mode, Taken};

/// The kinds of interrupt.
const INTERRUPTS: [Context; 2] = [Context::Hardirq, Context::Softirq];

/// A use of a class, the first of its kind.
#[derive(Clone, Debug)]
struct Use {
    mode: Mode,
    task: String,
    taken: Taken,
    /// Whether every such use is on a CPU that was idle before.
    idle_before: bool,
}

/// The uses of all classes, by the kind of the interrupt and whether the lock is read.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// The uses inside of an interrupt, which wait.
    inside: BTreeMap<(Context, ClassId, bool), Use>,
    /// The uses where an interrupt may arrive.
    open: BTreeMap<(Context, ClassId, bool), Use>,
}

impl Usage {
    /// Notes that the class is waited for on this CPU.
    pub(super) fn want(&mut self, cpu: Cpu, class: ClassId, mode: Mode, task: &str, taken: Taken) {
        if cpu.context != Context::Task {
            let key = (cpu.context, class, mode.shared());
            let idle_before = cpu.idle_before;
            let used = || Use { mode, task: task.to_owned(), taken, idle_before };
            let known = self.inside.entry(key).or_insert_with(used);
            known.idle_before &= idle_before;
        }
    }

    /// Notes that the class is held on this CPU.
    pub(super) fn hold(&mut self, cpu: Cpu, class: ClassId, mode: Mode, task: &str, taken: Taken) {
        for interrupt in INTERRUPTS.into_iter().filter(|interrupt| cpu.accepts(*interrupt)) {
            let used = || Use { mode, task: task.to_owned(), taken, idle_before: false };
            self.open.entry((interrupt, class, mode.shared())).or_insert_with(used);
        }
    }

    /// Adds the uses that another has observed; `class` returns the class of one of its own.
    pub(super) fn absorb(&mut self, other: &Self, mut class: impl FnMut(ClassId) -> ClassId) {
        let mut add = |to: &mut BTreeMap<_, Use>,
                       from: &BTreeMap<(Context, ClassId, bool), Use>| {
            for ((interrupt, theirs, shared), used) in from {
                let key = (*interrupt, class(*theirs), *shared);
                let known = to.entry(key).or_insert_with(|| used.clone());
                known.idle_before &= used.idle_before;
            }
        };
        add(&mut self.inside, &other.inside);
        add(&mut self.open, &other.open);
    }

    /// Returns the uses of a class as a report marks them (`get_usage_chars`): of hard interrupts
    /// and then of soft ones, to write and then to read. `-` is a use inside of the interrupt, `+`
    /// one where it may arrive, and `?` both.
    pub(super) fn marks(&self, class: ClassId) -> String {
        let kinds = INTERRUPTS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]);
        let mark = |(kind, shared): (Context, bool)| {
            let key = (kind, class, shared);
            match (self.inside.contains_key(&key), self.open.contains_key(&key)) {
                (true, true) => '?',
                (true, false) => '-',
                (false, true) => '+',
                (false, false) => '.',
            }
        };
        format!("{{{}}}", kinds.map(mark).collect::<String>())
    }

    /// Returns the dependencies of unsafe classes on safe ones.
    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> {
        self.open.iter().flat_map(move |((interrupt, from, _), held)| {
            let inside = self.inside.iter().filter(move |((kind, ..), _)| kind == interrupt);
            inside.map(move |((_, to, _), wanted)| Edge {
                from: *from,
                to: *to,
                held: held.mode,
                wanted: wanted.mode,
                task: held.task.clone(),
                held_at: held.taken,
                wanted_at: wanted.taken,
                interrupt: Some(*interrupt),
                nearest: true,
                arrives: !wanted.idle_before,
            })
        })
    }
}
