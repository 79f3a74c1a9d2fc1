//! Wake-ups: the threads that they wake, and other ends of a sleep.

use selvedge_core::sync::{Atomic, Ghost, Mutex, WaitQueue};
use selvedge_core::{Engine, Expectation, Scenario, ScenarioBuilder, ViolationKind};

use super::{check, deadlock, same_traces};

type World = (Atomic, WaitQueue);

fn world() -> World {
    (Atomic::new("flag", 0), WaitQueue::new("wait"))
}

/// On loom and on shuttle each thread wakes spuriously at most once, so they prove nothing.
fn proved(scenario: ScenarioBuilder<impl Send + Sync + 'static>) {
    let scenario = scenario.expect_proof().on(Engine::Loom, Expectation::Inconclusive);
    let scenario = scenario.loom_executions_max(2_000);
    check(&scenario.on(Engine::Shuttle, Expectation::Inconclusive));
}

/// Two threads that wait for the flag in this way, and one that sets it and wakes them.
fn two_waiters(wait: fn(&World), wake: fn(&WaitQueue)) -> ScenarioBuilder<World> {
    Scenario::builder("two", world).thread("A", wait).thread("B", wait).thread("C", move |w| {
        w.0.store(1);
        wake(&w.1);
    })
}

fn shared((flag, wait): &World) {
    wait.wait_event(|| flag.load() == 1);
}

fn exclusive((flag, wait): &World) {
    wait.wait_event_exclusive(|| flag.load() == 1);
}

#[test]
fn a_wake_up_is_for_every_shared_waiter() {
    proved(two_waiters(shared, WaitQueue::wake_up));
    proved(two_waiters(shared, WaitQueue::wake_up_all));
}

#[test]
fn a_wake_up_is_for_one_exclusive_waiter() {
    let one = two_waiters(exclusive, WaitQueue::wake_up).expect_violations(deadlock(["wait"]));
    check(&one);
    same_traces(&one);
    check(&two_waiters(exclusive, |wait| wait.wake_up_nr(1)).expect_violations(deadlock(["wait"])));
    proved(two_waiters(exclusive, |wait| wait.wake_up_nr(2)));
    proved(two_waiters(exclusive, |wait| wait.wake_up_nr(0)));
    proved(two_waiters(exclusive, WaitQueue::wake_up_all));
    proved(two_waiters(exclusive, |wait| {
        wait.wake_up();
        wait.wake_up();
    }));
}

/// An exclusive waiter is queued behind all others, and so prevents no wake-up of theirs.
#[test]
fn an_exclusive_waiter_does_not_block_a_shared_one() {
    let mixed = Scenario::builder("mixed", world)
        .thread("A", exclusive)
        .thread("B", shared)
        .thread("C", |(flag, wait)| {
            flag.store(1);
            wait.wake_up();
        });
    proved(mixed);
}

/// If the wake-up is passed on, no thread stays asleep.
#[test]
fn a_wake_up_can_be_passed_on() {
    proved(two_waiters(
        |w| {
            exclusive(w);
            w.1.wake_up();
        },
        WaitQueue::wake_up,
    ));
}

/// The world of the next tests: the stages of the threads, and a mutex with which the thread sleeps
/// that must not be passed over.
type Ordered = (WaitQueue, [Atomic; 3], Mutex);

/// Checks that a thread stays asleep in some interleavings, but never with the mutex that T2 wants
/// once it has woken one. T2 promises to wake, so that would be another deadlock; lockdep predicts
/// it as possible.
fn never_with_the_mutex(waiters: [fn(&Ordered); 2], woken: fn(&[Atomic; 3]) -> bool) {
    let world = || {
        let stages = ["s0", "s1", "s2"].map(|name| Atomic::new(name, 0));
        (WaitQueue::new("wait"), stages, Mutex::new("M", ()))
    };
    let [t0, t1] = waiters;
    let scenario = Scenario::builder("order", world)
        .thread("T0", t0)
        .thread("T1", t1)
        .thread("T2", move |(wait, stages, mutex)| {
            wait.promise();
            if woken(stages) {
                wait.wake_up();
                drop(mutex.lock());
            }
            wait.fulfil();
        })
        .expect_violations(deadlock(["wait"]))
        .expect_inversion(["M", "wait"]);
    check(&scenario);
}

/// T0 queues before T1, and wakes spuriously before T2 wakes one of them. It has to be T0, so T2
/// gets the mutex with which T0 sleeps.
#[test]
fn a_waiter_that_woke_spuriously_keeps_its_place() {
    never_with_the_mutex(
        [
            |(wait, [s0, s1, _], mutex)| {
                let _held = mutex.lock();
                wait.prepare_to_wait_exclusive();
                s0.store(1);
                wait.schedule();
                wait.prepare_to_wait_exclusive();
                s1.store(1);
                wait.schedule();
            },
            |(wait, [s0, _, s2], _)| {
                if s0.load() == 1 {
                    wait.prepare_to_wait_exclusive();
                    s2.store(1);
                    wait.schedule();
                }
            },
        ],
        |[_, s1, _]| s1.load() == 1,
    );
}

/// T0 and T1 are in the queue when T0 is woken and queues again, now behind T1. The next wake-up is
/// for T1, so T2 gets the mutex with which T1 sleeps.
#[test]
fn a_waiter_that_was_woken_queues_last() {
    never_with_the_mutex(
        [
            |(wait, [s0, s1, s2], _)| {
                wait.prepare_to_wait_exclusive();
                s0.store(1);
                if s2.load() == 1 {
                    wait.wake_up();
                    wait.prepare_to_wait_exclusive();
                    s1.store(1);
                    wait.schedule();
                }
            },
            |(wait, [s0, _, s2], mutex)| {
                if s0.load() == 1 {
                    let _held = mutex.lock();
                    wait.prepare_to_wait_exclusive();
                    s2.store(1);
                    wait.schedule();
                }
            },
        ],
        |[_, s1, _]| s1.load() == 1,
    );
}

