//! Threads that may not sleep.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Mutex, Rcu, RcuHead, RwSem, SpinLock, Srcu, Timer, WaitQueue, Work};
use selvedge_core::{Scenario, ViolationKind, in_world, might_sleep};

use super::{check, check_with_traces, reason_of, within};

/// Operations that may sleep, each in a world of its own.
struct Sleepers {
    mutex: Mutex,
    sem: RwSem,
    srcu: Srcu,
    rcu: Rcu,
    queue: WaitQueue,
    work: Work,
    spin: SpinLock,
    timer: Timer,
}

type Sleep = fn(&Sleepers);

/// A world whose timer sleeps in this way, and whose work takes the mutex.
fn sleepers(sleep: Sleep) -> Arc<Sleepers> {
    Arc::new_cyclic(|world: &Weak<Sleepers>| Sleepers {
        mutex: Mutex::new("mutex", ()),
        sem: RwSem::new("sem", ()),
        srcu: Srcu::new("srcu"),
        rcu: Rcu::new(),
        queue: WaitQueue::new("queue"),
        work: Work::new("work", within(world, |w| drop(w.mutex.lock()))),
        spin: SpinLock::new("spin", ()),
        timer: Timer::new("timer", within(world, sleep)),
    })
}

/// Each with the class that it names.
const SLEEPS: [(&str, Sleep); 10] = [
    ("mutex", |w| drop(w.mutex.lock())),
    ("mutex", |w| drop(w.mutex.lock_interruptible())),
    ("sem", |w| drop(w.sem.down_read())),
    ("sem", |w| drop(w.sem.down_write())),
    ("srcu", |w| w.srcu.synchronize()),
    ("rcu", |w| w.rcu.synchronize()),
    ("queue", |w| w.queue.wait_event(|| false)),
    ("work", |w| w.work.flush_work()),
    ("work", |w| _ = w.work.cancel_work_sync()),
    ("vfree", |_| might_sleep("vfree")),
];

#[test]
fn sleeping_is_a_violation_where_it_is_not_allowed() {
    type Body = fn(&Arc<Sleepers>, Sleep);
    let forbidden: [(&str, Body); 4] = [
        ("spin", |w, sleep| {
            let _held = w.spin.spin_lock_irqsave();
            sleep(w);
        }),
        ("rcu", |w, sleep| {
            let _reader = w.rcu.read_lock();
            sleep(w);
        }),
        ("rcu", |w, sleep| {
            w.rcu.call(&RcuHead::new(in_world(move |w: &Arc<Sleepers>| sleep(w))));
        }),
        ("timer", |w, _| {
            w.timer.mod_timer();
        }),
    ];
    for (holds, body) in forbidden {
        for (what, sleep) in SLEEPS {
            let world = move || sleepers(sleep);
            let scenario = Scenario::builder(format!("{holds}/{what}"), world)
                .thread("T", move |w| body(w, sleep))
                .expect_violations([ViolationKind::sleep_in_atomic(what, holds)]);
            check(&scenario);
        }
    }
}

#[test]
fn the_call_that_sleeps_is_named() {
    let calls: [(&str, Sleep); 5] = [
        ("mutex_lock_interruptible(mutex)", |w| drop(w.mutex.lock_interruptible())),
        ("down_read(sem)", |w| drop(w.sem.down_read())),
        ("wait_event(queue)", |w| w.queue.wait_event(|| false)),
        ("flush_work(work)", |w| w.work.flush_work()),
        ("vfree", |_| might_sleep("vfree")),
    ];
    for (call, sleep) in calls {
        let scenario = Scenario::builder(call, move || sleepers(sleep))
            .thread("T", move |w| {
                let _held = w.spin.spin_lock_irqsave();
                sleep(w);
            })
            .build();
        let reason = reason_of(&scenario);
        assert!(reason.starts_with(&format!("T: {call} may sleep, with spin held: [")), "{reason}");
    }
}

#[test]
fn sleeping_is_possible_where_it_is_allowed() {
    for (what, sleep) in SLEEPS.into_iter().filter(|(what, _)| *what != "queue") {
        let scenario = Scenario::builder(what, move || sleepers(sleep))
            .thread("T", move |w| {
                w.spin.spin_lock_irqsave().unlock();
                w.rcu.read_lock().unlock();
                let _mutex = if what == "mutex" { None } else { Some(w.mutex.lock()) };
                let _reader = if what == "srcu" { None } else { Some(w.srcu.read_lock()) };
                sleep(w);
            })
            .expect_proof();
        check(&scenario);
    }
    let world = || sleepers(|_| ());
    let in_work = Scenario::builder("work", world).thread("T", |w| {
        w.work.queue_work();
        w.work.flush_work();
    });
    check_with_traces(&in_work.expect_proof());
    // The innermost object that forbids it is named, and what has been released forbids nothing.
    let nested = Scenario::builder("nested", world)
        .thread("T", |w| {
            let reader = w.rcu.read_lock();
            let spin = w.spin.spin_lock_irqsave();
            reader.unlock();
            might_sleep("vfree");
            spin.unlock();
        })
        .expect_violations([ViolationKind::sleep_in_atomic("vfree", "spin")]);
    check(&nested);
}

/// It sleeps in one interleaving only: where it finds that it is the first.
#[test]
fn a_sleep_is_found_in_the_only_interleaving_with_it() {
    let scenario = Scenario::builder("ordering", || (SpinLock::new("L", 0), Mutex::new("M", ())))
        .thread("first", |(lock, mutex)| {
            let held = lock.spin_lock_irqsave();
            if *held == 0 {
                drop(mutex.lock());
            }
        })
        .thread("second", |(lock, _)| *lock.spin_lock_irqsave() += 1)
        .expect_violations([ViolationKind::sleep_in_atomic("M", "L")]);
    check(&scenario);
}
