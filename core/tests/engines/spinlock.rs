//! `spinlock_t`.

use selvedge_core::sync::{Atomic, RwLock, SpinLock};
use selvedge_core::{Classification, Engine, Scenario, ViolationKind};

use super::{check_with_traces, deadlock};

#[test]
fn a_spinlock_excludes_and_may_be_tried() {
    let world = || (SpinLock::new("L", 0), Atomic::new("busy", 0));
    let scenario = |claim: fn(u64, u64)| {
        Scenario::builder("spin", world)
            .thread("lock", |(lock, _)| *lock.spin_lock_irqsave() += 1)
            .thread("try", |(lock, busy)| match lock.spin_trylock_irqsave() {
                Some(mut held) => *held += 1,
                None => busy.store(1),
            })
            .finally(move |(lock, busy)| claim(*lock.spin_lock_irqsave(), busy.load()))
    };
    check_with_traces(&scenario(|sum, busy| assert_eq!(sum + busy, 2)).expect_proof());
    let busy = scenario(|sum, _| assert_eq!(sum, 2, "busy"));
    check_with_traces(&busy.expect_violations([ViolationKind::Panic(
        "assertion `left == right` failed: busy\n  left: 1\n right: 2".into(),
    )]));
}

#[test]
fn spinlocks_deadlock_as_mutexes_do() {
    let scenario = Scenario::builder("abba", || ["A", "B"].map(|class| SpinLock::new(class, ())))
        .thread("ab", |[a, b]| {
            let _a = a.spin_lock_irqsave();
            let _b = b.spin_lock_irqsave();
        })
        .thread("ba", |[a, b]| {
            let _b = b.spin_lock_irqsave();
            let _a = a.spin_lock_irqsave();
        })
        .expect_violations(deadlock(["A", "B"]));
    check_with_traces(&scenario);
    let report = scenario.verify(Engine::Native);
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
}

/// A reader of a trace sees whether interrupts were enabled.
#[test]
fn a_trace_has_the_function_that_took_the_lock() {
    let world = || (SpinLock::new("L", ()), SpinLock::raw("R", ()), RwLock::new("W", ()));
    let scenario = Scenario::builder("names", world)
        .thread("T", |(spin, raw, rw)| {
            spin.spin_lock().unlock();
            spin.spin_lock_bh().unlock();
            spin.spin_lock_irq().unlock();
            drop(spin.spin_trylock_irqsave());
            spin.raw_lock_irqsave();
            spin.raw_unlock_irqrestore();
            raw.spin_lock_irqsave().unlock();
            rw.read_lock_irq().read_unlock();
            rw.write_lock_irqsave().write_unlock();
        })
        .build();
    let schedule = vec!["0"; 16].join(".").parse().expect("a schedule");
    let trace = scenario.follow(&schedule).expect("it runs so");
    let names: Vec<&str> = trace.steps.iter().map(|step| step.operation).collect();
    let expected = "spin_lock spin_unlock spin_lock_bh spin_unlock_bh spin_lock_irq \
                    spin_unlock_irq spin_trylock_irqsave spin_unlock_irqrestore \
                    spin_lock_irqsave spin_unlock_irqrestore raw_spin_lock_irqsave \
                    raw_spin_unlock_irqrestore read_lock_irq read_unlock_irq write_lock_irqsave \
                    write_unlock_irqrestore";
    assert_eq!(names.join(" "), expected);
    assert_eq!(trace.steps[2].what, "spin_lock_bh(L)");
}
