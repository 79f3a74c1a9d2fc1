//! Spinlocks, RCU, timers and work: which threads may not sleep, and which wait for others.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{
    Atomic, Completion, Mutex, PerCpu, Rcu, RwSem, SpinLock, Srcu, Timer, Tracked, WaitQueue, Work,
};
use selvedge_core::{
    Classification, Engine, Scenario, ScenarioBuilder, ViolationKind, might_sleep,
};

use super::{check, deadlock, same_traces};

/// Checks the verdict on every engine, and that source-DPOR finds the traces of sleep sets.
fn check_with_traces(scenario: &Scenario) {
    check(scenario);
    same_traces(scenario);
}

#[test]
fn a_spinlock_excludes_and_may_be_tried() {
    let world = || (SpinLock::new("L", 0), Atomic::new("busy", 0));
    let scenario = |claim: fn(u64, u64)| {
        Scenario::builder("spin", world)
            .thread("lock", |(lock, _)| *lock.lock() += 1)
            .thread("try", |(lock, busy)| match lock.try_lock() {
                Some(mut held) => *held += 1,
                None => busy.store(1),
            })
            .finally(move |(lock, busy)| claim(*lock.lock(), busy.load()))
    };
    check_with_traces(&scenario(|sum, busy| assert_eq!(sum + busy, 2)).expect_proof());
    let busy = scenario(|sum, _| assert_eq!(sum, 2, "busy"));
    check_with_traces(&busy.expect_violations([ViolationKind::Panic(
        "assertion `left == right` failed: busy\n  left: 1\n right: 2".into(),
    )]));
}

