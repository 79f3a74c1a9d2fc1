//! Cancelling a work and deleting a timer: the result, and the duration of the effect.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Atomic, Timer, Work, Workqueue};
use selvedge_core::{Engine, Scenario, ViolationKind};

use super::{check, check_with_traces, deadlock, slow_on_loom};

/// Cancelling a pending work prevents one run.
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
fn cancel_returns_whether_the_work_was_pending() {
    check_with_traces(&runs_unless_cancelled("cancel_work", Work::cancel_work));
    check_with_traces(&runs_unless_cancelled("cancel_work_sync", Work::cancel_work_sync));
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
    check_with_traces(&scenario("cancel_work_sync", Work::cancel_work_sync).expect_proof());
    let runs = [ViolationKind::Panic("it runs".into())];
    check(&scenario("cancel_work", Work::cancel_work).expect_violations(runs));
}

/// A timer that arms itself is shut down for good; one that is only deleted can be armed again.
#[test]
fn a_timer_that_was_shut_down_cannot_be_armed() {
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
    check_with_traces(&scenario("shutdown", Timer::timer_shutdown_sync).expect_proof());
    let deleted = scenario("delete", Timer::del_timer_sync).expect_proof();
    let report = deleted.verify(Engine::Native);
    assert!(!report.as_expected(), "{report}");
}

struct Frozen {
    queue: Workqueue,
    one: Work,
    two: Work,
    ran: Atomic,
    frozen: Atomic,
}

fn frozen(queue: fn() -> Workqueue) -> impl Fn() -> Arc<Frozen> + Send + Sync {
    move || {
        Arc::new_cyclic(|world: &Weak<Frozen>| {
            let runs = || {
                let world = Weak::clone(world);
                move |_: &Work| {
                    let world = world.upgrade().expect("the world lasts");
                    assert_eq!(world.frozen.load(), 0, "it runs on a frozen queue");
                    world.ran.fetch_add(1);
                }
            };
            let queue = queue();
            Frozen {
                one: queue.init_work("one", runs()),
                two: queue.init_work("two", runs()),
                queue,
                ran: Atomic::new("ran", 0),
                frozen: Atomic::new("frozen", 0),
            }
        })
    }
}

/// A work that is active when the queue is frozen still runs; one that is queued then waits until
/// it is thawed.
#[test]
fn no_new_work_begins_on_a_frozen_queue() {
    fn freezes(w: &Frozen) {
        w.queue.freeze_workqueues_begin();
        w.frozen.store(1);
        w.queue.queue_work(&w.one);
        w.frozen.store(0);
        w.queue.thaw_workqueues();
        w.queue.flush_workqueue();
        assert_eq!(w.ran.load(), 1);
    }
    let freezable = || Workqueue::freezable("queue", 2);
    let scenario = |name, queue| Scenario::builder(name, frozen(queue)).thread("T", |w| freezes(w));
    check_with_traces(&scenario("freezable", freezable).expect_proof());
    let runs = "assertion `left == right` failed: it runs on a frozen queue\n  left: 1\n right: 0";
    let runs = [ViolationKind::Panic(runs.into())];
    check(&scenario("other", || Workqueue::new("queue", 2)).expect_violations(runs.clone()));
    // The first was active already; the second was not, since one runs at a time.
    let active = |name, first: bool| {
        Scenario::builder(name, frozen(|| Workqueue::freezable("queue", 1))).thread("T", move |w| {
            w.queue.queue_work(&w.one);
            w.queue.queue_work(&w.two);
            w.queue.freeze_workqueues_begin();
            if first {
                if w.ran.load() > 0 {
                    return w.queue.thaw_workqueues();
                }
                w.one.flush_work();
                assert!(!w.queue.freeze_workqueues_busy());
            }
            w.frozen.store(1);
            w.frozen.store(0);
            w.queue.thaw_workqueues();
        })
    };
    check(&active("active", false).expect_violations(runs));
    check_with_traces(&slow_on_loom(active("behind", true).expect_proof()));
    let never = Scenario::builder("never", frozen(freezable)).thread("T", |w| {
        w.queue.freeze_workqueues_begin();
        w.queue.queue_work(&w.one);
        w.one.flush_work();
    });
    check(&never.expect_violations(deadlock(["queue"])));
}
