//! `struct timer_list`: its function, and the ways to delete it.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, SpinLock, Timer, Tracked};
use selvedge_core::{Classification, Engine, Scenario, ScenarioBuilder, ViolationKind, in_world};

use super::{check, check_with_traces, deadlock, within};

fn armed(body: fn(&Arc<Armed>), function: fn(&Armed)) -> ScenarioBuilder<Arc<Armed>> {
    let world = move || {
        let (lock, ring) = (SpinLock::new("lock", ()), Tracked::new("ring", ()));
        Arc::new_cyclic(|world| Armed {
            timer: Timer::new("timer", within(world, function)),
            ring,
            lock,
        })
    };
    Scenario::builder("timer", world).thread("T", move |w| {
        w.timer.mod_timer();
        body(w);
    })
}

struct Armed {
    timer: Timer,
    ring: Tracked,
    lock: SpinLock,
}

#[test]
fn del_timer_sync_waits_for_the_function_and_del_timer_does_not() {
    let uses_ring = |w: &Armed| _ = w.ring.get();
    let sync = armed(
        |w| {
            w.timer.del_timer_sync();
            w.ring.release();
        },
        uses_ring,
    );
    check_with_traces(&sync.expect_proof());
    let early = armed(
        |w| {
            w.timer.del_timer();
            w.ring.release();
        },
        uses_ring,
    );
    check(&early.expect_violations([ViolationKind::use_after_release("ring")]));
    let never = armed(|w| w.ring.release(), uses_ring);
    check(&never.expect_violations([ViolationKind::use_after_release("ring")]));
}

#[test]
fn a_timer_expires_at_most_once_for_each_arming() {
    let world = || {
        let count = Arc::new(Atomic::new("count", 0));
        let counted = Arc::clone(&count);
        (Timer::new("timer", move |_| _ = counted.fetch_add(1)), count)
    };
    let scenario = |most: u64| {
        let arm = |w: &(Timer, Arc<Atomic>)| w.0.mod_timer();
        Scenario::builder("count", world)
            .thread("A", arm)
            .thread("B", move |w| {
                w.0.del_timer();
                arm(w);
            })
            .finally(move |w| assert!((1..=most).contains(&w.1.load()), "too often"))
    };
    check_with_traces(&scenario(2).expect_proof());
    check(&scenario(1).expect_violations([ViolationKind::Panic("too often".into())]));
}

#[test]
fn del_timer_sync_under_the_lock_of_the_function_deadlocks() {
    let scenario = armed(
        |w| {
            let _held = w.lock.spin_lock_irqsave();
            w.timer.del_timer_sync();
        },
        |w| drop(w.lock.spin_lock_irqsave()),
    );
    let scenario = scenario.finally(|w| w.ring.release());
    let scenario = scenario.expect_violations(deadlock(["lock", "timer"]));
    check_with_traces(&scenario);
    let report = scenario.verify(Engine::Native);
    assert!(
        matches!(report.predictions[0].classification, Classification::Feasible(_)),
        "{report}"
    );
}

#[test]
fn timer_shutdown_keeps_a_timer_from_being_armed_and_does_not_wait() {
    struct World {
        timer: Timer,
        object: Tracked,
    }
    let world = || World {
        timer: Timer::new("timer", in_world(|w: &World| _ = w.object.get())),
        object: Tracked::new("object", ()),
    };
    let removed = |shutdown: fn(&Timer) -> bool| {
        Scenario::builder("shutdown", world).thread("arm", |w| w.timer.mod_timer()).thread(
            "remove",
            move |w| {
                shutdown(&w.timer);
                w.object.release();
            },
        )
    };
    check(&removed(Timer::timer_shutdown_sync).expect_proof());
    let running = [ViolationKind::use_after_release("object")];
    check(&removed(Timer::timer_shutdown).expect_violations(running.clone()));
    // One that is only deleted is armed again.
    check(&removed(Timer::del_timer_sync).expect_violations(running));
    let alone = Scenario::builder("alone", world)
        .thread("T", |w| {
            w.timer.mod_timer();
            w.timer.timer_shutdown();
            assert!(!w.timer.timer_shutdown(), "it is not armed");
            w.timer.mod_timer();
            assert!(!w.timer.del_timer(), "arming it has no effect");
        })
        .finally(|w| w.object.release());
    check_with_traces(&alone.expect_proof());
}
