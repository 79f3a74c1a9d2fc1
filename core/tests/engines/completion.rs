//! What a completion counts, what else ends a wait for it, and who is named when nothing does.

use selvedge_core::sync::{Atomic, Completion, Ghost, Mutex};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, Verdict, ViolationKind};

use super::{check, deadlock, same_traces, slow_on_loom};

fn classification(scenario: &Scenario) {
    check(scenario);
    same_traces(scenario);
}

type World = (Completion, Atomic);

fn world() -> World {
    (Completion::new("done"), Atomic::new("count", 0))
}

/// Two who wait, and one who completes.
fn two_waiters(complete: fn(&Completion)) -> ScenarioBuilder<World> {
    let wait = |(done, _): &World| done.wait_for_completion();
    Scenario::builder("two", world)
        .thread("A", wait)
        .thread("B", wait)
        .thread("C", move |(done, _)| complete(done))
}

#[test]
fn complete_is_for_one_waiter_and_complete_all_for_everybody() {
    classification(&two_waiters(Completion::complete).expect_violations(deadlock(["done"])));
    classification(&two_waiters(Completion::complete_all).expect_proof());
    let twice = |done: &Completion| {
        done.complete();
        done.complete();
    };
    classification(&two_waiters(twice).expect_proof());
    // For all there is no end of it, also not by one more.
    let all_and_one = |done: &Completion| {
        done.complete_all();
        done.complete();
    };
    classification(&two_waiters(all_and_one).expect_proof());
}

/// Whoever is late may find that it has been made new.
#[test]
fn a_completion_that_is_used_again_may_leave_a_waiter_behind() {
    let again = |done: &Completion| {
        done.complete_all();
        done.reinit_completion();
    };
    classification(&two_waiters(again).expect_violations(deadlock(["done"])));
}

#[test]
fn to_try_takes_it_and_to_look_does_not() {
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
    classification(&scenario(Completion::completion_done).expect_proof());
    classification(
        &scenario(Completion::try_wait_for_completion).expect_violations(deadlock(["done"])),
    );
}

#[test]
fn a_wait_with_a_time_or_a_signal_ends_without_it() {
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
    classification(&timed(true).expect_proof());
    classification(&timed(false).finally(|(_, count)| assert_eq!(count.load(), 1)).expect_proof());
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
    classification(&signal(true).expect_proof());
    // Nobody may rely on a signal.
    check(&signal(false).expect_violations(deadlock(["done"])));
    let never = signal(true).finally(|(_, interrupted)| {
        interrupted.check("never", |n| if *n == 0 { Ok(()) } else { Err("signal".into()) });
    });
    check(&never.expect_violations([ViolationKind::invariant("never")]));
}

/// The initialisation of a module waits for what it has started, which waits for the module to be
/// loaded. Others who wait for the module are no part of it.
#[test]
fn a_cycle_over_completions_names_nobody_else() {
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
