//! Threads that wait for good while others continue, and proofs that there are none.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Mutex, RwSem, SpinLock, Timer, WaitQueue, Work, Workqueue};
use selvedge_core::{
    Checker, Classification, Engine, Incomplete, Report, Scenario, ScenarioBuilder, Search,
    Verdict, ViolationKind, forever, poll,
};

fn verify(scenario: &Scenario, search: Search) -> Report {
    Checker::native().search(search).run(scenario)
}

/// Checks that every search of states reaches the claim, and that each counterexample replays.
fn check(scenario: &Scenario) -> Report {
    for search in [Search::Auto, Search::Reduced, Search::Full] {
        let report = verify(scenario, search);
        if let Verdict::Inconclusive { reason } = &report.verdict
            && matches!(reason, Incomplete::StarvationBySearch { .. })
        {
            continue;
        }
        assert!(report.as_expected(), "{search:?} on {}: {report}", scenario.name());
        if let Verdict::Refuted(found) = &report.verdict {
            for found in found {
                let again = scenario.replay(&found.schedule);
                let again = again.unwrap_or_else(|e| panic!("{}: {e}", found.schedule));
                assert!(again.contains(found), "{}: {again:#?}", found.schedule);
            }
        }
    }
    verify(scenario, Search::Auto)
}

fn names() -> [Mutex; 2] {
    [Mutex::new("A", ()), Mutex::new("B", ())]
}

fn ab([a, b]: &[Mutex; 2]) {
    let _a = a.lock();
    let _b = b.lock();
}

fn ba([a, b]: &[Mutex; 2]) {
    let _b = b.lock();
    let _a = a.lock();
}

struct World {
    locks: [Mutex; 2],
    other: Mutex,
    flag: Atomic,
    timer: Timer,
    work: Work,
}

fn world() -> World {
    World {
        locks: names(),
        other: Mutex::new("C", ()),
        flag: Atomic::new("flag", 0),
        timer: Timer::new("timer", Timer::mod_timer),
        work: Work::new("work", |work| _ = work.queue_work()),
    }
}

fn abba(name: &str) -> ScenarioBuilder<World> {
    Scenario::builder(name, world)
        .thread("ab", |w: &World| ab(&w.locks))
        .thread("ba", |w: &World| ba(&w.locks))
}

/// Checks that lockdep's inversion is confirmed by the deadlock, whose schedule has only its own
/// steps. Shuttle finds it, too, though an execution has no end there.
fn is_found(scenario: &Scenario) {
    let found = scenario.verify(Engine::Shuttle).verdict;
    assert!(matches!(found, Verdict::Refuted(_)), "{}: {found:?}", scenario.name());
    let report = check(scenario);
    let Verdict::Refuted(found) = &report.verdict else { panic!("{report}") };
    assert_eq!(found[0].schedule.len(), 2, "{report}");
    let classification: Vec<&Classification> =
        report.predictions.iter().map(|p| &p.classification).collect();
    assert!(matches!(classification.as_slice(), [Classification::Feasible(_)]), "{report}");
}

fn deadlock() -> [ViolationKind; 1] {
    [ViolationKind::deadlock(["A", "B"])]
}

#[test]
fn two_threads_deadlock_beside_an_endless_one() {
    is_found(
        &abba("forever")
            .thread("loop", |w| forever(|| drop(w.other.lock())))
            .expect_violations(deadlock()),
    );
}

#[test]
fn two_threads_deadlock_beside_one_that_polls() {
    is_found(
        &abba("poll")
            .thread("set", |w| w.flag.store(1))
            .thread("poll", |w| poll("flag", || (w.flag.load() == 1).then_some(())))
            .expect_violations(deadlock()),
    );
}

#[test]
fn two_threads_deadlock_beside_a_timer_that_arms_itself_again() {
    is_found(&abba("timer").thread("arm", |w| w.timer.mod_timer()).expect_violations(deadlock()));
}

#[test]
fn two_threads_deadlock_beside_periodic_work() {
    is_found(
        &abba("work").thread("queue", |w| _ = w.work.queue_work()).expect_violations(deadlock()),
    );
}

/// Starvation assumes fairness. A deadlocked thread does not starve.
#[test]
fn a_deadlock_is_not_a_starvation() {
    check(
        &abba("starves")
            .thread("loop", |w| forever(|| drop(w.other.lock())))
            .starvation_free()
            .expect_violations(deadlock()),
    );
}

/// The polling thread waits for one that is stuck: the cycle is that of the other threads.
#[test]
fn a_thread_that_polls_for_a_deadlocked_one_is_not_named() {
    let scenario = Scenario::builder("helped", world)
        .thread("ab", |w| {
            ab(&w.locks);
            w.flag.store(1);
        })
        .thread("ba", |w| ba(&w.locks))
        .thread("poll", |w| poll("flag", || (w.flag.load() == 1).then_some(())))
        .expect_violations(deadlock());
    is_found(&scenario);
}

