//! `wait_queue_head_t`: spurious and lost wake-ups, and a flag that stands in for a lock.

use selvedge_core::sync::{Atomic, Mutex, WaitQueue};
use selvedge_core::{Classification, Engine, Expectation, Scenario, Verdict, ViolationKind};

use super::{check, deadlock};

#[test]
fn a_waiter_that_checks_again_is_woken() {
    let scenario = Scenario::builder("wait", || (Mutex::new("M", true), WaitQueue::new("busy")))
        .thread("waiter", |(m, busy)| {
            busy.wait_event(|| !*m.lock());
            assert!(!*m.lock());
        })
        .thread("waker", |(m, busy)| {
            *m.lock() = false;
            busy.wake_up_all();
        })
        .expect_proof();
    // On loom and on shuttle each thread wakes spuriously at most once, so they prove nothing.
    let scenario = scenario.on(Engine::Loom, Expectation::Inconclusive);
    check(&scenario.on(Engine::Shuttle, Expectation::Inconclusive));
}

#[test]
fn a_waiter_that_does_not_check_again_is_found() {
    let scenario =
        Scenario::builder("spurious", || (Atomic::new("done", 0), WaitQueue::new("wait")))
            .thread("waiter", |(done, wait)| {
                wait.prepare_to_wait();
                if done.load() == 0 {
                    wait.schedule();
                }
                wait.finish_wait();
                assert_eq!(done.load(), 1, "woken too early");
            })
            .thread("waker", |(done, wait)| {
                done.store(1);
                wait.wake_up();
            })
            .expect_violations([ViolationKind::Panic(
                "assertion `left == right` failed: woken too early\n  left: 0\n right: 1".into(),
            )]);
    check(&scenario);
}

#[test]
fn a_wake_up_before_the_sleep_is_lost() {
    let scenario = Scenario::builder("lost", || (Atomic::new("done", 0), WaitQueue::new("wait")))
        .thread("waiter", |(done, wait)| {
            if done.load() == 0 {
                wait.prepare_to_wait();
                wait.schedule();
                wait.finish_wait();
            }
        })
        .thread("waker", |(done, wait)| {
            done.store(1);
            wait.wake_up();
        })
        .expect_violations(deadlock(["wait"]));
    check(&scenario);
}

#[test]
fn a_cycle_over_a_flag_names_the_flag() {
    // A small version of the kvm_busy scheme: a flag stands in for a lock and hides the cycle.
    let world = || (Mutex::new("M", true), WaitQueue::new("busy"), Mutex::new("K", ()));
    let scenario = Scenario::builder("flag", world)
        .thread("setter", |(m, busy, k)| {
            busy.promise();
            let _k = k.lock();
            *m.lock() = false;
            busy.fulfil();
            busy.wake_up_all();
        })
        .thread("waiter", |(m, busy, k)| {
            let _k = k.lock();
            busy.wait_event(|| !*m.lock());
        })
        .expect_violations(deadlock(["K", "busy"]))
        .expect_inversion(["K", "M", "busy"]);
    let report = scenario.verify(Engine::Native);
    let Verdict::Refuted(found) = &report.verdict else { panic!("{:#?}", report.verdict) };
    assert_eq!(found[0].violation.kind, ViolationKind::deadlock(["K", "busy"]));
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
}

#[test]
fn a_thread_whose_condition_holds_does_not_queue() {
    // `wait_event_cmd` begins with "if (condition) break;", in include/linux/wait.h.
    let world = || (Mutex::new("M", true), WaitQueue::new("wait"));
    let scenario = Scenario::builder("first-look", world)
        .thread("T1", |(m, wait)| drop(wait.wait_event_cmd(m, m.lock(), |holds| *holds)))
        .thread("T2", |(_, wait)| assert!(!wait.waitqueue_active()))
        .expect_proof();
    check(&scenario);
}
