//! Programs that chance hardly ever finds, or that it has found a mistake with. A spurious wake-up can
//! end any sleep, so a queue that wakes the wrong thread shows only in what deadlocks.

use super::program::{Final, Instr, Program, Step, When};
use super::{agree, agree_on_endless};
use Instr::*;

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

/// The first program in which an ordering is missed if a round does not depend on what changes what
/// its thread has looked at.
#[test]
fn a_round_depends_on_what_changes_it() {
    let t0 = [Forever, RawLock(0), Release(1), Store(0, 0), Poll(0), Load(0), Load(0), Again];
    let t1 = [Forever, Lock(0), Look, TryLock(0), Load(0), Again];
    let mut t2 = always(&[Release(0), TryLock(0), Look]);
    t2[0].when = When::LearntZero;
    let program = Program {
        mutexes: 1,
        atomics: 1,
        threads: vec![always(&t0), always(&t1), t2],
        started: 3,
        ..Program::default()
    };
    assert!(agree_on_endless(&program, "a round").is_some());
}

/// A grace period that began between two sections of one thread, of which the earlier ends first.
#[test]
fn an_srcu_section_says_which_it_is() {
    let program = Program {
        atomics: 1,
        srcus: 1,
        threads: vec![
            always(&[SrcuSync(0), Store(0, 1)]),
            always(&[SrcuRead(0), SrcuRead(0), Release(0), Load(0), Release(0)]),
        ],
        started: 2,
        ..Program::default()
    };
    agree(&program, "sections");
}

/// A thread that is queued for a semaphore whose memory is released can only come after the release.
#[test]
fn a_queued_waiter_does_not_come_before_the_release_of_its_lock() {
    let program = Program {
        sems: 1,
        tracked: 1,
        in_memory: true,
        threads: vec![
            always(&[Use(0), DownWrite(0), Add(1)]),
            always(&[DownWrite(0), DownRead(0), Look, DownRead(0), Add(1)]),
            always(&[DownRead(0), Add(1), Release(2), DownWrite(0)]),
            always(&[Free(0), DownRead(0), Add(2), Release(0)]),
        ],
        started: 4,
        ..Program::default()
    };
    agree(&program, "queued");
}

/// What can be waited for is gone: those who wait need not wait any more.
#[test]
fn who_waits_in_memory_that_is_freed_is_found() {
    let program = Program {
        completions: 1,
        tracked: 1,
        in_memory: true,
        threads: vec![always(&[Free(0)]), always(&[WaitForCompletion(0), Complete(0)])],
        started: 2,
        ..Program::default()
    };
    let outcome = agree(&program, "gone").outcome;
    assert!(outcome.violations.contains("use-after-release(X0)"), "{outcome:?}");
}

/// A thread that frees and then starts another: the report of the former is the same on every engine.
#[test]
fn what_comes_after_a_held_lock_is_freed_is_no_part_of_the_report() {
    let program = Program {
        sems: 1,
        tracked: 1,
        in_memory: true,
        threads: vec![always(&[Free(0), Spawn(2)]), always(&[DownWrite(0)]), Vec::new()],
        started: 2,
        ..Program::default()
    };
    let outcome = agree(&program, "freed").outcome;
    assert!(outcome.violations.contains("freed-while-held(S0)"), "{outcome:?}");
}

/// A thread that frees a lock that it holds, and may not sleep but does: the former comes first.
#[test]
fn a_held_lock_is_freed_before_its_thread_sleeps() {
    let program = Program {
        spins: 1,
        sems: 1,
        tracked: 1,
        in_memory: true,
        threads: vec![always(&[Spin(0), Free(0), DownRead(0)])],
        started: 1,
        ..Program::default()
    };
    let outcome = agree(&program, "first").outcome;
    assert!(outcome.violations.iter().eq(["freed-while-held(P0)"]), "{outcome:?}");
}

/// A signal to a work that runs comes before its workqueue is empty, and before the next work begins.
#[test]
fn a_workqueue_goes_on_when_a_work_returns() {
    let work = |w, waits| always(&[WorkBegins(w), waits, WorkReturns(w)]);
    let program = Program {
        completions: 1,
        works: vec![1, 2],
        max_active: Some(1),
        threads: vec![
            always(&[QueueWork(0), QueueWork(1), DestroyWorkqueue]),
            work(0, WaitForCompletionInterruptible(0)),
            work(1, WaitForCompletionTimeout(0)),
        ],
        started: 1,
        ..Program::default()
    };
    let outcome = agree(&program, "workqueue").outcome;
    assert!(outcome.deadlocks.iter().eq([&["D0"]]), "{outcome:?}");
}

