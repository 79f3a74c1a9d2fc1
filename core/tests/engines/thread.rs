//! Threads that threads start and join.

use selvedge_core::sync::{Atomic, Mutex};
use selvedge_core::{Checker, Scenario, Search, ViolationKind};

use super::{check, deadlock};

#[test]
fn a_joined_thread_has_ended() {
    let scenario = Scenario::builder("join", || std::sync::Arc::new(Atomic::new("x", 0)))
        .thread("parent", |x| {
            let shared = std::sync::Arc::clone(x);
            let child = selvedge_core::thread::spawn("child", move || shared.fetch_add(1));
            assert_eq!(child.join(), 0);
            assert_eq!(x.load(), 1);
        })
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_thread_that_joins_its_lock_waits_for_ever() {
    let world = || std::sync::Arc::new(Mutex::new("M", ()));
    let scenario = Scenario::builder("join-deadlock", world)
        .thread("parent", |m| {
            let _m = m.lock();
            let shared = std::sync::Arc::clone(m);
            selvedge_core::thread::spawn("child", move || drop(shared.lock())).join();
        })
        .expect_violations(deadlock(["M", "child"]));
    check(&scenario);
}

/// Two threads that start threads: the numbers depend on which is first.
#[test]
fn threads_that_start_threads_are_distinguished() {
    use std::sync::Arc;
    let world = || (Arc::new(Atomic::new("x", 0)), Arc::new(Atomic::new("y", 0)));
    let scenario = Scenario::builder("spawn", world)
        .thread("A", |(x, y)| {
            x.store(1);
            let (first, second) = (Arc::clone(y), Arc::clone(y));
            selvedge_core::thread::spawn("a1", move || {
                first.store(2);
                first.load();
            });
            selvedge_core::thread::spawn("a2", move || {
                second.fetch_add(1);
                second.fetch_add(1);
            });
        })
        .thread("B", |(x, y)| {
            y.store(1);
            let x = Arc::clone(x);
            selvedge_core::thread::spawn("b1", move || {
                x.fetch_add(1);
                x.fetch_add(1);
            });
        })
        .finally(|(x, _)| {
            if x.load() == 1 {
                selvedge_core::invariant_broken("NOT-ONE", "x is 1");
            }
        })
        // Five threads and main are one too many for loom.
        .expect_violations([ViolationKind::invariant("NOT-ONE")]);
    for search in Search::ALL {
        let report = Checker::native().search(*search).run(&scenario);
        assert!(report.as_expected(), "{search:?}: {report}");
    }
}
