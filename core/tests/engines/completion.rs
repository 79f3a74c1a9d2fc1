//! Completions: their count, the other ends of a wait, and the name of a deadlock.

use selvedge_core::sync::{Atomic, Completion, Ghost, Mutex};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, Verdict, ViolationKind};

use super::{check, check_with_traces, deadlock, slow_on_loom};

type World = (Completion, Atomic);

fn world() -> World {
    (Completion::new("done"), Atomic::new("count", 0))
}

/// Two waiters, and one thread that completes.
fn two_waiters(complete: fn(&Completion)) -> ScenarioBuilder<World> {
    let wait = |(done, _): &World| done.wait_for_completion();
    Scenario::builder("two", world)
        .thread("A", wait)
        .thread("B", wait)
        .thread("C", move |(done, _)| complete(done))
}

#[test]
fn complete_is_for_one_waiter_and_complete_all_for_all() {
    check_with_traces(&two_waiters(Completion::complete).expect_violations(deadlock(["done"])));
    check_with_traces(&two_waiters(Completion::complete_all).expect_proof());
    let twice = |done: &Completion| {
        done.complete();
        done.complete();
    };
    check_with_traces(&two_waiters(twice).expect_proof());
    // `complete_all` has no end, even after one more `complete`.
    let all_and_one = |done: &Completion| {
        done.complete_all();
        done.complete();
    };
    check_with_traces(&two_waiters(all_and_one).expect_proof());
}

/// A waiter that is late may find it reinitialised.
#[test]
fn a_reinitialised_completion_may_leave_a_waiter_asleep() {
    let again = |done: &Completion| {
        done.complete_all();
        done.reinit_completion();
    };
    check_with_traces(&two_waiters(again).expect_violations(deadlock(["done"])));
}

#[test]
fn a_try_consumes_a_completion_and_a_look_does_not() {
    let scenario = |looks: fn(&Completion) -> bool| {
        Scenario::builder("try", world)
            .thread("A", move |(done, count)| {
                if looks(done) {
                    count.fetch_add(1);
                }
            })
            .thread("B", |(done, _)| done.wait_for_completion())
            .thread("C", |(done, _)| done.complete())
    };
    check_with_traces(&scenario(Completion::completion_done).expect_proof());
    check_with_traces(
        &scenario(Completion::try_wait_for_completion).expect_violations(deadlock(["done"])),
    );
}

#[test]
fn a_timeout_or_a_signal_ends_a_wait_for_a_completion() {
    let timed = |complete: bool| {
        Scenario::builder("time", world)
            .thread("W", |(done, count)| {
                if !done.wait_for_completion_timeout() {
                    count.fetch_add(1);
                }
            })
            .thread("C", move |(done, _)| {
                if complete {
                    done.complete();
                }
            })
    };
    check_with_traces(&timed(true).expect_proof());
    check_with_traces(
        &timed(false).finally(|(_, count)| assert_eq!(count.load(), 1)).expect_proof(),
    );
    let late = |(_, count): &World| assert!(count.load() == 0, "late");
    check(&timed(true).finally(late).expect_violations([ViolationKind::Panic("late".into())]));
    let signal = |complete: bool| {
        let world = || (world(), Ghost::new("interrupted", 0));
        Scenario::builder("signal", world)
            .thread("W", |((done, _), interrupted)| {
                if done.wait_for_completion_interruptible().is_err() {
                    interrupted.update(|n| *n += 1);
                }
            })
            .thread("C", move |((done, _), _)| {
                if complete {
                    done.complete();
                }
            })
    };
    check_with_traces(&signal(true).expect_proof());
    // No thread may rely on a signal.
    check(&signal(false).expect_violations(deadlock(["done"])));
    let never = signal(true).finally(|(_, interrupted)| {
        interrupted.check("never", |n| if *n == 0 { Ok(()) } else { Err("signal".into()) });
    });
    check(&never.expect_violations([ViolationKind::invariant("never")]));
}

/// The initialisation of a module waits for what it has started, which waits for the module to be
/// loaded. Other threads that wait for the module are not part of the cycle.
#[test]
fn a_cycle_over_completions_names_no_other_thread() {
    struct World {
        loaded: Completion,
        probed: Completion,
        never: Completion,
        lock: Mutex,
    }
    let world = || World {
        loaded: Completion::new("loaded"),
        probed: Completion::new("probed"),
        never: Completion::new("never"),
        lock: Mutex::new("lock", ()),
    };
    let scenario = Scenario::builder("module", world)
        .thread("init", |w| {
            w.loaded.promise();
            w.probed.wait_for_completion();
            w.loaded.complete_all();
            w.loaded.fulfil();
        })
        .thread("async", |w| {
            w.probed.promise();
            w.loaded.wait_for_completion();
            w.probed.complete_all();
            w.probed.fulfil();
        })
        .thread("other", |w| {
            let _held = w.lock.lock();
            w.loaded.wait_for_completion();
        })
        .thread("bystander", |w| drop(w.lock.lock()))
        .thread("idle", |w| w.never.wait_for_completion())
        .expect_violations(deadlock(["loaded", "probed"]));
    let scenario = slow_on_loom(scenario);
    check(&scenario);
    let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else { panic!() };
    let on_cycle = found[0].violation.waits.iter().filter(|wait| wait.on_cycle);
    let names: Vec<&str> = on_cycle.map(|wait| wait.thread.as_str()).collect();
    assert_eq!(names, ["init", "async"]);
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
