//! `struct work_struct`: flushed and cancelled work.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Mutex, Tracked, Work};
use selvedge_core::{Classification, Engine, Scenario, ViolationKind};

use super::{check, check_with_traces, deadlock};

#[test]
fn flushed_and_cancelled_work_has_returned() {
    let world = || {
        let depot = Arc::new(Tracked::new("depot", ()));
        let used = Arc::clone(&depot);
        (Work::new("work", move |_| _ = used.get()), depot)
    };
    type Shared = (Work, Arc<Tracked>);
    let scenario = |wait: fn(&Work)| {
        Scenario::builder("work", world).thread("T", move |w: &Shared| {
            assert!(w.0.queue_work(), "no other thread queues it");
            wait(&w.0);
            w.1.release();
        })
    };
    check_with_traces(&scenario(Work::flush_work).expect_proof());
    check_with_traces(&scenario(|work| _ = work.cancel_work_sync()).expect_proof());
    check(&scenario(|_| {}).expect_violations([ViolationKind::use_after_release("depot")]));
    // A thread that queues it again while it is flushed is not waited for.
    let again = scenario(Work::flush_work).thread("again", |w| _ = w.0.queue_work());
    let gone = ViolationKind::use_after_release("depot");
    let refused = "no other thread queues it";
    check(&again.expect_violations([gone, ViolationKind::Panic(refused.into())]));
}

/// A work that counts how often it runs.
fn counted() -> (Work, Arc<Atomic>) {
    let count = Arc::new(Atomic::new("count", 0));
    let counted = Arc::clone(&count);
    (Work::new("work", move |_| _ = counted.fetch_add(1)), count)
}

/// Work that is cancelled may never run; work that is flushed has run.
#[test]
fn cancelled_work_may_not_have_run() {
    let scenario = |wait: fn(&Work)| {
        Scenario::builder("work", counted)
            .thread("T", move |w: &(Work, Arc<Atomic>)| {
                w.0.queue_work();
                wait(&w.0);
            })
            .finally(|w| assert!(w.1.load() == 1, "never ran"))
    };
    check_with_traces(&scenario(Work::flush_work).expect_proof());
    let cancelled = scenario(|work| _ = work.cancel_work_sync());
    check_with_traces(&cancelled.expect_violations([ViolationKind::Panic("never ran".into())]));
}

/// Work that queues itself again is ended by a cancel.
#[test]
fn work_that_is_being_cancelled_is_not_queued_again() {
    let world = || {
        let (count, depot) = (Atomic::new("count", 0), Arc::new(Tracked::new("depot", ())));
        let used = Arc::clone(&depot);
        let function = move |work: &Work| {
            used.get();
            if count.fetch_add(1) == 0 {
                work.queue_work();
            }
        };
        (Work::new("work", function), depot)
    };
    let scenario = |wait: fn(&Work)| {
        Scenario::builder("again", world).thread("T", move |(work, depot)| {
            work.queue_work();
            wait(work);
            depot.release();
        })
    };
    check_with_traces(&scenario(|work| _ = work.cancel_work_sync()).expect_proof());
    check(
        &scenario(Work::flush_work).expect_violations([ViolationKind::use_after_release("depot")]),
    );
}

#[test]
fn work_is_queued_once_and_not_while_it_is_cancelled() {
    let queue = |w: &(Work, Arc<Atomic>)| _ = w.0.queue_work();
    let scenario = Scenario::builder("work", counted)
        .thread("A", queue)
        .thread("B", queue)
        .finally(|w| assert!((1..=2).contains(&w.1.load())))
        .expect_proof();
    check_with_traces(&scenario);
    let cancelled = Scenario::builder("cancelled", counted)
        .thread("A", queue)
        .thread("cancel", |w| {
            w.0.cancel_work_sync();
            w.1.load();
        })
        .expect_proof();
    check_with_traces(&cancelled);
}

#[test]
fn flushing_work_under_its_lock_deadlocks() {
    let world = || {
        let lock = Arc::new(Mutex::new("mdevs_lock", ()));
        let wanted = Arc::clone(&lock);
        (Work::new("work", move |_| drop(wanted.lock())), lock)
    };
    let scenario = Scenario::builder("flush", world)
        .thread("T", |w| {
            w.0.queue_work();
            let _held = w.1.lock();
            w.0.flush_work();
        })
        .expect_violations(deadlock(["mdevs_lock", "work"]));
    check_with_traces(&scenario);
    let report = scenario.verify(Engine::Native);
    assert!(
        matches!(report.predictions[0].classification, Classification::Feasible(_)),
        "{report}"
    );
}
