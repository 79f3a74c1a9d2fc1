//! Threads that create objects of their own, whose numbers depend on which thread is first.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Mutex};
use selvedge_core::thread::spawn;
use selvedge_core::{Checker, Scenario, Search};

use super::{check, same_traces};

#[test]
fn two_threads_may_create_an_object() {
    let thread = |gate: &Mutex| {
        let mine = Atomic::new("mine", 0);
        gate.lock().unlock();
        mine.store(1);
        assert_eq!(mine.load(), 1);
    };
    let scenario = Scenario::builder("objects", || Mutex::new("gate", ()))
        .thread("T1", thread)
        .thread("T2", thread)
        .expect_proof();
    check(&scenario);
    same_traces(&scenario);
}

#[test]
fn two_threads_may_join_their_own_child() {
    let thread = |(gate, done): &(Mutex, [Arc<Atomic>; 2]), me: usize| {
        let flag = Arc::clone(&done[me]);
        let child = spawn("child", move || flag.store(1));
        gate.lock().unlock();
        child.join();
        assert_eq!(done[me].load(), 1);
    };
    let world = || (Mutex::new("gate", ()), ["a", "b"].map(|name| Arc::new(Atomic::new(name, 0))));
    let scenario = Scenario::builder("children", world)
        .thread("T1", move |world| thread(world, 0))
        .thread("T2", move |world| thread(world, 1))
        .expect_proof();
    check(&scenario);
    same_traces(&scenario);
}

/// A thread that creates an object observes its number, which depends on earlier creations. Two
/// such threads are deterministic nevertheless.
#[test]
fn threads_create_objects_of_their_own() {
    let own = |go: &Atomic| {
        let own = Mutex::new("own", 0);
        go.store(1);
        let late = Atomic::new("late", 0);
        *own.lock() += late.fetch_add(1);
    };
    let scenario = Scenario::builder("test/own-objects", || Atomic::new("go", 0))
        .thread("T1", own)
        .thread("T2", own)
        .thread("T3", own)
        .expect_proof();
    for search in Search::ALL {
        let report = Checker::native().search(*search).run(&scenario);
        assert!(report.as_expected(), "{search:?}: {report}");
    }
}
