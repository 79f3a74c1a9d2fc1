//! Kernel threads, and delayed and disabled works.

use selvedge_core::sync::{Atomic, Kthread, Mutex, Tracked, Work, Workqueue};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, ViolationKind, in_world};

use super::{check, check_with_traces, deadlock, slow_on_loom};

struct World {
    lock: Mutex,
    requests: Atomic,
    buffer: Tracked,
    thread: Kthread,
}

fn world(function: fn(&World)) -> ScenarioBuilder<World> {
    let world = move || World {
        lock: Mutex::new("lock", ()),
        requests: Atomic::new("requests", 0),
        buffer: Tracked::new("buffer", ()),
        thread: Kthread::new("server", in_world(function)),
    };
    Scenario::builder("kthread", world).finally(|w| w.buffer.release())
}

fn uses(w: &World) {
    w.buffer.get();
}

#[test]
fn kthread_stop_waits_for_the_end() {
    let scenario = |remove: fn(&World)| {
        world(uses).finally(|_| ()).thread("T", move |w| {
            // Later it may be gone.
            w.thread.get_task_struct();
            w.thread.kthread_run();
            remove(w);
        })
    };
    let stops = scenario(|w| {
        w.thread.kthread_stop();
        w.buffer.release();
    });
    check_with_traces(&stops.expect_proof());
    let too_early = scenario(|w| w.buffer.release());
    check(&too_early.expect_violations([ViolationKind::use_after_release("buffer")]));
}

/// "the caller must ensure task_struct can't go away" (`kthread_stop`, `kernel/kthread.c`, v6.6).
#[test]
fn a_thread_that_has_ended_is_neither_kept_nor_woken() {
    for touch in [Kthread::get_task_struct, Kthread::wake_up_process] {
        let scenario = world(uses).thread("T", move |w| {
            w.thread.kthread_run();
            touch(&w.thread);
        });
        check(&scenario.expect_violations([ViolationKind::use_after_release("server")]));
    }
}

#[test]
fn a_thread_that_has_ended_is_not_stopped() {
    let ends = world(uses).thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_stop();
    });
    check(&ends.expect_violations([ViolationKind::use_after_release("server")]));
    let until_stopped = |w: &World| w.thread.wait_event(|| w.thread.kthread_should_stop());
    let stops = world(until_stopped).thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_stop();
    });
    check_with_traces(&slow_on_loom(stops.expect_proof()));
    let twice = world(until_stopped).thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_run();
    });
    check(&twice.expect_violations([ViolationKind::invariant("kthread_run")]));
}

#[test]
fn kthread_stop_under_a_lock_of_the_thread_deadlocks() {
    let takes = |w: &World| {
        w.thread.wait_event(|| w.thread.kthread_should_stop());
        drop(w.lock.lock());
    };
    let scenario = world(takes).thread("T", |w| {
        w.thread.kthread_run();
        let _held = w.lock.lock();
        w.thread.kthread_stop();
    });
    let scenario = scenario.expect_violations(deadlock(["lock", "server"]));
    check(&scenario);
    assert_eq!(scenario.verify(Engine::Native).predictions.len(), 1);
}

#[test]
fn a_thread_that_does_not_look_is_never_stopped() {
    let deaf = |w: &World| w.thread.wait_event(|| w.requests.load() == 1);
    let scenario = world(deaf).thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_stop();
    });
    check(&scenario.expect_violations(deadlock(["server (asleep)"])));
}

#[test]
fn a_parked_thread_does_nothing_until_it_is_unparked() {
    let serves = |w: &World| {
        w.thread.wait_event(|| w.thread.kthread_should_park() || w.thread.kthread_should_stop());
        w.thread.kthread_parkme();
        w.requests.store(1);
        w.thread.wait_event(|| w.thread.kthread_should_stop());
    };
    let parks = world(serves).thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_park();
        assert_eq!(w.requests.load(), 0);
        w.thread.kthread_unpark();
        w.thread.kthread_stop();
    });
    check_with_traces(&slow_on_loom(parks.expect_proof()));
    let stops_parked = world(serves).thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_park();
        w.thread.kthread_stop();
    });
    check_with_traces(&slow_on_loom(stops_parked.expect_proof()));
    let deaf = world(|w| w.thread.wait_event(|| w.thread.kthread_should_stop()));
    let parks_deaf = deaf.thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_park();
    });
    check(&parks_deaf.expect_violations(deadlock(["server (asleep)"])));
}

