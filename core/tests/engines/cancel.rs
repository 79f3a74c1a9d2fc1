//! What keeps a work or a timer from running: what it says, and for how long.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Timer, Work};
use selvedge_core::{Engine, Scenario, ViolationKind};

use super::{check, same_traces};

fn classification(scenario: &Scenario) {
    check(scenario);
    same_traces(scenario);
}

/// To cancel a work that is pending keeps it from running once.
fn runs_unless_cancelled(name: &str, cancel: fn(&Work) -> bool) -> Scenario {
    let world = || {
        let (ran, cancelled) = (Arc::new(Atomic::new("ran", 0)), Atomic::new("cancelled", 0));
        let runs = Arc::clone(&ran);
        (Work::new("work", move |_| _ = runs.fetch_add(1)), ran, cancelled)
    };
    Scenario::builder(name, world)
        .thread("T", move |(work, _, cancelled)| {
            work.queue_work();
            cancelled.store(u64::from(cancel(work)));
            assert!(!cancel(work), "it is not queued any more");
        })
        .finally(|(_, ran, cancelled)| assert_eq!(ran.load() + cancelled.load(), 1))
        .expect_proof()
}

#[test]
fn to_cancel_says_whether_the_work_was_pending() {
    classification(&runs_unless_cancelled("cancel_work", Work::cancel_work));
    classification(&runs_unless_cancelled("cancel_work_sync", Work::cancel_work_sync));
}

#[test]
fn cancelled_work_may_still_run() {
    let world = || {
        let running = Arc::new(Atomic::new("running", 0));
        let runs = Arc::clone(&running);
        let function = move |_: &Work| {
            runs.store(1);
            runs.store(0);
        };
        (Work::new("work", function), running)
    };
    let scenario = |name, cancel: fn(&Work) -> bool| {
        Scenario::builder(name, world).thread("T", move |(work, running)| {
            work.queue_work();
            cancel(work);
            assert!(running.load() == 0, "it runs");
        })
    };
    classification(&scenario("cancel_work_sync", Work::cancel_work_sync).expect_proof());
    let runs = [ViolationKind::Panic("it runs".into())];
    check(&scenario("cancel_work", Work::cancel_work).expect_violations(runs));
}

/// A timer that arms itself is stopped for good; one that is only deleted can be armed again.
#[test]
fn a_timer_that_was_shut_down_is_not_armed_any_more() {
    let world = || {
        let count = Arc::new(Atomic::new("count", 0));
        let counts = Arc::clone(&count);
        let timer = Timer::new("timer", move |timer| {
            if counts.fetch_add(1) == 0 {
                timer.mod_timer();
            }
        });
        (timer, count)
    };
    let scenario = |name, stop: fn(&Timer) -> bool| {
        Scenario::builder(name, world)
            .thread("T", move |(timer, count)| {
                timer.mod_timer();
                let pending = stop(timer);
                let ran = count.load();
                assert!(ran > 0 || pending, "it was armed");
                timer.mod_timer();
                count.store(10 + ran);
            })
            .finally(|(_, count)| assert!(count.load() < 13 && count.load() >= 10, "it ran"))
    };
    classification(&scenario("shutdown", Timer::timer_shutdown_sync).expect_proof());
    let deleted = scenario("delete", Timer::del_timer_sync).expect_proof();
    let report = deleted.verify(Engine::Native);
    assert!(!report.as_expected(), "{report}");
}