/// A work that is pending is not queued again, so nothing is asked of its workqueue, which may be being
/// destroyed (queue_work_on and __queue_work in kernel/workqueue.c).
#[test]
fn a_pending_work_is_not_queued_on_a_workqueue_that_is_destroyed() {
    let program = Program {
        atomics: 1,
        queues: 1,
        completions: 1,
        works: vec![2, 3],
        max_active: Some(1),
        threads: vec![
            always(&[QueueWork(0), QueueWork(1), Store(0, 1), WakeUpAll(0), DestroyWorkqueue]),
            always(&[WaitForAtomic(0, 0), QueueWork(1), Complete(0)]),
            always(&[WorkBegins(0), WaitForCompletion(0), WorkReturns(0)]),
            always(&[WorkBegins(1), WorkReturns(1)]),
        ],
        started: 2,
        ..Program::default()
    };
    let outcome = agree(&program, "pending").outcome;
    assert!(!outcome.is_refuted(), "{outcome:?}");
}

/// wait_event does not touch the queue if the condition holds: the queue may be gone by then.
#[test]
fn a_condition_that_holds_is_no_touch_of_the_queue() {
    for waits in [WaitForAtomic(0, 0), WaitTimeout(0, 0), WaitInterruptible(0, 0)] {
        let program = Program {
            atomics: 1,
            queues: 1,
            tracked: 1,
            in_memory: true,
            threads: vec![always(&[Store(0, 1), waits, Free(0)])],
            started: 1,
            ..Program::default()
        };
        let outcome = agree(&program, "first look").outcome;
        assert!(!outcome.is_refuted(), "{outcome:?}");
    }
}

/// A violation stops an execution that would have come to a deadlock, and the search of traces that
/// sleep sets make comes to that deadlock nowhere else. So it is held to the violation alone.
#[test]
fn a_violation_may_hide_another_from_a_search_of_traces() {
    let program = Program {
        mutexes: 1,
        tracked: 1,
        threads: vec![always(&[Lock(0), Lock(0)]), always(&[Free(0), Use(0)])],
        started: 2,
        ..Program::default()
    };
    assert!(agree(&program, "hidden").in_part);
}

/// Exclusive waiters are woken in the order in which they came: T1 wakes T0, which wakes T1.
#[test]
fn the_exclusive_waiter_that_has_waited_longest_is_woken() {
    let t0 = [PrepareExclusive(0), Store(0, 1), WakeUpAll(1), Schedule(0), WakeUp(0)];
    let t1 = [WaitForAtomic(1, 0), PrepareExclusive(0), WakeUp(0), Schedule(0)];
    check("longest", [always(&t0), always(&t1), Vec::new()], &[]);
}

/// What T1 learns, and T0's last word, in some final state.
fn both_learn(name: &str, t0: Instr, t1: &[Instr], words: [u64; 2]) -> bool {
    let program = Program {
        atomics: 1,
        queues: 1,
        threads: vec![always(&[t0]), always(t1)],
        started: 2,
        ..Program::default()
    };
    let outcome = agree(&program, name).outcome;
    let last = |end: &Final| end.logs.iter().map(|log| log.last().copied()).collect::<Vec<_>>();
    outcome.finals.iter().any(|end| last(end) == words.map(Some))
}

/// Who has a signal leaves the queue before it looks for the last time. So a thread that was still
/// queued when the condition held already sees that.
#[test]
fn a_signal_does_not_hide_that_the_condition_holds() {
    let store = [Store(0, 1), Active(0)];
    assert!(!both_learn("signal", WaitInterruptible(0, 0), &store, [0, 1]));
    assert!(both_learn("signal", WaitInterruptible(0, 0), &store, [0, 0]));
    assert!(!both_learn("kill", WaitKillable(0, 0), &store, [0, 1]));
}

/// Who is queued again after it was woken looks after that, also if its time is up by then.
#[test]
fn a_time_that_is_up_does_not_hide_that_the_condition_holds() {
    let store = [Store(0, 1), WakeUpAll(0), Active(0)];
    assert!(!both_learn("time", WaitTimeout(0, 0), &store, [0, 1]));
    assert!(both_learn("time", WaitTimeout(0, 0), &store, [0, 0]));
}

/// Several searches share an execution: where one leaves it to another, it knows nothing of who goes
/// round in vain there.
#[test]
fn a_part_that_is_passed_by_shows_nothing() {
    let program = Program {
        atomics: 1,
        queues: 1,
        threads: vec![
            always(&[WakeUpAll(0), Poll(0), Load(0)]),
            always(&[Store(0, 0), Forever, WaitExclusive(0, 0), Load(0), Again]),
        ],
        started: 2,
        ..Program::default()
    };
    assert!(agree_on_endless(&program, "passed by").is_some());
}
