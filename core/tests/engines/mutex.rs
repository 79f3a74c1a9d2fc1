//! `struct mutex`: exclusion, trylock, signals, recursion, and deadlocks of two locks.

use selvedge_core::sync::{Ghost, Mutex};
use selvedge_core::{Classification, Engine, Scenario, Verdict, ViolationKind};

use super::{check, deadlock, reason_of};

#[test]
fn abba() {
    let scenario = Scenario::builder("abba", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |(a, b)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations(deadlock(["A", "B"]));
    check(&scenario);
    let report = scenario.verify(Engine::Native);
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
    let Verdict::Refuted(found) = report.verdict else { unreachable!() };
    assert_eq!(found[0].schedule.len(), 2);
    assert_eq!(found[0].violation.waits.len(), 2);
}

#[test]
fn abba_under_a_gate_is_predicted_and_infeasible() {
    let world = || (Mutex::new("gate", ()), Mutex::new("A", ()), Mutex::new("B", ()));
    let scenario = Scenario::builder("gate", world)
        .thread("ab", |(gate, a, b)| {
            let _gate = gate.lock();
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |(gate, a, b)| {
            let _gate = gate.lock();
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_proof()
        .expect_inversion(["A", "B"]);
    check(&scenario);
    let report = scenario.verify(Engine::Native);
    assert_eq!(report.predictions[0].classification, Classification::Infeasible);
}

#[test]
fn a_trylock_that_fails_is_explored() {
    // loom's own try_lock misses this one: its unlock is not a branch point.
    let scenario = Scenario::builder("trylock", || (Mutex::new("A", ()), Ghost::new("failed", 0)))
        .thread("try", |(a, failed)| {
            if a.try_lock().is_none() {
                failed.update(|n| *n += 1);
            }
        })
        .thread("lock", |(a, _)| drop(a.lock()))
        .finally(|(_, failed)| {
            failed.check("never-busy", |n| if *n == 0 { Ok(()) } else { Err("busy".into()) });
        })
        .expect_violations([ViolationKind::invariant("never-busy")]);
    check(&scenario);
}

#[test]
fn a_trylock_back_off_does_not_deadlock() {
    let scenario = Scenario::builder("back-off", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = a.lock();
            drop(b.try_lock());
        })
        .thread("ba", |(a, b)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_signal_ends_the_wait() {
    let scenario =
        Scenario::builder("signal", || (Mutex::new("A", 0), Ghost::new("interrupted", 0)))
            .thread("T1", |(a, interrupted)| match a.lock_interruptible() {
                Ok(mut a) => *a += 1,
                Err(_) => interrupted.update(|n| *n += 1),
            })
            .thread("T2", |(a, _)| *a.lock() += 1)
            .finally(|(a, interrupted)| {
                let sum = *a.lock();
                interrupted.check("sum", |n| {
                    if n + sum == 2 { Ok(()) } else { Err(format!("{n} + {sum}")) }
                });
                interrupted.check("never", |n| if *n == 0 { Ok(()) } else { Err("signal".into()) });
            })
            .expect_violations([ViolationKind::invariant("never")]);
    check(&scenario);
}

#[test]
fn a_deadlock_that_only_a_signal_could_end_is_one() {
    let scenario = Scenario::builder("stuck", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = a.lock();
            let _b = b.lock_interruptible();
        })
        .thread("ba", |(a, b)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations(deadlock(["A", "B"]));
    check(&scenario);
}

#[test]
fn a_signal_does_not_interrupt_a_thread_that_need_not_wait() {
    let scenario = Scenario::builder("uncontended", || Mutex::new("M", ()))
        .thread("T", |m| drop(m.lock_interruptible().expect("no other thread is there")))
        .expect_proof();
    check(&scenario);
}

#[test]
fn recursion_deadlocks_with_itself() {
    let scenario = Scenario::builder("aa", || Mutex::new("A", ()))
        .thread("T", |a| {
            let _first = a.lock();
            let _second = a.lock();
        })
        .expect_violations(deadlock(["A"]));
    check(&scenario);
}

#[test]
fn a_raw_unlock_by_another_thread_is_named() {
    let scenario = Scenario::builder("owner", || Mutex::new("M", ()))
        .thread("T1", |m| m.raw_lock())
        .thread("T2", |m| m.raw_unlock())
        .expect_violations([ViolationKind::NotOwner("M".into())]);
    check(&scenario);
}

#[test]
fn a_lock_that_is_kept_is_leaked() {
    let scenario = Scenario::builder("kept", || Mutex::new("M", ()))
        .thread("T", |m| m.raw_lock())
        .expect_violations([ViolationKind::Leak("M".into())]);
    check(&scenario);
    let reason = "M is still held at the end: taken by T, mutex_lock at [";
    assert!(reason_of(&scenario).starts_with(reason), "{}", reason_of(&scenario));
}

#[test]
fn every_cycle_of_a_stuck_state_is_reported() {
    let world = || ["A", "C", "D"].map(|name| Mutex::new(name, ()));
    let scenario = Scenario::builder("cycles", world)
        .thread("aa", |[a, ..]| {
            let _first = a.lock();
            let _second = a.lock();
        })
        .thread("cd", |[_, c, d]| {
            let _c = c.lock();
            let _d = d.lock();
        })
        .thread("dc", |[_, c, d]| {
            let _d = d.lock();
            let _c = c.lock();
        })
        .expect_violations([ViolationKind::deadlock(["A"]), ViolationKind::deadlock(["C", "D"])]);
    check(&scenario);
    for prediction in scenario.verify(Engine::Native).predictions {
        assert!(matches!(prediction.classification, Classification::Feasible(_)), "{prediction:?}");
    }
}

#[test]
fn an_inversion_that_a_violation_may_hide_stays_open() {
    let world = || ["A", "C", "D"].map(|name| Mutex::new(name, ()));
    let scenario = Scenario::builder("hidden", world)
        .thread("panics", |[a, ..]| {
            drop(a.lock());
            panic!("on the way");
        })
        .thread("cd", |[_, c, d]| {
            let _c = c.lock();
            let _d = d.lock();
        })
        .thread("dc", |[_, c, d]| {
            let _d = d.lock();
            let _c = c.lock();
        })
        .expect_violations([ViolationKind::Panic("on the way".into())]);
    for prediction in scenario.verify(Engine::Native).predictions {
        assert_ne!(prediction.classification, Classification::Infeasible, "{prediction:?}");
    }
}

#[test]
fn a_destructor_with_an_operation_does_not_abort_the_process() {
    struct Held<'a>(&'a Mutex);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.raw_unlock();
        }
    }
    fn hold(mutex: &Mutex) -> Held<'_> {
        mutex.raw_lock();
        Held(mutex)
    }
    let scenario = Scenario::builder("raii", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = hold(a);
            let _b = hold(b);
        })
        .thread("ba", |(a, b)| {
            let _b = hold(b);
            let _a = hold(a);
        })
        .expect_violations(deadlock(["A", "B"]));
    check(&scenario);
}