#[test]
fn spinlocks_deadlock_as_mutexes_do() {
    let scenario = Scenario::builder("abba", || ["A", "B"].map(|class| SpinLock::new(class, ())))
        .thread("ab", |[a, b]| {
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |[a, b]| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations(deadlock(["A", "B"]));
    check_with_traces(&scenario);
    let report = scenario.verify(Engine::Native);
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
}

/// Returns a function of a timer or a work that is a part of `world`.
fn within<W, T>(world: &Weak<W>, function: fn(&W)) -> impl Fn(&T) + use<W, T> {
    let world = Weak::clone(world);
    move |_| function(&world.upgrade().expect("the world lasts as long as its threads"))
}

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
            let _held = w.spin.lock();
            sleep(w);
        }),
        ("rcu", |w, sleep| {
            let _reader = w.rcu.read_lock();
            sleep(w);
        }),
        ("rcu", |w, sleep| {
            let world = Arc::clone(w);
            w.rcu.call(move || sleep(&world));
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
fn sleeping_is_possible_where_it_is_allowed() {
    for (what, sleep) in SLEEPS.into_iter().filter(|(what, _)| *what != "queue") {
        let scenario = Scenario::builder(what, move || sleepers(sleep))
            .thread("T", move |w| {
                w.spin.lock().unlock();
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
            let spin = w.spin.lock();
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
            let held = lock.lock();
            if *held == 0 {
                drop(mutex.lock());
            }
        })
        .thread("second", |(lock, _)| *lock.lock() += 1)
        .expect_violations([ViolationKind::sleep_in_atomic("M", "L")]);
    check(&scenario);
}

/// A reader of a node that is about to be freed, and the thread that frees it.
fn freed_by(free: fn(&Arc<Domain>)) -> ScenarioBuilder<Arc<Domain>> {
    let world = || {
        let (rcu, listed) = (Rcu::new(), Atomic::new("listed", 1));
        Arc::new(Domain { rcu, listed, node: Tracked::new("node", ()) })
    };
    let read = |w: &Arc<Domain>| {
        let _reader = w.rcu.read_lock();
        if w.listed.load() == 1 {
            w.node.get();
        }
    };
    Scenario::builder("rcu", world).thread("R", read).thread("remove", move |w| {
        w.listed.store(0);
        free(w);
    })
}

struct Domain {
    rcu: Rcu,
    listed: Atomic,
    node: Tracked,
}

#[test]
fn rcu_keeps_an_object_that_a_reader_has_found() {
    check_with_traces(
        &freed_by(|w| {
            w.rcu.synchronize();
            w.node.release();
        })
        .expect_proof(),
    );
    let callback = freed_by(|w| {
        let world = Arc::clone(w);
        w.rcu.call(move || world.node.release());
    });
    check_with_traces(&callback.expect_proof());
    check(
        &freed_by(|w| w.node.release())
            .expect_violations([ViolationKind::use_after_release("node")]),
    );
    // A grace period that begins before the node is taken off the list is over too early.
    let early = Scenario::builder("early", || (Rcu::new(), Tracked::new("node", ())))
        .thread("R", |(rcu, node)| {
            let _reader = rcu.read_lock();
            node.get();
        })
        .thread("remove", |(rcu, node)| {
            rcu.synchronize();
            node.release();
        })
        .expect_violations([ViolationKind::use_after_release("node")]);
    check(&early);
}

#[test]
fn a_nested_rcu_section_belongs_to_the_same_reader() {
    let scenario = Scenario::builder("rcu", || (Rcu::new(), Atomic::new("go", 0)))
        .thread("R", |(rcu, go)| {
            let _outer = rcu.read_lock();
            rcu.read_lock().unlock();
            go.load();
        })
        .thread("S", |(rcu, go)| {
            rcu.synchronize();
            go.store(1);
        })
        .expect_proof();
    check_with_traces(&scenario);
}

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
            let _held = w.lock.lock();
            w.timer.del_timer_sync();
        },
        |w| drop(w.lock.lock()),
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

#[test]
fn a_waiter_for_a_completion_never_wakes_too_early() {
    let world = || (Completion::new("closed"), Atomic::new("count", 0), Mutex::new("M", ()));
    let complete = |(closed, count, _): &(Completion, Atomic, Mutex)| {
        count.fetch_add(1);
        closed.complete_all();
    };
    let scenario = Scenario::builder("completion", world)
        .thread("A", complete)
        .thread("B", complete)
        .thread("W", |(closed, count, _)| {
            closed.wait_for_completion();
            assert!(count.load() > 0);
        })
        .expect_proof();
    check_with_traces(&scenario);
    let under_lock = Scenario::builder("completion", world)
        .thread("W", |(closed, _, mutex)| {
            let _held = mutex.lock();
            closed.wait_for_completion();
        })
        .thread("A", move |w| {
            drop(w.2.lock());
            complete(w);
        })
        // A does not promise to complete it, so it only waits behind W.
        .expect_violations(deadlock(["closed"]));
    check_with_traces(&under_lock);
}

/// Two threads that both find no other thread on their CPU.
#[test]
fn a_thread_migrates_between_cpus() {
    let world = || PerCpu::new("fq", (0..2).map(|_| Atomic::new("head", 0)));
    let push = |fq: &PerCpu<Atomic>| {
        let head = fq.this_cpu();
        head.store(head.load() + 1);
    };
    let sum = |fq: &PerCpu<Atomic>| fq.iter().map(Atomic::load).sum::<u64>();
    let lost = Scenario::builder("lost", world)
        .thread("A", push)
        .thread("B", push)
        .finally(move |fq| assert_eq!(sum(fq), 2, "lost"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: lost\n  left: 1\n right: 2".into(),
        )]);
    check(&lost);
    let locked = || PerCpu::new("fq", (0..2).map(|_| SpinLock::new("fq->lock", 0)));
    let both = Scenario::builder("locked", locked)
        .thread("A", |fq| *fq.this_cpu().lock() += 1)
        .thread("B", |fq| *fq.this_cpu().lock() += 1)
        .finally(|fq| assert_eq!(fq.iter().map(|ring| *ring.lock()).sum::<u64>(), 2))
        .expect_proof();
    check_with_traces(&both);
    let apart = Scenario::builder("apart", world)
        .thread("A", |fq| fq.this_cpu().store(1))
        .finally(|fq| assert!(fq.iter().next().is_some_and(|head| head.load() == 1), "moved"))
        .expect_violations([ViolationKind::Panic("moved".into())]);
    check(&apart);
}