/// There is no cycle, only the thread that keeps the lock or does not set the flag.
#[test]
fn a_wait_without_a_cycle_is_named_by_its_object() {
    let keeps = Scenario::builder("keeps", world)
        .thread("keeper", |w| {
            w.locks[0].raw_lock();
            forever(|| drop(w.other.lock()));
        })
        .thread("next", |w| drop(w.locks[0].lock()))
        .expect_violations([ViolationKind::deadlock(["A"])]);
    check(&keeps);
    let polls = Scenario::builder("polls", world)
        .thread("poll", |w| poll("flag", || (w.flag.load() == 1).then_some(())))
        .thread("other", |w| _ = w.flag.load())
        .expect_violations([ViolationKind::deadlock(["flag"])]);
    check(&polls);
    let sleeps = Scenario::builder("sleeps", || (WaitQueue::new("queue"), Atomic::new("flag", 0)))
        .thread("sleeper", |(queue, flag)| queue.wait_event(|| flag.load() == 1))
        .thread("other", |(_, flag)| forever(|| _ = flag.load()))
        .expect_violations([ViolationKind::deadlock(["queue"])]);
    check(&sleeps);
}

/// A thread that only waits behind a thread that sleeps for good is not part of the name.
#[test]
fn bystanders_are_not_in_the_name() {
    let world = || (WaitQueue::new("queue"), Mutex::new("A", ()));
    let scenario = Scenario::builder("bystander", world)
        .thread("sleeper", |(queue, a)| {
            let _a = a.lock();
            queue.wait_event(|| false);
        })
        .thread("bystander", |(_, a)| drop(a.lock()))
        .expect_violations([ViolationKind::deadlock(["queue"])]);
    check(&scenario);
}

/// A semaphore's queue closes the cycle: a reader that holds it waits for a writer that waits for
/// it.
#[test]
fn a_reader_deadlocks_with_itself_once_a_writer_waits() {
    let scenario = Scenario::builder("reader", || (RwSem::new("S", ()), Mutex::new("C", ())))
        .thread("reader", |(s, _)| {
            let _outer = s.down_read();
            let _inner = s.down_read();
        })
        .thread("writer", |(s, _)| drop(s.down_write()))
        .thread("loop", |(_, c)| forever(|| drop(c.lock())))
        .expect_violations([ViolationKind::deadlock(["S"])]);
    check(&scenario);
}

/// A thread that has ended releases nothing.
#[test]
fn a_lock_of_an_ended_thread_is_waited_for_for_good() {
    let scenario = Scenario::builder("along", world)
        .thread("ends", |w| w.locks[0].raw_lock())
        .thread("next", |w| drop(w.locks[0].lock()))
        .thread("loop", |w| forever(|| drop(w.other.lock())))
        .expect_violations([ViolationKind::deadlock(["A"])]);
    check(&scenario);
}

/// As long as another thread may help, no thread waits for good: at a lock, at a flag, or asleep.
#[test]
fn a_thread_that_is_helped_eventually_does_not_wait_for_good() {
    let lock = Scenario::builder("lock", world)
        .thread("T1", |w| forever(|| drop(w.other.lock())))
        .thread("T2", |w| forever(|| drop(w.other.lock())))
        .thread("T3", |w| drop(w.other.lock()))
        .expect_proof();
    check(&lock);
    let flag = Scenario::builder("flag", world)
        .thread("poll", |w| poll("flag", || (w.flag.load() == 1).then_some(())))
        .thread("toggles", |w| forever(|| [1, 0].into_iter().for_each(|value| w.flag.store(value))))
        .expect_proof();
    check(&flag);
    let world = || (WaitQueue::new("queue"), Atomic::new("flag", 0));
    let sleeps = Scenario::builder("sleeps", world)
        .thread("sleeper", |(queue, flag)| {
            forever(|| {
                queue.wait_event(|| flag.load() == 1);
                flag.store(0);
            })
        })
        .thread("waker", |(queue, flag)| {
            forever(|| {
                flag.store(1);
                queue.wake_up_all();
            })
        })
        .expect_proof();
    check(&sleeps);
}

/// There is only an unlock between two polls: the search skips the state in which the thread does
/// not poll.
#[test]
fn a_poll_that_ends_before_an_unlock_is_not_a_wait_for_good() {
    let scenario = Scenario::builder("unlock", world)
        .thread("poll", |w| {
            forever(|| {
                poll("flag", || {
                    w.other.raw_lock();
                    (w.flag.load() == 0).then_some(())
                });
                w.other.raw_unlock();
            })
        })
        .expect_proof();
    check(&scenario);
}

/// A program that never repeats a state has no end. The deadlock in it is found nevertheless.
#[test]
fn a_deadlock_is_found_in_an_infinite_program() {
    let scenario = abba("count")
        .thread("count", |w| {
            loop {
                w.flag.fetch_add(1);
            }
        })
        .expect_violations(deadlock());
    for search in [Search::Auto, Search::Reduced, Search::Shortest, Search::Dpor] {
        let report = Checker::native().search(search).operations(200).run(&scenario);
        let Verdict::Refuted(found) = &report.verdict else { panic!("{search:?}: {report}") };
        assert_eq!(found[0].violation.kind, deadlock()[0], "{search:?}: {report}");
        assert!(!report.complete, "{search:?}: {report}");
    }
}

