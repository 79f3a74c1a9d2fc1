//! Condition variables: lost notifications, and ones that wake the wrong thread.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Condvar, Ghost, Mutex};
use selvedge_core::thread::spawn;
use selvedge_core::{Engine, Expectation, Scenario, ScenarioBuilder, ViolationKind};

use super::{check, deadlock, same_traces, slow_on_loom};

/// On loom and on shuttle each thread wakes spuriously at most once, so they prove nothing.
fn proved(scenario: ScenarioBuilder<impl Send + Sync + 'static>) {
    let scenario = scenario.expect_proof().on(Engine::Loom, Expectation::Inconclusive);
    let scenario = scenario.loom_executions_max(2_000);
    check(&scenario.on(Engine::Shuttle, Expectation::Inconclusive));
}

/// T3 may wake T2, which waits for something else, and then no thread wakes T1. That takes the
/// wrong choice of the notified thread.
#[test]
fn the_wrong_waiter_is_notified() {
    #[derive(Hash, Default)]
    struct Data {
        stage: bool,
        go1: bool,
        go2: bool,
    }
    let world = || (Mutex::new("M", Data::default()), Condvar::new("C"));
    let scenario = |notify: fn(&Condvar)| {
        Scenario::builder("wrong-waiter", world)
            .thread("T1", move |(m, c)| {
                let mut data = m.lock();
                data.stage = true;
                let mut data = c.wait_while(data, |data| !data.go1);
                data.go2 = true;
                data.unlock();
                notify(c);
            })
            .thread("T2", |(m, c)| {
                let data = m.lock();
                if data.stage {
                    drop(c.wait_while(data, |data| !data.go2));
                }
            })
            .thread("T3", move |(m, c)| {
                let mut data = m.lock();
                data.go1 = true;
                if data.stage {
                    notify(c);
                }
            })
    };
    let one = scenario(Condvar::notify_one).expect_violations(deadlock(["C"]));
    check(&slow_on_loom(one));
    proved(scenario(Condvar::notify_all));
}

/// A smaller program, on every engine: of two waiters the second has to be notified for the first
/// to stay asleep. Each starts the next with the mutex held, so the first waits when the second
/// arrives.
#[test]
fn every_engine_tries_every_waiter() {
    type World = Arc<(Mutex, Condvar)>;
    let world = || Arc::new((Mutex::new("M", ()), Condvar::new("C")));
    let scenario = |notify: fn(&Condvar)| {
        Scenario::builder("second", world).thread("A", move |world: &World| {
            let held = world.0.lock();
            let of_b = Arc::clone(world);
            spawn("B", move || {
                let held = of_b.0.lock();
                let of_n = Arc::clone(&of_b);
                spawn("N", move || notify(&of_n.1));
                drop(of_b.1.wait_timeout(held));
            });
            drop(world.1.wait(held));
        })
    };
    let one = scenario(Condvar::notify_one).expect_violations(deadlock(["C"]));
    check(&one);
    same_traces(&one);
    proved(scenario(Condvar::notify_all));
}

/// The flag is set without the lock, so it may be set between the look and the wait.
#[test]
fn a_notification_without_the_lock_is_lost() {
    let world = || (Mutex::new("M", ()), Condvar::new("C"), Atomic::new("flag", 0));
    let park = |locked: bool| {
        Scenario::builder("park", world)
            .thread("park", |(m, c, flag)| {
                drop(c.wait_while(m.lock(), |()| flag.load() == 0));
            })
            .thread("unpark", move |(m, c, flag)| {
                if locked {
                    let _held = m.lock();
                    flag.store(1);
                } else {
                    flag.store(1);
                }
                c.notify_one();
            })
    };
    let lost = park(false).expect_violations(deadlock(["C"]));
    check(&lost);
    same_traces(&lost);
    proved(park(true));
}

/// One condition variable for both "not full" and "not empty": a producer may wake a producer.
#[test]
fn a_bounded_buffer_needs_two_condition_variables() {
    let world = || (Mutex::new("buffer", 0_u32), Condvar::new("C"), Condvar::new("not empty"));
    type World = (Mutex<u32>, Condvar, Condvar);
    type Which = fn(&World) -> &Condvar;
    let scenario = |not_empty: Which| {
        let produce = move |w: &World| {
            let mut items = w.1.wait_while(w.0.lock(), |items| *items == 1);
            *items += 1;
            items.unlock();
            not_empty(w).notify_one();
        };
        Scenario::builder("buffer", world).thread("P1", produce).thread("P2", produce).thread(
            "C",
            move |w| {
                for _ in 0..2 {
                    let mut items = not_empty(w).wait_while(w.0.lock(), |items| *items == 0);
                    *items -= 1;
                    items.unlock();
                    w.1.notify_one();
                }
            },
        )
    };
    check(&slow_on_loom(scenario(|w| &w.1).expect_violations(deadlock(["C"]))));
    proved(scenario(|w| &w.2));
}

#[test]
fn a_wait_with_a_timeout_returns_whether_it_expired() {
    let world = || (Mutex::new("M", false), Condvar::new("C"), Ghost::new("timed out", 0));
    let scenario = || {
        Scenario::builder("time", world)
            .thread("T", |(m, c, times)| {
                let guard = m.lock();
                if !*guard {
                    let (guard, timed_out) = c.wait_timeout(guard);
                    if timed_out {
                        times.update(|n| *n += 1);
                    }
                    drop(guard);
                }
            })
            .thread("N", |(m, c, _)| {
                *m.lock() = true;
                c.notify_one();
            })
    };
    check(&scenario().expect_proof());
    let never = |(_, _, times): &(Mutex<bool>, Condvar, Ghost<i32>)| {
        times.check("never", |n| if *n == 0 { Ok(()) } else { Err("in vain".into()) });
    };
    check(&scenario().finally(never).expect_violations([ViolationKind::invariant("never")]));
}

/// Both waiters are notified; a third notification finds none.
#[test]
fn every_notification_is_for_another_waiter() {
    let world = || (Mutex::new("M", (0, 0)), Condvar::new("C"));
    let wait = |(m, c): &(Mutex<(u32, u32)>, Condvar)| {
        let mut data = m.lock();
        data.0 += 1;
        drop(c.wait_while(data, |(_, go)| *go == 0));
    };
    let scenario = |times: u32| {
        Scenario::builder("each", world).thread("A", wait).thread("B", wait).thread(
            "N",
            move |(m, c)| {
                m.lock().1 = 1;
                (0..times).for_each(|_| c.notify_one());
            },
        )
    };
    let one = scenario(1).expect_violations(deadlock(["C"]));
    check(&one);
    same_traces(&one);
    proved(scenario(2));
    proved(scenario(3));
}