struct Works {
    work: Work,
    count: Atomic,
    lock: Mutex,
}

fn works(body: fn(&Works)) -> ScenarioBuilder<Works> {
    fn counts(w: &Works) {
        let _held = w.lock.lock();
        w.count.fetch_add(1);
    }
    let world = || Works {
        work: Work::new("info_timer", in_world(counts)),
        count: Atomic::new("count", 0),
        lock: Mutex::new("lock", ()),
    };
    Scenario::builder("works", world).thread("T", body)
}

#[test]
fn a_delayed_work_is_pending_and_on_no_queue() {
    let pending = works(|w| {
        assert!(w.work.queue_delayed_work());
        // Unless the delay is over.
        let again = w.work.queue_work();
        w.work.flush_delayed_work();
        assert_eq!(w.count.load(), 1 + u64::from(again));
        assert!(!w.work.cancel_work());
    });
    check_with_traces(&pending.expect_proof());
    let flushed = works(|w| {
        assert!(w.work.queue_delayed_work());
        w.work.flush_delayed_work();
        assert_eq!(w.count.load(), 1);
    });
    check_with_traces(&flushed.expect_proof());
    let not_flushed = works(|w| {
        w.work.queue_delayed_work();
        w.work.flush_work();
        assert!(w.count.load() == 1, "not yet");
    });
    check(&not_flushed.expect_violations([ViolationKind::Panic("not yet".into())]));
}

#[test]
fn mod_delayed_work_begins_the_delay_again() {
    let again = works(|w| {
        w.work.queue_delayed_work();
        w.work.mod_delayed_work();
        w.work.flush_delayed_work();
        assert!([1, 2].contains(&w.count.load()));
    });
    check_with_traces(&again.expect_proof());
    let cancels = works(|w| {
        w.work.mod_delayed_work();
        w.work.cancel_work_sync();
        let count = w.count.load();
        assert!(!w.work.mod_delayed_work());
        assert!(w.work.cancel_work() || w.count.load() <= count + 1);
    });
    check(&cancels.expect_proof());
}

/// Bluetooth, l2cap_conn_del: a cancel under the mutex of the work, and another that queues it.
#[test]
fn a_disabled_work_is_not_queued() {
    let scenario = |body: fn(&Works)| works(body).thread("other", |w| _ = w.work.queue_work());
    let cancels = scenario(|w| {
        w.work.cancel_work_sync();
        w.count.store(7);
    });
    let seven = |w: &Works| assert!(w.count.load() == 7, "it has run again");
    let again = cancels.finally(seven);
    check(&again.expect_violations([ViolationKind::Panic("it has run again".into())]));
    let disables = scenario(|w| {
        w.work.disable_work_sync();
        w.count.store(7);
    });
    check_with_traces(&disables.finally(seven).expect_proof());
    let enables = works(|w| {
        w.work.disable_work();
        w.work.disable_work();
        assert!(!w.work.queue_work());
        assert!(!w.work.enable_work());
        assert!(w.work.enable_work() && w.work.queue_work());
    });
    check_with_traces(&enables.expect_proof());
    let unbalanced = works(|w| _ = w.work.enable_work());
    check(&unbalanced.expect_violations([ViolationKind::invariant("enable_work")]));
    let under_lock = works(|w| {
        w.work.queue_work();
        let _held = w.lock.lock();
        w.work.disable_work_sync();
    });
    check_with_traces(&under_lock.expect_violations(deadlock(["info_timer", "lock"])));
}

#[test]
fn a_delay_that_ends_after_the_queue_is_destroyed_is_a_use_after_release() {
    let world = || {
        let queue = Workqueue::new("wq", 1);
        (queue.init_work("work", |_| ()), queue)
    };
    let scenario = |remove: fn(&(Work, Workqueue))| {
        Scenario::builder("destroy", world).thread("T", move |w| {
            w.0.queue_delayed_work();
            remove(w);
            w.1.destroy_workqueue();
        })
    };
    check(&scenario(|_| ()).expect_violations([ViolationKind::use_after_release("wq")]));
    check_with_traces(&scenario(|w| _ = w.0.cancel_work_sync()).expect_proof());
}
