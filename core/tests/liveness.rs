//! Threads that never end: which of them starve, and which are proved not to.

use std::ops::ControlFlow;

use selvedge_core::sync::{Atomic, Mutex, RwSem, UnfairRwSem, WaitQueue};
use selvedge_core::{
    Checker, Checkpoint, CheckpointError, Engine, Progress, ReplayError, Scenario, ScenarioBuilder,
    Search, Shard, Verdict, ViolationKind, forever, poll,
};

fn starvation(thread: &str, class: &str) -> [ViolationKind; 1] {
    [ViolationKind::starvation(thread, class)]
}

/// Checks that the verdict is the one expected, with any number of threads at work, and that a
/// cycle is seen again in its replay.
fn check(scenario: &Scenario) {
    for jobs in 1..=2 {
        let report = Checker::native().threads(jobs).states_per_thread(1).run(scenario);
        assert!(report.as_expected() && report.complete, "{report}");
        let Verdict::Refuted(found) = &report.verdict else { continue };
        for found in found {
            let again = scenario.replay(&found.schedule).unwrap();
            assert!(again.contains(found), "{again:#?} without {found:#?}");
            if let ViolationKind::Starvation { .. } = found.violation.kind {
                assert!(found.violation.again_from.unwrap() < found.schedule.len());
            }
        }
    }
}

fn readers_and_a_writer() -> ScenarioBuilder<RwSem> {
    Scenario::builder("rwsem", || RwSem::new("rwsem", ()))
        .thread("reader 1", |sem| forever(|| drop(sem.down_read())))
        .thread("reader 2", |sem| forever(|| drop(sem.down_read())))
        .thread("writer", |sem| drop(sem.down_write()))
}

fn unfair() -> ScenarioBuilder<UnfairRwSem> {
    Scenario::builder("unfair", || UnfairRwSem::new("rwsem", ()))
        .thread("reader 1", |sem| forever(|| drop(sem.down_read())))
        .thread("reader 2", |sem| forever(|| drop(sem.down_read())))
        .thread("writer", |sem| drop(sem.down_write()))
}

#[test]
fn a_fair_rwsem_starves_no_thread() {
    check(&readers_and_a_writer().starvation_free().expect_proof());
}

/// Two readers that relieve each other never leave it free.
#[test]
fn a_semaphore_that_favours_readers_starves_a_writer() {
    let scenario = unfair().starvation_free().expect_violations(starvation("writer", "rwsem"));
    check(&scenario);
    let report = scenario.verify(Engine::Native);
    let Verdict::Refuted(found) = &report.verdict else { unreachable!() };
    // One holds it. Then the other takes it, the first releases and takes it, the other releases
    // it.
    assert_eq!(found[0].schedule.len(), 5);
    assert_eq!(found[0].violation.again_from, Some(1));
    let one = Scenario::builder("one", || UnfairRwSem::new("rwsem", ()))
        .thread("reader", |sem| forever(|| drop(sem.down_read())))
        .thread("writer", |sem| drop(sem.down_write()))
        .starvation_free();
    check(&one.expect_proof());
}

#[test]
fn a_mutex_that_is_repeatedly_free_starves_no_thread() {
    let scenario = Scenario::builder("mutex", || Mutex::new("A", ()))
        .thread("T1", |a| forever(|| drop(a.lock())))
        .thread("T2", |a| forever(|| drop(a.lock())))
        .thread("T3", |a| drop(a.lock()))
        .starvation_free();
    check(&scenario.expect_proof());
}

/// The flag has no owner, and no thread sets it: a deadlock, with the loop or without.
#[test]
fn a_flag_that_is_never_set_is_a_deadlock() {
    let sleeper = || {
        let world = || (Atomic::new("flag", 0), WaitQueue::new("flag_wait"), Mutex::new("A", ()));
        Scenario::builder("flag", world)
            .thread("sleeper", |(flag, wait, _)| wait.wait_event(|| flag.load() == 1))
    };
    let looping = sleeper().thread("loop", |(_, _, a)| forever(|| drop(a.lock())));
    let deadlock = || [ViolationKind::deadlock(["flag_wait"])];
    check(&looping.starvation_free().expect_violations(deadlock()));
    check(&sleeper().starvation_free().expect_violations(deadlock()));
}

