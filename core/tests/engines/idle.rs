//! Threads that have nothing to do: the workers of works, and those of timers' functions.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Atomic, Mutex, SpinLock, Timer, Tracked, WaitQueue, Work, Workqueue};
use selvedge_core::{Checker, Engine, Report, Scenario, Search, Verdict, ViolationKind};

use super::{check, deadlock, same_traces};

fn verify(scenario: &Scenario, search: Search) -> Report {
    Checker::native().search(search).run(scenario)
}

fn states(scenario: &Scenario) -> u64 {
    let report = verify(scenario, Search::Full);
    assert!(report.complete, "{report}");
    report.fingerprint.states.expect("a full search counts states")
}

/// A work, and what it counts.
fn counting() -> (Arc<Atomic>, Work) {
    let count = Arc::new(Atomic::new("count", 0));
    let counts = Arc::clone(&count);
    (count, Work::new("work", move |_| _ = counts.fetch_add(1)))
}

#[test]
fn each_round_of_work_adds_as_many_states() {
    let rounds = |rounds: u64| {
        Scenario::builder("rounds", counting)
            .thread("T", move |(_, work)| {
                for _ in 0..rounds {
                    assert!(work.queue_work());
                    work.flush_work();
                }
            })
            .finally(move |(count, _)| assert_eq!(count.load(), rounds))
            .expect_proof()
    };
    let counts: Vec<u64> = (1..20).map(|n| states(&rounds(n))).collect();
    let more: Vec<u64> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(more.iter().all(|states| *states == more[0] && *states < 10), "{counts:?}");
    check(&rounds(2));
    same_traces(&rounds(3));
}

struct Periodic {
    timer: Timer,
    work: Work,
    lock: Arc<Mutex<u32>>,
    other: Mutex,
    wait: WaitQueue,
}

/// A timer that arms itself again and queues work each time.
fn periodic() -> Arc<Periodic> {
    Arc::new_cyclic(|world: &Weak<Periodic>| {
        let (world, lock) = (Weak::clone(world), Arc::new(Mutex::new("lock", 0)));
        let locked = Arc::clone(&lock);
        let periodic = Periodic {
            timer: Timer::new("timer", move |timer| {
                world.upgrade().expect("the world lasts").work.queue_work();
                timer.mod_timer();
            }),
            work: Work::new("work", move |_| drop(locked.lock())),
            lock,
            other: Mutex::new("other", ()),
            wait: WaitQueue::new("wait"),
        };
        periodic.timer.mod_timer();
        periodic
    })
}

#[test]
fn a_timer_that_arms_itself_and_queues_work_has_few_states() {
    let world = || Scenario::builder("periodic", periodic);
    let proved = world().thread("T", |w| *w.lock.lock() += 1).expect_proof();
    for search in [Search::Auto, Search::Reduced, Search::Full] {
        let report = verify(&proved, search);
        assert!(report.as_expected(), "{search:?}: {report}");
    }
    // It has no interleaving with an end.
    let interleavings = verify(&proved, Search::Dpor);
    assert!(matches!(interleavings.verdict, Verdict::Inconclusive { .. }), "{interleavings}");
    assert!(states(&proved) < 200, "{}", states(&proved));
    // A thread that sleeps and is never woken waits for good, and no other thread does.
    let asleep = world().thread("T", |w| {
        w.wait.prepare_to_wait();
        w.wait.schedule();
        w.wait.finish_wait();
    });
    let report = verify(&asleep.expect_violations(deadlock(["wait"])), Search::Auto);
    assert!(report.as_expected(), "{report}");
    let inverted = world()
        .thread("ab", |w| {
            let _lock = w.lock.lock();
            drop(w.other.lock());
        })
        .thread("ba", |w| {
            let _other = w.other.lock();
            drop(w.lock.lock());
        })
        .expect_violations(deadlock(["lock", "other"]));
    for engine in [Engine::Native, Engine::Shuttle] {
        let found = inverted.verify(engine).verdict;
        assert!(matches!(found, Verdict::Refuted(_)), "{engine}: {found:?}");
    }
}

/// A periodic timer does not prevent the end if it is deleted: the final check runs then.
#[test]
fn a_periodic_timer_that_is_deleted_ends() {
    let world = || {
        let count = Arc::new(Atomic::new("count", 0));
        let counts = Arc::clone(&count);
        let timer = Timer::new("timer", move |timer| {
            counts.store(1);
            timer.mod_timer();
        });
        (count, timer)
    };
    let scenario = Scenario::builder("deleted", world)
        .thread("T", |(_, timer)| {
            timer.mod_timer();
            timer.del_timer_sync();
        })
        .finally(|(count, _)| assert_eq!(count.load(), 0, "it ran"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: it ran\n  left: 1\n right: 0".into(),
        )]);
    let report = verify(&scenario, Search::Auto);
    assert!(report.as_expected(), "{report}");
}

#[test]
fn an_idle_thread_does_not_starve() {
    let scenario = Scenario::builder("idle", || (periodic(), counting()))
        .thread("T", |(_, (_, work))| {
            work.queue_work();
            work.flush_work();
        })
        .starvation_free()
        .expect_proof();
    let report = scenario.verify(Engine::Native);
    assert!(report.as_expected(), "{report}");
}

/// A worker that idles is in no deadlock; one whose work is queued behind another is.
#[test]
fn an_idle_thread_is_not_stuck() {
    let world = || {
        let lock = Arc::new(Mutex::new("lock", ()));
        let locks = Arc::clone(&lock);
        let queue = Workqueue::ordered("queue");
        let one = queue.init_work("one", |_| ());
        let two = queue.init_work("two", move |_| drop(locks.lock()));
        (lock, queue, one, two)
    };
    let stuck = |name, queue_again: bool| {
        let scenario =
            Scenario::builder(name, world).thread("T", move |(lock, queue, one, two)| {
                queue.queue_work(one);
                queue.flush_workqueue();
                let _held = lock.lock();
                queue.queue_work(two);
                if queue_again {
                    queue.queue_work(one);
                }
                queue.flush_workqueue();
            });
        let scenario = scenario.expect_violations(deadlock(["lock", "queue"]));
        let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else { panic!() };
        let waits = &found[0].violation.waits;
        let mut waiting: Vec<&str> = waits.iter().map(|wait| wait.thread.as_str()).collect();
        waiting.sort_unstable();
        assert_eq!(found.len(), 1);
        check(&scenario);
        waiting.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(stuck("idle", false), ["T", "two"]);
    assert_eq!(stuck("behind", true), ["T", "one", "two"]);
}

/// A worker that idles accesses nothing; one that runs too late does.
#[test]
fn memory_can_be_released_beside_an_idle_worker() {
    struct Device {
        work: Work,
        timer: Timer,
        lock: SpinLock,
    }
    let world = || {
        Arc::new(Tracked::with("device", || Device {
            work: Work::new("work", |_| ()),
            timer: Timer::new("timer", |_| ()),
            lock: SpinLock::new("lock", ()),
        }))
    };
    let scenario = |cancels: bool| {
        Scenario::builder("device", world).thread("T", move |device| {
            let inside = device.get();
            inside.work.queue_work();
            inside.timer.mod_timer();
            drop(inside.lock.spin_lock_irqsave());
            inside.work.flush_work();
            if cancels {
                inside.timer.del_timer_sync();
            }
            device.release();
        })
    };
    check(&scenario(true).expect_proof());
    check(&scenario(false).expect_violations([ViolationKind::use_after_release("device")]));
}