/// T0 is in the queue before T1, but has woken spuriously and not slept again. The wake-up is for
/// T1, so T2 gets the mutex with which T1 sleeps.
#[test]
fn a_waiter_that_runs_already_is_skipped() {
    never_with_the_mutex(
        [
            |(wait, [s0, s1, _], _)| {
                wait.prepare_to_wait_exclusive();
                s0.store(1);
                wait.schedule();
                s1.store(1);
            },
            |(wait, [s0, _, s2], mutex)| {
                if s0.load() == 1 {
                    let _held = mutex.lock();
                    wait.prepare_to_wait_exclusive();
                    s2.store(1);
                    wait.schedule();
                }
            },
        ],
        |[_, s1, s2]| s1.load() == 1 && s2.load() == 1,
    );
}

#[test]
fn a_thread_that_has_not_prepared_does_not_sleep() {
    let scenario = Scenario::builder("awake", world)
        .thread("T", |(_, wait)| {
            wait.schedule();
            wait.prepare_to_wait();
            wait.finish_wait();
            wait.schedule();
        })
        .expect_proof();
    check(&scenario);
}

/// A waker that first looks whether a thread waits, which is correct if the flag is set before the
/// look.
#[test]
fn a_test_of_the_queue_saves_a_wake_up() {
    let looks = |first: bool| {
        Scenario::builder("active", world).thread("A", shared).thread("C", move |(flag, wait)| {
            if first && !wait.waitqueue_active() {
                return flag.store(1);
            }
            flag.store(1);
            if wait.waitqueue_active() {
                wait.wake_up();
            }
        })
    };
    proved(looks(false));
    let late = looks(true).expect_violations(deadlock(["wait"]));
    check(&late);
    same_traces(&late);
}

#[test]
fn a_wait_with_a_timeout_ends_by_itself() {
    let alone = Scenario::builder("alone", world)
        .thread("T", |(flag, wait)| assert!(!wait.wait_event_timeout(|| flag.load() == 1)));
    proved(alone);
    let kept = |w: &World| _ = w.1.wait_event_timeout(|| w.0.load() == 1);
    proved(two_waiters(kept, WaitQueue::wake_up));
    // A thread that is late finds the flag set, and returns so.
    let late = Scenario::builder("late", || (world(), Ghost::new("false", 0)))
        .thread("T", |((flag, wait), wrong)| {
            if !wait.wait_event_timeout(|| flag.load() == 1) {
                wrong.update(|n| *n += 1);
            }
        })
        .thread("C", |((flag, wait), _)| {
            flag.store(1);
            wait.wake_up();
        })
        .finally(|(_, wrong)| {
            wrong.check("in-time", |n| if *n == 0 { Ok(()) } else { Err("late".into()) });
        })
        .expect_violations([ViolationKind::invariant("in-time")]);
    check(&late);
    // The timeout expires under a lock that the waker wants: no thread waits for ever.
    let locked = Scenario::builder("locked", || (world(), Mutex::new("M", ())))
        .thread("T", |((flag, wait), mutex)| {
            let _held = mutex.lock();
            wait.wait_event_timeout(|| flag.load() == 1);
        })
        .thread("C", |((flag, wait), mutex)| {
            drop(mutex.lock());
            flag.store(1);
            wait.wake_up();
        });
    proved(locked);
}

#[test]
fn a_signal_ends_a_sleep_on_a_queue() {
    fn interruptible((flag, wait): &World) -> bool {
        wait.wait_event_interruptible(|| flag.load() == 1).is_ok()
    }
    ended_by_a_signal(interruptible);
    ended_by_a_signal(|(flag, wait)| wait.wait_event_killable(|| flag.load() == 1).is_ok());
    proved(two_waiters(|w| _ = interruptible(w), WaitQueue::wake_up));
}

fn ended_by_a_signal(wait: fn(&World) -> bool) {
    let interrupted = Scenario::builder("signal", world)
        .thread("T", move |w| assert!(wait(w), "interrupted"))
        .thread("C", |(flag, wait)| {
            flag.store(1);
            wait.wake_up();
        })
        .expect_violations([ViolationKind::Panic("interrupted".into())]);
    check(&interrupted);
    // No thread may rely on a signal.
    let stuck = Scenario::builder("stuck", world).thread("T", move |w| _ = wait(w));
    check(&stuck.expect_violations(deadlock(["wait"])));
}

#[test]
fn schedule_timeout_ends_without_a_wake_up() {
    let world = || (WaitQueue::new("queue"), Atomic::new("flag", 0));
    let scenario = |sleep: fn(&WaitQueue)| {
        Scenario::builder("schedule_timeout", world).thread("T", move |(queue, flag)| {
            queue.prepare_to_wait();
            if flag.load() == 0 {
                sleep(queue);
            }
            queue.finish_wait();
        })
    };
    check(&scenario(WaitQueue::schedule).expect_violations(deadlock(["queue"])));
    proved(scenario(|queue| _ = queue.schedule_timeout()));
    // A wake-up ends it with time left; a timeout may come first.
    let woken = scenario(|queue| assert!(queue.schedule_timeout(), "timed out"));
    let woken = woken.thread("W", |(queue, flag)| {
        flag.store(1);
        queue.wake_up();
    });
    check(&woken.expect_violations([ViolationKind::panic("timed out")]));
}