/// Fairness does not help two threads that each hold what the other wants.
#[test]
fn a_deadlock_beside_an_endless_loop_starves_no_thread() {
    let world = || [Mutex::new("A", ()), Mutex::new("B", ()), Mutex::new("C", ())];
    let scenario = Scenario::builder("abba", world)
        .thread("ab", |[a, b, _]| {
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |[a, b, _]| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .thread("loop", |[.., c]| forever(|| drop(c.lock())))
        .starvation_free();
    check(&scenario.expect_violations([ViolationKind::deadlock(["A", "B"])]));
}

/// The holder can continue all the time; only the scheduler does not run it.
#[test]
fn a_scheduler_that_forgets_the_holder_is_not_fair() {
    let scenario = Scenario::builder("forgotten", || [Mutex::new("A", ()), Mutex::new("B", ())])
        .thread("holder", |[a, _]| drop(a.lock()))
        .thread("next", |[a, _]| drop(a.lock()))
        .thread("loop", |[_, b]| forever(|| drop(b.lock())))
        .starvation_free()
        .expect_proof();
    check(&scenario);
    // The loop goes round while the holder holds: a cycle, but no thread is shown to starve on it.
    assert_eq!(scenario.replay(&"0.2.2".parse().unwrap()), Err(ReplayError::TooShort));
}

/// The keeper releases one lock or the other, now and then, when it happens to see the right
/// number, which it need never see. A thread that gets its lock makes the keeper release both for
/// good. The two threads therefore starve on a cycle that is part of a larger one, on which each of
/// them could continue, and nowhere else.
#[test]
fn a_fair_cycle_is_found_within_an_unfair_one() {
    let world = || (Atomic::new("number", 0), [Mutex::new("A", ()), Mutex::new("B", ())]);
    let get = |number: &Atomic, lock: &Mutex| {
        lock.lock().unlock();
        number.store(3);
    };
    let scenario = Scenario::builder("number", world)
        .thread("keeper", |(number, locks)| {
            locks.iter().for_each(Mutex::raw_lock);
            forever(|| match number.load() {
                0 => {}
                3 => {
                    locks.iter().for_each(Mutex::raw_unlock);
                    forever(|| _ = number.load());
                }
                n => {
                    locks[n as usize - 1].raw_unlock();
                    locks[n as usize - 1].raw_lock();
                }
            })
        })
        .thread("number", |(number, _)| {
            forever(|| (0..3).for_each(|n| _ = number.compare_exchange((n + 2) % 3, n)))
        })
        .thread("T1", move |(number, [a, _])| get(number, a))
        .thread("T2", move |(number, [_, b])| get(number, b))
        .starvation_free();
    let kinds = [ViolationKind::starvation("T1", "A"), ViolationKind::starvation("T2", "B")];
    check(&scenario.expect_violations(kinds).expect_inversion(["A", "B"]));
}

/// A lock that is never released is not repeatedly free: the next thread waits for good.
#[test]
fn a_lock_that_is_never_released_starves_no_thread() {
    let world = || (Mutex::new("A", ()), Mutex::new("B", ()));
    let scenario = Scenario::builder("keeps", world)
        .thread("keeper", |(a, b)| {
            let _a = a.lock();
            forever(|| drop(b.lock()));
        })
        .thread("next", |(a, _)| drop(a.lock()))
        .starvation_free();
    check(&scenario.expect_violations([ViolationKind::deadlock(["A"])]));
}

/// Two of three threads hold it at any time, hand over hand. But each has to release it once in a
/// round, and a waiter may then be next.
#[test]
fn hand_over_hand_starves_no_thread() {
    let world = || [Mutex::new("A", ()), Mutex::new("B", ())];
    let hand_over_hand = |[a, b]: &[Mutex; 2]| {
        let held = a.lock();
        let next = b.lock();
        drop(held);
        drop(next);
    };
    let scenario = Scenario::builder("hand over hand", world)
        .thread("T1", move |locks| forever(|| hand_over_hand(locks)))
        .thread("T2", move |locks| forever(|| hand_over_hand(locks)))
        .thread("T3", |[_, b]| drop(b.lock()))
        .starvation_free();
    check(&scenario.expect_proof());
}

/// A polling thread takes steps without progress: for good if no thread sets the flag, and possibly
/// for ever if one does so now and then.
#[test]
fn polling_in_vain_is_a_deadlock_or_a_starvation() {
    let poll_for = |flag: &Atomic| poll("flag", || (flag.load() == 1).then_some(()));
    let alone = Scenario::builder("alone", || Atomic::new("number", 0))
        .thread("T", poll_for)
        .thread("other", |flag| _ = flag.load())
        .starvation_free();
    check(&alone.expect_violations([ViolationKind::deadlock(["flag"])]));
    let helped = Scenario::builder("helped", || Atomic::new("number", 0))
        .thread("T", poll_for)
        .thread("other", |flag| flag.store(1))
        .starvation_free();
    check(&helped.expect_proof());
    // The flag is set now and then, and the poller may always look at the wrong time.
    let unlucky = Scenario::builder("unlucky", || Atomic::new("number", 0))
        .thread("T", poll_for)
        .thread("other", |flag| forever(|| [1, 0].into_iter().for_each(|value| flag.store(value))))
        .starvation_free();
    check(&unlucky.expect_violations(starvation("T", "flag")));
    let round = Scenario::builder("round", || (Atomic::new("number", 1), Mutex::new("A", ())))
        .thread("T", move |(flag, a)| {
            forever(|| {
                poll_for(flag);
                a.lock().unlock();
            })
        })
        .starvation_free();
    check(&round.expect_proof());
}

/// A lock is polled for with a trylock: a fair scheduler need not try when it is free.
#[test]
fn polling_for_a_busy_lock_may_last_for_ever() {
    let scenario = Scenario::builder("spin", || Mutex::new("A", ()))
        .thread("spin", |a| drop(poll("A is free", || a.try_lock())))
        .thread("loop", |a| forever(|| drop(a.lock())))
        .starvation_free();
    check(&scenario.expect_violations(starvation("spin", "A is free")));
}

/// A signal would help, but no thread may rely on one.
#[test]
fn a_signal_does_not_prevent_a_starvation() {
    let world = || (Mutex::new("A", ()), Mutex::new("B", ()));
    let scenario = Scenario::builder("signal", world)
        .thread("keeper", |(a, b)| {
            let _a = a.lock();
            forever(|| drop(b.lock()));
        })
        .thread("next", |(a, _)| drop(a.lock_interruptible()))
        .starvation_free();
    check(&scenario.expect_violations([ViolationKind::deadlock(["A"])]));
}

/// A thread that is interrupted repeatedly goes round, and blocks no thread that could rely on it:
/// a cycle that needs a signal each time does not count.
#[test]
fn a_signal_is_not_a_step_of_a_fair_cycle() {
    let world = || (Mutex::new("A", ()), Mutex::new("B", ()));
    let scenario = Scenario::builder("interrupted", world)
        .thread("keeper", |(a, b)| {
            let _a = a.lock();
            drop(b.lock());
        })
        .thread("again", |(a, _)| forever(|| drop(a.lock_interruptible())))
        .starvation_free();
    check(&scenario.expect_proof());
}

#[test]
fn an_endless_program_has_finitely_many_states_also_if_starvation_is_not_asked_for() {
    let report = readers_and_a_writer().expect_proof().verify(Engine::Native);
    assert!(report.as_expected() && report.complete, "{report}");
}

#[test]
fn a_round_without_operations_is_a_panic() {
    let scenario = Scenario::builder("idle", || ()).thread("T", |()| forever(|| ())).expect_proof();
    let report = scenario.verify(Engine::Native);
    let Verdict::Refuted(found) = &report.verdict else { panic!("{report}") };
    assert!(matches!(found[0].violation.kind, ViolationKind::Panic(_)), "{report}");
}

#[test]
fn a_search_that_cannot_decide_starvation_reports_it() {
    let scenario = readers_and_a_writer().starvation_free().expect_proof();
    for engine in Engine::ALL.iter().filter(|engine| **engine != Engine::Native) {
        let report = scenario.verify(*engine);
        assert!(matches!(report.verdict, Verdict::Inconclusive { .. }), "{engine}: {report}");
        assert!(report.as_expected(), "{engine}: {report}");
    }
    for search in [Search::Reduced, Search::Shortest, Search::SleepSets, Search::Dpor] {
        let report = Checker::native().search(search).run(&scenario);
        assert!(matches!(report.verdict, Verdict::Inconclusive { .. }), "{search:?}: {report}");
    }
    let shard = Checker::native().search(Search::Dpor).shard(Shard::new(1, 2).unwrap());
    assert!(!shard.run(&scenario).shard.unwrap().done);
}

/// A checkpoint of the full search is resumed to the same cycle; one of another search is refused.
#[test]
fn a_resumed_full_search_finds_the_same_cycle() {
    let scenario = unfair().starvation_free().expect_violations(starvation("writer", "rwsem"));
    let resumed = Checker::native().resume(&scenario, &write_checkpoint(&scenario));
    let resumed = resumed.unwrap();
    assert!(resumed.as_expected() && resumed.complete, "{resumed}");
    let old = write_checkpoint(&unfair().expect_proof());
    let resumed = Checker::native().resume(&scenario, &old);
    assert!(matches!(resumed, Err(CheckpointError::Outdated)));
}

fn write_checkpoint(scenario: &Scenario) -> Checkpoint {
    let mut checkpoint = None;
    let stop = |progress: &Progress<'_>| {
        checkpoint = progress.checkpoint().or(checkpoint.take());
        ControlFlow::Break("that will do".to_owned())
    };
    Checker::native().on_progress(stop).run(scenario);
    checkpoint.expect("a search of states makes a checkpoint")
}
