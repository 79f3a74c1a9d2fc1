//! Programs on wait queues that chance hardly ever finds. A spurious wake-up can end any sleep,
//! so a queue that wakes the wrong thread shows only in what deadlocks, and only if the order in
//! which threads came to the queue is known to one of them.

use super::agree;
use super::program::{Instr, Program, Step, When};
use Instr::{Finish, Load, Lock, Prepare, Schedule, Store, WaitForAtomic, WakeUp, WakeUpAll};

fn always(instrs: &[Instr]) -> Vec<Step> {
    instrs.iter().map(|instr| Step { when: When::Always, instr: *instr }).collect()
}

/// The rest of a thread is done only if the atomic is not zero.
fn if_set(atomic: usize, rest: &[Instr]) -> Vec<Step> {
    let rest = rest.iter().map(|instr| Step { when: When::LearntOther, instr: *instr });
    always(&[Load(atomic)]).into_iter().chain(rest).collect()
}

/// Both agree that these are the deadlocks.
fn check(name: &str, threads: [Vec<Step>; 3], deadlocks: &[&[&str]]) {
    let threads = threads.into();
    let program = Program { mutexes: 1, sems: 0, atomics: 3, queues: 2, threads, started: 3 };
    let outcome = agree(&program, name).outcome;
    assert!(outcome.deadlocks.iter().eq(deadlocks), "{name}: {:?}", outcome.deadlocks);
}

#[test]
fn wake_up_all_leaves_nobody_asleep() {
    let waiter = always(&[WaitForAtomic(0, 0)]);
    let waker = always(&[Store(0, 1), WakeUpAll(0)]);
    check("all", [waiter.clone(), waiter, waker], &[]);
}

#[test]
fn wake_up_may_leave_somebody_asleep() {
    let waiter = always(&[WaitForAtomic(0, 0)]);
    let waker = always(&[Store(0, 1), WakeUp(0)]);
    check("one", [waiter.clone(), waiter, waker], &[&["Q0"]]);
}

/// T2 wakes one waiter when T0 has left, so it is T1 that wakes.
#[test]
fn a_waiter_that_has_left_takes_no_wake_up() {
    let t0 = always(&[Prepare(0), Finish(0), Store(0, 1), WakeUp(1)]);
    let t1 = always(&[WaitForAtomic(0, 1)]);
    let t2 = always(&[WaitForAtomic(1, 0), Store(1, 1), WakeUp(0)]);
    check("left", [t0, t1, t2], &[]);
}

/// T0 queues before T1, and wakes for no reason before T2 wakes one of them. It has to be T0,
/// so T2 gets the mutex that T0 sleeps with.
#[test]
fn a_waiter_that_woke_spuriously_keeps_its_place() {
    let first = [Lock(0), Prepare(0), Store(0, 1), Schedule(0)];
    let t0 = [first.as_slice(), &[Prepare(0), Store(1, 1), Schedule(0)]].concat();
    let t1 = if_set(0, &[Prepare(0), Store(2, 1), Schedule(0)]);
    let t2 = if_set(1, &[Load(2), WakeUp(0), Lock(0)]);
    check("spurious", [always(&t0), t1, t2], &[&["Q0"]]);
}

/// T0 and T1 are in the queue when T0 is woken and queues again, now behind T1. The next wake-up
/// is for T1, so T2 gets the mutex that T1 sleeps with.
#[test]
fn a_waiter_that_was_woken_comes_back_last() {
    let again = if_set(2, &[WakeUp(0), Prepare(0), Store(1, 1), Schedule(0)]);
    let t0 = [always(&[Prepare(0), Store(0, 1)]), again].concat();
    let t1 = if_set(0, &[Lock(0), Prepare(0), Store(2, 1), Schedule(0)]);
    let t2 = if_set(1, &[WakeUp(0), Lock(0)]);
    check("woken", [t0, t1, t2], &[&["Q0"]]);
}
