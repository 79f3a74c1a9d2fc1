//! Scenarios that an engine refuses or cannot decide, and the limits of a search.

use selvedge_core::sync::{Atomic, Mutex, Tracked};
use selvedge_core::{Checker, Engine, Incomplete, Scenario, Verdict, ViolationKind};

use super::check;

#[test]
fn a_scenario_that_depends_on_outside_state_is_refused() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let scenario = Scenario::builder("outside", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("T1", |(a, b)| {
            let lock = if RUNS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { a } else { b };
            drop(lock.lock());
        })
        .thread("T2", |(a, _)| drop(a.lock()))
        .expect_proof();
    for engine in [Engine::Native, Engine::Shuttle] {
        let Verdict::Inconclusive { reason } = scenario.verify(engine).verdict else {
            panic!("accepted");
        };
        assert_eq!(reason, Incomplete::Nondeterministic, "{engine}");
    }
}

#[test]
fn a_program_that_never_ends_is_inconclusive() {
    let scenario = Scenario::builder("endless", || Atomic::new("x", 0))
        .thread("T", |x| {
            loop {
                x.fetch_add(1);
            }
        })
        .expect_proof();
    let Verdict::Inconclusive { reason } = scenario.verify(Engine::Native).verdict else {
        panic!("it ended");
    };
    assert_eq!(reason, Incomplete::Operations { limit: 10_000 });
    // shuttle's own schedulers try too, and give up.
    let Verdict::Inconclusive { reason } = scenario.verify(Engine::Shuttle).verdict else {
        panic!("it ended");
    };
    assert!(reason.to_string().starts_with("shuttle gave up: exceeded max_steps"), "{reason}");
}

#[test]
fn a_world_without_threads_is_checked_too() {
    let scenario = Scenario::builder("no threads", || Tracked::new("mdev", ()))
        .expect_violations([ViolationKind::Leak("mdev".into())]);
    check(&scenario);
}

#[test]
fn a_panic_in_the_set_up_is_a_violation() {
    let scenario = Scenario::builder("no-world", || panic!("no memory"))
        .thread("T", |(): &()| {})
        .expect_violations([ViolationKind::Panic("no memory".into())]);
    check(&scenario);
}

#[test]
fn a_limit_of_an_engine_is_not_a_violation() {
    let scenario = (0..3).fold(Scenario::builder("many", || ()), |scenario, i| {
        scenario.thread(format!("T{i}"), |()| {
            selvedge_core::thread::spawn("child", || ());
        })
    });
    let report = scenario.expect_proof().verify(Engine::Loom);
    assert!(matches!(report.verdict, Verdict::Inconclusive { .. }), "{report}");
}

/// With `--cfg loom` an object created here would be loom's, which refuses by itself.
#[cfg(not(loom))]
#[test]
fn an_object_from_outside_the_world_is_refused() {
    let outside = std::sync::Arc::new(Mutex::new("M", ()));
    let scenario = Scenario::builder("outside", || ())
        .thread("T1", {
            let outside = std::sync::Arc::clone(&outside);
            move |()| drop(outside.lock())
        })
        .thread("T2", move |()| drop(outside.lock()))
        .expect_proof();
    let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else {
        panic!("accepted");
    };
    assert!(found[0].violation.reason.contains("made in the scenario's world"));
}

#[test]
fn a_limit_makes_a_refutation_incomplete() {
    let scenario = Scenario::builder("limit", || Mutex::new("A", ()))
        .thread("T1", |a| a.raw_lock())
        .thread("T2", |a| drop(a.lock()))
        .expect_violations([ViolationKind::Leak("A".into()), ViolationKind::deadlock(["A"])]);
    let report = Checker::native().executions(1).run(&scenario);
    assert!(!report.complete && !report.as_expected(), "{report}");
}

#[test]
#[should_panic(expected = "a scenario without violations expects a proof: `.expect_proof()`")]
fn an_empty_list_of_violations_is_no_expectation() {
    Scenario::builder("refusals", || ()).thread("T", |()| ()).expect_violations([]);
}
