//! Work on workqueues, and worlds that begin with queued work or armed timers.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Atomic, Mutex, Timer, Tracked, Work, Workqueue};
use selvedge_core::{Classification, Engine, Scenario, ScenarioBuilder, Verdict, ViolationKind};

use super::{check, check_with_traces, deadlock, slow_on_loom};

/// A queue with two works, of which the first runs the given function and the second notes that it
/// has run.
struct Two {
    queue: Workqueue,
    one: Work,
    two: Work,
    ran: Atomic,
    lock: Mutex,
}

fn two(max_active: usize, first: fn(&Two)) -> impl Fn() -> Arc<Two> + Send + Sync {
    move || {
        Arc::new_cyclic(|world: &Weak<Two>| {
            let within = |function: fn(&Two)| {
                let world = Weak::clone(world);
                move |_: &Work| function(&world.upgrade().expect("the world lasts"))
            };
            let queue = Workqueue::new("queue", max_active);
            Two {
                one: queue.init_work("one", within(first)),
                two: queue.init_work("two", within(|w| _ = w.ran.fetch_add(1))),
                queue,
                ran: Atomic::new("ran", 0),
                lock: Mutex::new("lock", ()),
            }
        })
    }
}

fn scenario(max_active: usize, first: fn(&Two), body: fn(&Two)) -> ScenarioBuilder<Arc<Two>> {
    Scenario::builder("two", two(max_active, first)).thread("T", move |w| body(w))
}

fn queue_both(w: &Two) {
    w.queue.queue_work(&w.one);
    w.queue.queue_work(&w.two);
}

/// The work that is flushed is behind the one that flushes it.
#[test]
fn flushing_a_later_work_of_an_ordered_queue_deadlocks() {
    let flush = |max_active| scenario(max_active, |w| w.two.flush_work(), queue_both);
    let ordered = flush(1).expect_violations(deadlock(["queue"]));
    check_with_traces(&ordered);
    let report = ordered.verify(Engine::Native);
    assert!(
        matches!(report.predictions[0].classification, Classification::Feasible(_)),
        "{report}"
    );
    let Verdict::Refuted(found) = &report.verdict else { panic!("{report}") };
    let waits = &found[0].violation.waits;
    let one = waits.iter().find(|wait| wait.thread == "one").expect("it waits");
    assert_eq!(one.wants, "flush_work(two)");
    assert_eq!(one.waits_for, ["one"]);
    check_with_traces(&flush(2).expect_proof());
}

/// The same, but another thread takes the work off the queue: then no thread waits for it any more.
#[test]
fn a_flush_ends_when_the_work_is_cancelled() {
    let body = |w: &Two| {
        queue_both(w);
        w.two.cancel_work_sync();
    };
    check_with_traces(
        &scenario(1, |w| w.two.flush_work(), body).expect_proof().expect_inversion(["queue"]),
    );
}

#[test]
fn an_ordered_queue_runs_its_works_in_order() {
    let first = |w: &Two| assert_eq!(w.ran.load(), 0, "passed");
    let body = |w: &Two| {
        queue_both(w);
        w.queue.flush_workqueue();
        assert_eq!(w.ran.load(), 1, "flushed");
    };
    check_with_traces(&slow_on_loom(scenario(1, first, body).expect_proof()));
    let passed = "assertion `left == right` failed: passed\n  left: 1\n right: 0";
    check(&scenario(2, first, body).expect_violations([ViolationKind::Panic(passed.into())]));
}

/// A cancelled work makes room, and a work that is queued again is queued last.
#[test]
fn cancelled_work_leaves_the_queue() {
    let first = |w: &Two| assert_eq!(w.ran.load(), 1, "first");
    let body = |w: &Two| {
        w.one.cancel_work_sync();
        w.queue.queue_work(&w.two);
        w.queue.queue_work(&w.one);
    };
    check_with_traces(&scenario(1, first, body).expect_proof());
    let late = scenario(
        1,
        |_| (),
        |w| {
            queue_both(w);
            w.two.cancel_work_sync();
            w.queue.flush_workqueue();
            w.ran.load();
        },
    );
    check_with_traces(&late.expect_proof());
}

#[test]
fn a_flush_with_a_lock_that_a_work_wants_deadlocks() {
    let first = |w: &Two| drop(w.lock.lock());
    type Flush = fn(&Two);
    let flushes: [(Flush, [&str; 2]); 4] = [
        (|w| w.queue.flush_workqueue(), ["lock", "queue"]),
        (|w| w.queue.drain_workqueue(), ["lock", "queue"]),
        (|w| w.one.flush_work(), ["lock", "one"]),
        (|w| _ = w.one.cancel_work_sync(), ["lock", "one"]),
    ];
    for (flush, classes) in flushes {
        let world = two(2, first);
        let scenario = Scenario::builder("flush", world).thread("T", move |w| {
            queue_both(w);
            let _held = w.lock.lock();
            flush(w);
        });
        check_with_traces(&scenario.expect_violations(deadlock(classes)));
    }
    // On an ordered queue a thread that flushes one work waits for any.
    let world = two(1, first);
    let other = Scenario::builder("other", world)
        .thread("T", |w| {
            queue_both(w);
            let _held = w.lock.lock();
            w.two.flush_work();
        })
        .expect_violations(deadlock(["lock", "queue"]));
    check_with_traces(&other);
}

