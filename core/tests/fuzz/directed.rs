//! Programs that chance hardly ever finds, or that it has found a mistake with. A spurious wake-up can
//! end any sleep, so a queue that wakes the wrong thread shows only in what deadlocks.

use super::agree;
use super::program::{Instr, Program, Step, When};
use Instr::{
    Complete, Finish, Prepare, Spin, Store, WaitForAtomic, WaitForCompletion, WakeUp, WakeUpAll,
};

fn always(instrs: &[Instr]) -> Vec<Step> {
    instrs.iter().map(|instr| Step { when: When::Always, instr: *instr }).collect()
}

/// Both agree that these are the deadlocks.
fn check(name: &str, threads: [Vec<Step>; 3], deadlocks: &[&[&str]]) {
    let threads = threads.into();
    let program = Program {
        mutexes: 1,
        atomics: 3,
        queues: 2,
        completions: 1,
        threads,
        started: 3,
        ..Program::default()
    };
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
fn wake_up_leaves_nobody_asleep_either() {
    let waiter = always(&[WaitForAtomic(0, 0)]);
    let waker = always(&[Store(0, 1), WakeUp(0)]);
    check("one", [waiter.clone(), waiter, waker], &[]);
}

/// T2 wakes one waiter when T0 has left, so it is T1 that wakes.
#[test]
fn a_waiter_that_has_left_takes_no_wake_up() {
    let t0 = always(&[Prepare(0), Finish(0), Store(0, 1), WakeUp(1)]);
    let t1 = always(&[WaitForAtomic(0, 1)]);
    let t2 = always(&[WaitForAtomic(1, 0), Store(1, 1), WakeUp(0)]);
    check("left", [t0, t1, t2], &[]);
}

/// Nobody can have waited for a completion before it happened, however often somebody wakes for no
/// reason.
#[test]
fn what_has_been_completed_was_not_waited_for_before() {
    let threads = [WaitForAtomic(0, 0), WaitForCompletion(0), Complete(0)];
    check("completed", threads.map(|instr| always(&[instr])), &[&["Q0"]]);
}

/// Whether the condition holds makes no difference: whoever calls `wait_event` says that it may sleep.
#[test]
fn whoever_has_a_spinlock_does_not_call_wait_event() {
    let program = Program {
        spins: 1,
        atomics: 1,
        queues: 1,
        threads: vec![always(&[Store(0, 1), Spin(0), WaitForAtomic(0, 0)])],
        started: 1,
        ..Program::default()
    };
    let outcome = agree(&program, "atomic").outcome;
    assert!(outcome.violations.iter().eq(["sleep-in-atomic(Q0, P0)"]), "{outcome:?}");
}