/// A thread that has ended never releases what it holds, whatever the rest does without end.
#[test]
fn a_lock_of_an_ended_thread_is_found_in_an_infinite_program() {
    let scenario = Scenario::builder("along", world)
        .thread("ends", |w| w.locks[0].raw_lock())
        .thread("next", |w| drop(w.locks[0].lock()))
        .thread("count", |w| {
            loop {
                w.flag.fetch_add(1);
            }
        })
        .expect_violations([ViolationKind::deadlock(["A"])]);
    let report = Checker::native().operations(60).run(&scenario);
    let Verdict::Refuted(found) = &report.verdict else { panic!("{report}") };
    assert_eq!(found[0].violation.kind, ViolationKind::deadlock(["A"]), "{report}");
}

/// A thread that only a signal could help waits for good: no thread may rely on a signal.
#[test]
fn an_optional_outcome_does_not_end_a_wait_for_good() {
    let scenario = Scenario::builder("signal", world)
        .thread("ab", |w| {
            let _a = w.locks[0].lock();
            drop(w.locks[1].lock_interruptible());
        })
        .thread("ba", |w| ba(&w.locks))
        .thread("loop", |w| forever(|| drop(w.other.lock())))
        .expect_violations(deadlock());
    check(&scenario);
}

/// A thread that has not prepared to wait does not sleep, and so continues for ever without a
/// wake-up.
#[test]
fn a_thread_that_never_sleeps_needs_no_wake_up() {
    let world = || (WaitQueue::new("queue"), Atomic::new("flag", 0));
    let scenario = Scenario::builder("awake", world)
        .thread("sleeper", |(queue, flag)| queue.wait_event(|| flag.load() == 1))
        .thread("awake", |(queue, _)| forever(|| queue.schedule()))
        .expect_violations([ViolationKind::deadlock(["queue"])]);
    check(&scenario);
}

/// A thread that waits for a timer, or for work, waits for the thread that runs the function.
#[test]
fn a_cycle_over_a_function_that_runs_is_found_where_it_closes() {
    let world = || {
        let lock = Arc::new(Mutex::new("A", ()));
        let function = || {
            let lock = Arc::clone(&lock);
            move || drop(lock.lock())
        };
        let by_work = function();
        let spin = Arc::new(SpinLock::new("L", ()));
        let spins = Arc::clone(&spin);
        let timer = Timer::new("timer", move |_| spins.spin_lock_irqsave().unlock());
        let work = Work::new("work", move |_| by_work());
        let queue = Workqueue::ordered("queue");
        let queued = function();
        let two = queue.init_work("two", move |_| queued());
        (lock, work, (timer, spin), queue, two, Atomic::new("count", 0))
    };
    type World = (Arc<Mutex>, Work, (Timer, Arc<SpinLock>), Workqueue, Work, Atomic);
    let counts = |(.., count): &World| {
        loop {
            count.fetch_add(1);
        }
    };
    let found = |name: &str, thread: fn(&World), deadlock: ViolationKind| {
        let scenario = Scenario::builder(name, world)
            .thread("T", thread)
            .thread("counts", counts)
            .expect_violations([deadlock.clone()]);
        let report = Checker::native().operations(60).run(&scenario);
        let Verdict::Refuted(found) = &report.verdict else { panic!("{name}: {report}") };
        assert_eq!(found[0].violation.kind, deadlock, "{name}: {report}");
    };
    found(
        "flush_work",
        |(a, work, ..)| {
            work.queue_work();
            let _a = a.lock();
            work.flush_work();
        },
        ViolationKind::deadlock(["A", "work"]),
    );
    found(
        "cancel_work_sync",
        |(a, work, ..)| {
            work.queue_work();
            let _a = a.lock();
            work.cancel_work_sync();
        },
        ViolationKind::deadlock(["A", "work"]),
    );
    found(
        "flush_workqueue",
        |(a, _, _, queue, two, _)| {
            queue.queue_work(two);
            let _a = a.lock();
            queue.flush_workqueue();
        },
        ViolationKind::deadlock(["A", "queue"]),
    );
    found(
        "del_timer_sync",
        |(_, _, (timer, spin), ..)| {
            timer.mod_timer();
            let _held = spin.spin_lock_irqsave();
            timer.del_timer_sync();
        },
        ViolationKind::deadlock(["L", "timer"]),
    );
}

/// Two states lack the same step: one execution shows it to both.
#[test]
fn a_step_that_two_states_lack_is_learned_once() {
    let world = || (Mutex::new("A", ()), Mutex::new("B", ()));
    let round = |(a, _): &(Mutex, Mutex)| forever(|| drop(a.lock()));
    let scenario = Scenario::builder("once", world)
        .thread("T1", round)
        .thread("T2", round)
        .thread("tries", |(a, b)| {
            drop(a.try_lock());
            drop(b.lock());
        })
        .expect_proof();
    check(&scenario);
}
