//! `spinlock_t`.

use selvedge_core::sync::{Atomic, SpinLock};
use selvedge_core::{Classification, Engine, Scenario, ViolationKind};

use super::{check_with_traces, deadlock};

#[test]
fn a_spinlock_excludes_and_may_be_tried() {
    let world = || (SpinLock::new("L", 0), Atomic::new("busy", 0));
    let scenario = |claim: fn(u64, u64)| {
        Scenario::builder("spin", world)
            .thread("lock", |(lock, _)| *lock.lock() += 1)
            .thread("try", |(lock, busy)| match lock.try_lock() {
                Some(mut held) => *held += 1,
                None => busy.store(1),
            })
            .finally(move |(lock, busy)| claim(*lock.lock(), busy.load()))
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
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |[a, b]| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations(deadlock(["A", "B"]));
    check_with_traces(&scenario);
    let report = scenario.verify(Engine::Native);
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
}