#[test]
fn a_wait_is_named_after_its_call() {
    let scenario = scenario(
        1,
        |w| drop(w.lock.lock()),
        |w| {
            w.queue.queue_work(&w.one);
            let _held = w.lock.lock();
            w.one.cancel_work_sync();
        },
    );
    let scenario = scenario.expect_violations(deadlock(["lock", "one"]));
    let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else { panic!() };
    assert_eq!(found[0].violation.waits[0].wants, "cancel_work_sync(one)");
    assert_eq!(found[0].violation.waits[1].thread, "one");
}

/// Only a work of the queue may queue another while it is drained.
#[test]
fn a_draining_queue_accepts_only_its_own_works() {
    let chained = scenario(
        1,
        |w| _ = w.queue.queue_work(&w.two),
        |w| {
            w.queue.queue_work(&w.one);
            w.queue.drain_workqueue();
            assert_eq!(w.ran.load(), 1);
            w.queue.queue_work(&w.two);
            w.queue.destroy_workqueue();
        },
    );
    check_with_traces(&slow_on_loom(chained.expect_proof()));
    let other = || scenario(1, |_| (), |w| w.queue.drain_workqueue());
    let outside = other().thread("other", |w| _ = w.queue.queue_work(&w.two));
    check(&outside.expect_violations([ViolationKind::invariant("drain_workqueue")]));
    let gone = scenario(1, |_| (), |w| w.queue.destroy_workqueue())
        .thread("other", |w| _ = w.queue.queue_work(&w.two));
    check(&gone.expect_violations([ViolationKind::use_after_release("queue")]));
    let twice = scenario(
        1,
        |_| (),
        |w| {
            w.queue.destroy_workqueue();
            w.queue.destroy_workqueue();
        },
    );
    check(&twice.expect_violations([ViolationKind::DoubleRelease("queue".into())]));
}

/// The threads with which the world begins follow the scenario's own, in any order of their own.
#[test]
fn a_world_begins_with_a_timer_armed_and_work_queued() {
    let world = |cancels: bool| {
        move || {
            let depot = Arc::new(Tracked::new("depot", ()));
            let (of_work, of_timer) = (Arc::clone(&depot), Arc::clone(&depot));
            let work = Work::new("work", move |_| _ = of_work.get());
            let timer = Timer::new("timer", move |_| _ = of_timer.get());
            work.queue_work();
            timer.mod_timer();
            (work, timer, depot, cancels)
        }
    };
    let scenario = |cancels| {
        Scenario::builder("begins", world(cancels)).thread("T", |(work, timer, depot, cancels)| {
            if *cancels {
                work.cancel_work_sync();
                timer.del_timer_sync();
            }
            depot.release();
        })
    };
    check_with_traces(&scenario(true).expect_proof());
    let gone = scenario(false).expect_violations([ViolationKind::use_after_release("depot")]);
    check(&gone);
    let Verdict::Refuted(found) = gone.verify(Engine::Native).verdict else { panic!() };
    assert_eq!(found[0].trace.threads, ["T", "work", "timer"]);
}

/// In one interleaving the first thread that is started is the work's, in another the timer's.
#[test]
fn a_thread_is_distinguished_by_its_function() {
    let world = || {
        let count = Arc::new(Atomic::new("count", 0));
        let (of_work, of_timer) = (Arc::clone(&count), Arc::clone(&count));
        let work = Work::new("work", move |_| of_work.store(1));
        let timer = Timer::new("timer", move |_| of_timer.store(2));
        (work, timer, count)
    };
    let scenario = Scenario::builder("apart", world)
        .thread("A", |(work, ..)| _ = work.queue_work())
        .thread("B", |(_, timer, _)| timer.mod_timer())
        .finally(|(.., count)| assert!(count.load() > 0))
        .expect_proof();
    check_with_traces(&slow_on_loom(scenario));
}

/// A mutex that the set-up holds is never released: a thread that wants it waits for ever.
#[test]
fn a_world_can_begin_with_a_mutex_held() {
    let world = || {
        let mutex = Mutex::new("M", ());
        mutex.raw_lock();
        mutex
    };
    let waits = Scenario::builder("held", world).thread("T", |m| drop(m.lock()));
    check(&waits.expect_violations(deadlock(["M"])));
    let other = Scenario::builder("other", world).thread("T", |m| m.raw_unlock());
    check(&other.expect_violations([ViolationKind::NotOwner("M".into())]));
    let checked = Scenario::builder("checked", world)
        .thread("T", |m| assert!(m.try_lock().is_none()))
        .finally(|m| m.raw_unlock())
        .expect_proof();
    check(&checked);
}
