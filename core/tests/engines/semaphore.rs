//! Counting semaphores and choices.

use selvedge_core::sync::{Choice, Semaphore};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, ViolationKind, forever};

use super::{check, check_with_traces, deadlock};

fn slots(count: u64) -> ScenarioBuilder<Semaphore> {
    Scenario::builder("slots", move || Semaphore::new("slots", count))
}

#[test]
fn two_of_three_threads_share_two_slots() {
    let shares = |slots: &Semaphore| {
        slots.down();
        slots.up();
    };
    check_with_traces(&slots(2).thread("T1", shares).thread("T2", shares).expect_proof());
    check_with_traces(&slots(1).thread("T1", shares).thread("T2", shares).expect_proof());
}

#[test]
fn a_thread_may_up_what_another_has_taken() {
    let scenario = slots(0).thread("T1", Semaphore::down).thread("T2", Semaphore::up);
    check_with_traces(&scenario.expect_proof());
}

#[test]
fn a_down_without_an_up_is_a_deadlock() {
    let scenario = slots(1).thread("T1", Semaphore::down).thread("T2", Semaphore::down);
    check_with_traces(&scenario.expect_violations(deadlock(["slots"])));
}

/// A signal is an optional outcome: no thread may rely on it.
#[test]
fn a_signal_does_not_help_a_waiter_for_good() {
    let scenario = slots(0).thread("T", |slots| _ = slots.down_interruptible());
    check_with_traces(&scenario.expect_violations(deadlock(["slots"])));
}

#[test]
fn the_time_of_a_wait_is_up_at_last() {
    let scenario = slots(0).thread("T", |slots| assert!(!slots.down_timeout()));
    check_with_traces(&scenario.expect_proof());
}

/// Between the `up` for a waiter and that waiter's next step there may be another.
#[test]
fn an_up_that_goes_to_no_waiter_makes_nothing_possible() {
    let scenario = slots(0)
        .thread("T1", |slots| {
            slots.down();
            slots.up();
        })
        .thread("T2", Semaphore::up)
        .thread("T3", Semaphore::up);
    check_with_traces(&scenario.expect_proof());
}

/// A signal comes before an `up` that would have ended the wait.
#[test]
fn a_signal_may_come_before_the_up() {
    let scenario = slots(0)
        .thread("T1", |slots| assert!(slots.down_interruptible().is_ok(), "interrupted"))
        .thread("T2", Semaphore::up)
        .expect_violations([ViolationKind::panic("interrupted")]);
    check(&scenario);
}

/// `up` hands over: a later `down_trylock` does not overtake the waiter.
#[test]
fn a_waiter_is_not_overtaken() {
    let scenario = slots(1)
        .thread("holder", |slots| {
            slots.down();
            slots.up();
        })
        .thread("waiter", |slots| {
            slots.down();
            slots.up();
        })
        .thread("tries", |slots| {
            if slots.down_trylock() {
                slots.up();
            }
        })
        .expect_proof();
    check_with_traces(&scenario);
}

/// Which waiter is first shows only in endless programs: no thread knows that another is queued.
#[test]
fn a_waiter_does_not_starve() {
    let shares = |slots: &Semaphore| {
        slots.down();
        slots.up();
    };
    slots(1)
        .thread("T1", shares)
        .thread("T2", move |slots| forever(|| shares(slots)))
        .thread("T3", move |slots| forever(|| shares(slots)))
        .starvation_free()
        .expect_proof()
        .assert_as_expected(Engine::Native);
}

#[test]
fn down_in_atomic_context_may_sleep() {
    use selvedge_core::sync::SpinLock;
    let world = || (SpinLock::new("lock", ()), Semaphore::new("slots", 1));
    let scenario = Scenario::builder("atomic", world).thread("T", |(lock, slots)| {
        let _lock = lock.spin_lock_irqsave();
        slots.down();
        slots.up();
    });
    let sleeps = ViolationKind::sleep_in_atomic("slots", "lock");
    check(&scenario.expect_violations([sleeps]));
}

#[test]
fn every_outcome_of_a_choice_is_explored() {
    let scenario = Scenario::builder("choice", || Choice::new("answer")).thread("T", |answer| {
        let (first, second) = (answer.choose(3), answer.choose(2));
        assert!((first, second) != (2, 1), "the last of them");
    });
    let last = ViolationKind::panic("the last of them");
    check(&scenario.expect_violations([last]));
}
