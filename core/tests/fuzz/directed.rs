//! Programs that a random generator hardly ever finds, or with which it has found an error. A
//! spurious wake-up can end any sleep, so a queue that wakes the wrong thread shows only in its
//! deadlocks.

use super::program::{Final, Instr, Program, Step, When};
use super::{agree, agree_on_endless};
use Instr::*;

fn always(instrs: &[Instr]) -> Vec<Step> {
    instrs.iter().map(|instr| Step { when: When::Always, instr: *instr }).collect()
}

/// Checks that both agree that these are the deadlocks.
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
fn wake_up_all_leaves_no_thread_asleep() {
    let waiter = always(&[WaitForAtomic(0, 0)]);
    let waker = always(&[Store(0, 1), WakeUpAll(0)]);
    check("all", [waiter.clone(), waiter, waker], &[]);
}

#[test]
fn wake_up_leaves_no_thread_asleep() {
    let waiter = always(&[WaitForAtomic(0, 0)]);
    let waker = always(&[Store(0, 1), WakeUp(0)]);
    check("one", [waiter.clone(), waiter, waker], &[]);
}

/// T2 wakes one waiter when T0 has left, so T1 wakes.
#[test]
fn a_waiter_that_has_left_consumes_no_wake_up() {
    let t0 = always(&[Prepare(0), Finish(0), Store(0, 1), WakeUp(1)]);
    let t1 = always(&[WaitForAtomic(0, 1)]);
    let t2 = always(&[WaitForAtomic(1, 0), Store(1, 1), WakeUp(0)]);
    check("left", [t0, t1, t2], &[]);
}

/// No thread can have waited for a completion before it happened, despite any spurious wake-ups
/// there are.
#[test]
fn a_completion_is_not_consumed_before_it_happens() {
    let threads = [WaitForAtomic(0, 0), WaitForCompletion(0), Complete(0)];
    check("completed", threads.map(|instr| always(&[instr])), &[&["Q0"]]);
}

/// Whether the condition holds is irrelevant: `wait_event` declares that it may sleep.
#[test]
fn wait_event_with_a_spinlock_held_is_a_violation() {
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

/// The first program in which an interleaving is missed if a round does not depend on changes of
/// what its thread has looked at.
#[test]
fn a_round_depends_on_changes_of_what_it_looks_at() {
    let t0 = [Forever, RawLock(0), Release(1), Store(0, 0), Poll(0), Load(0), Load(0), Again];
    let t1 = [Forever, Lock(0), Look, TryLock(0), Load(0), Again];
    let mut t2 = always(&[Release(0), TryLock(0), Look]);
    t2[0].when = When::LastZero;
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
fn an_srcu_section_has_an_index() {
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

/// The object that is waited for is freed, which ends the wait.
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
fn a_wait_in_freed_memory_is_found() {
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

/// A thread that frees and then starts another: its report is the same on every engine.
#[test]
fn a_report_ends_where_a_held_lock_is_freed() {
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

/// A signal to a work that runs comes before its workqueue is empty, and before the next work
/// begins.
#[test]
fn a_workqueue_continues_when_a_work_returns() {
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

/// A pending work is not queued again, so its workqueue is not accessed, which may be in
/// destruction (queue_work_on and __queue_work in kernel/workqueue.c).
#[test]
fn a_pending_work_does_not_touch_a_destroyed_workqueue() {
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

/// wait_event does not touch the queue if the condition holds: the queue may be freed by then.
#[test]
fn a_condition_that_holds_does_not_touch_the_queue() {
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

/// A violation stops an execution that would have reached a deadlock, and the search of traces by
/// sleep sets reaches that deadlock nowhere else. It must therefore match the violation only.
#[test]
fn a_violation_may_hide_another_from_sleep_sets() {
    let program = Program {
        mutexes: 1,
        tracked: 1,
        threads: vec![always(&[Lock(0), Lock(0)]), always(&[Free(0), Use(0)])],
        started: 2,
        ..Program::default()
    };
    assert!(agree(&program, "hidden").in_part);
}

/// Exclusive waiters are woken in order of arrival: T1 wakes T0, which wakes T1.
#[test]
fn the_exclusive_waiter_that_has_waited_longest_is_woken() {
    let t0 = [PrepareExclusive(0), Store(0, 1), WakeUpAll(1), Schedule(0), WakeUp(0)];
    let t1 = [WaitForAtomic(1, 0), PrepareExclusive(0), WakeUp(0), Schedule(0)];
    check("longest", [always(&t0), always(&t1), Vec::new()], &[]);
}

/// Returns whether T1 logs these words, T0's last one included, in some final state.
fn both_log(name: &str, t0: Instr, t1: &[Instr], words: [u64; 2]) -> bool {
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

/// A thread with a signal leaves the queue before it looks for the last time. A thread that was
/// still queued when the condition held already sees that.
#[test]
fn a_signal_does_not_hide_that_the_condition_holds() {
    let store = [Store(0, 1), Active(0)];
    assert!(!both_log("signal", WaitInterruptible(0, 0), &store, [0, 1]));
    assert!(both_log("signal", WaitInterruptible(0, 0), &store, [0, 0]));
    assert!(!both_log("kill", WaitKillable(0, 0), &store, [0, 1]));
}

/// A thread that is queued again after it was woken looks after that, even if its timeout has
/// expired by then.
#[test]
fn a_timeout_does_not_hide_that_the_condition_holds() {
    let store = [Store(0, 1), WakeUpAll(0), Active(0)];
    assert!(!both_log("time", WaitTimeout(0, 0), &store, [0, 1]));
    assert!(both_log("time", WaitTimeout(0, 0), &store, [0, 0]));
}

/// Several searches share an execution: where one leaves it to another, it does not know which
/// threads repeat rounds in vain there.
#[test]
fn a_part_that_is_skipped_shows_nothing() {
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
