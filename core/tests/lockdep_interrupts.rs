//! The rows about interrupts of the table with which the kernel checks its own lockdep
//! (`lib/locking-selftest.c`, v6.16), applied to this one: `irqsafe1` to `irqsafe4`,
//! `irq_inversion` and `irq_read_recursion`, each in every order of its events. As there,
//! `read_lock` counts as recursive. `lockdep_selftest.rs` says where the other rows are.

use selvedge_core::observe::lockdep::{Context, Lockdep, Mode, Task};

/// A step of one task.
#[derive(Clone, Copy)]
enum Step {
    /// An interrupt begins, or returns.
    Enter,
    Exit,
    /// The task disables interrupts of the kind, or enables them.
    Disable,
    Enable,
    /// The same for hard interrupts.
    DisableHard,
    EnableHard,
    /// It takes a lock, or releases it.
    Take(&'static str, Mode),
    Release(&'static str),
}

use Mode::{Exclusive, SharedRecursive};
use Step::{Disable, DisableHard, Enable, EnableHard, Enter, Exit, Release, Take};

/// Returns whether lockdep complains about the steps.
fn complains(kind: Context, steps: impl IntoIterator<Item = Step>) -> bool {
    let (mut lockdep, mut task) = (Lockdep::default(), Task::default());
    for step in steps {
        match step {
            Enter => {
                task.interrupt(kind);
                // As the macros of the table do, also for a soft interrupt.
                lockdep.enable(&mut task, "task", Context::Hardirq, false);
            }
            Exit => task.interrupts_return(),
            Disable => lockdep.enable(&mut task, "task", kind, false),
            Enable => lockdep.enable(&mut task, "task", kind, true),
            DisableHard => lockdep.enable(&mut task, "task", Context::Hardirq, false),
            EnableHard => lockdep.enable(&mut task, "task", Context::Hardirq, true),
            Take(name, mode) => {
                let class = lockdep.class(name);
                lockdep.acquire(&mut task, "task", class, mode);
            }
            Release(name) => {
                let class = lockdep.class(name);
                lockdep.release(&mut task, class);
            }
        }
    }
    !lockdep.inversions().is_empty()
}

/// Returns every order of the events.
fn orders(events: &[Vec<Step>]) -> Vec<Vec<Step>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..events.len() {
        let mut rest = events.to_vec();
        let event = rest.remove(first);
        let after = orders(&rest);
        all.extend(after.into_iter().map(|after| [event.clone(), after].concat()));
    }
    all
}

/// Checks a row in every order, for both kinds of interrupt.
fn check(name: &str, mode: Mode, events: &[Vec<Step>], expected: bool) {
    for kind in [Context::Hardirq, Context::Softirq] {
        for steps in orders(events) {
            assert_eq!(complains(kind, steps), expected, "{name}, {mode:?}, {kind:?}");
        }
    }
}

fn taken(name: &'static str, mode: Mode) -> Vec<Step> {
    vec![Take(name, mode), Release(name)]
}

fn nested(outer: (&'static str, Mode), inner: (&'static str, Mode)) -> Vec<Step> {
    [vec![Take(outer.0, outer.1)], taken(inner.0, inner.1), vec![Release(outer.0)]].concat()
}

fn around(before: Step, steps: Vec<Step>, after: Step) -> Vec<Step> {
    [vec![before], steps, vec![after]].concat()
}

/// The lock of the row, and whether the kernel's lockdep complains.
const LOCKS: [(Mode, bool); 2] = [(Exclusive, true), (SharedRecursive, false)];

#[test]
fn an_irq_safe_lock_is_not_taken_with_interrupts_enabled() {
    for (mode, complains) in LOCKS {
        let inside = around(Enter, taken("A", mode), Exit);
        check("irqsafe1", mode, &[inside.clone(), taken("A", mode)], complains);
        let enables = vec![Disable, Take("A", mode), Enable, Release("A")];
        check("irqsafe2B", mode, &[inside.clone(), enables], complains);
        let disabled = around(Disable, taken("A", mode), Enable);
        check("with interrupts disabled", mode, &[inside.clone(), disabled], false);
        let enables = vec![DisableHard, Take("A", mode), EnableHard, Release("A")];
        check("irqsafe2A", mode, &[inside, enables], complains);
    }
}

#[test]
fn an_irq_safe_lock_is_not_held_when_an_unsafe_one_is_taken() {
    for (mode, complains) in LOCKS {
        let (a, b) = (("A", mode), ("B", mode));
        let inside = around(Enter, taken("A", mode), Exit);
        let unsafe_b = taken("B", mode);
        check("irqsafe3", mode, &[nested(a, b), unsafe_b.clone(), inside.clone()], complains);
        let disabled = around(Disable, nested(a, b), Enable);
        check("irqsafe4", mode, &[disabled.clone(), unsafe_b, inside.clone()], complains);
        let safe_b = around(Disable, taken("B", mode), Enable);
        check("without an unsafe lock", mode, &[disabled, safe_b, inside], false);
    }
}

#[test]
fn an_irq_lock_inversion_is_reported() {
    for (mode, complains) in LOCKS {
        let events = [
            around(Disable, nested(("A", Exclusive), ("B", mode)), Enable),
            taken("B", mode),
            around(Enter, taken("A", SharedRecursive), Exit),
        ];
        check("irq_inversion", mode, &events, complains);
    }
}

#[test]
fn a_read_lock_may_recurse_in_an_interrupt_unless_a_writer_is_in_between() {
    for (mode, complains) in LOCKS {
        let enabled = taken("A", SharedRecursive);
        let events = [
            around(Disable, taken("A", Exclusive), Enable),
            enabled.clone(),
            around(Enter, nested(("A", mode), ("B", Exclusive)), Exit),
        ];
        check("irq_read_recursion", mode, &events, complains);
        for (name, b) in
            [("irq_read_recursion2", Exclusive), ("irq_read_recursion3", SharedRecursive)]
        {
            let events = [
                around(Disable, nested(("B", Exclusive), ("A", mode)), Enable),
                enabled.clone(),
                around(Enter, taken("B", b), Exit),
            ];
            check(name, mode, &events, complains);
        }
    }
}

/// An interrupt does not wait for its locks because the thread below holds others.
#[test]
fn the_locks_of_the_interrupted_task_have_no_order_with_those_of_the_interrupt() {
    let steps = [
        vec![Disable, Take("A", Exclusive), Enter],
        taken("B", Exclusive),
        vec![Exit, Disable, Release("A")],
        nested(("B", Exclusive), ("A", Exclusive)),
    ];
    assert!(!complains(Context::Hardirq, steps.concat()));
}
