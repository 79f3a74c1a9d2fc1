//! Programs whose threads sleep or poll, proved by states, by interleavings, and by interleavings
//! on shuttle.

use std::ops::ControlFlow;

use selvedge_core::sync::{Atomic, Mutex, RwSem, Tracked, WaitQueue};
use selvedge_core::{
    Checker, Engine, Fingerprint, Progress, Report, Scenario, Search, Shard, Verdict,
    ViolationKind, forever, poll,
};

fn verify_with(scenario: &Scenario, engine: Engine, search: Search, jobs: usize) -> Report {
    Checker::new(engine).search(search).threads(jobs).run(scenario)
}

fn verify(scenario: &Scenario, engine: Engine, search: Search) -> Report {
    verify_with(scenario, engine, search, 1)
}

/// Checks that all reach the claim, and that those that count traces count the same.
fn check(scenario: &Scenario) -> Fingerprint {
    let states = verify(scenario, Engine::Native, Search::Auto);
    assert!(states.as_expected() && states.complete, "{}: {states}", scenario.name());
    let dpor = verify(scenario, Engine::Native, Search::Dpor);
    assert!(dpor.as_expected() && dpor.complete, "{}: {dpor}", scenario.name());
    let shuttle = verify(scenario, Engine::Shuttle, Search::Dpor);
    assert!(shuttle.as_expected(), "{}: {shuttle}", scenario.name());
    let Verdict::Proved(_) = &states.verdict else {
        let Verdict::Refuted(found) = &dpor.verdict else { unreachable!() };
        for found in found {
            let again = scenario.replay(&found.schedule);
            let again = again.unwrap_or_else(|e| panic!("{}: {e}", found.schedule));
            assert!(again.contains(found), "{}: {again:#?}", found.schedule);
        }
        return dpor.fingerprint;
    };
    let sleep_sets = verify(scenario, Engine::Native, Search::SleepSets);
    let two = verify_with(scenario, Engine::Native, Search::Dpor, 2);
    for other in [&sleep_sets, &two, &shuttle] {
        assert!(other.complete, "{}: {other}", scenario.name());
        assert_eq!(other.fingerprint, dpor.fingerprint, "{}: {other}", scenario.name());
    }
    dpor.fingerprint
}

type World = (WaitQueue, Atomic, Mutex<u64>);

fn world() -> World {
    (WaitQueue::new("queue"), Atomic::new("flag", 0), Mutex::new("M", 0))
}

fn set(flag: &Atomic) {
    flag.store(1);
}

#[test]
fn a_polling_thread_looks_again_after_a_change() {
    let scenario = Scenario::builder("poll", world)
        .thread("poll", |(_, flag, _)| poll("flag", || (flag.load() == 1).then_some(())))
        .thread("set", |(_, flag, _)| set(flag))
        .expect_proof();
    // It looks before and after, or only after.
    assert_eq!(check(&scenario).traces, Some(2));
    let toggles = Scenario::builder("toggles", world)
        .thread("poll", |(_, flag, _)| poll("flag", || (flag.load() == 2).then_some(())))
        .thread("set", |(_, flag, _)| (0..3).for_each(|value| flag.store(value)))
        .expect_proof();
    // Each write is seen, or not, and in the end it is there.
    assert_eq!(check(&toggles).traces, Some(8));
}

#[test]
fn a_thread_that_polls_in_vain_is_found() {
    let alone = Scenario::builder("alone", world)
        .thread("poll", |(_, flag, _)| poll("flag", || (flag.load() == 1).then_some(())))
        .thread("other", |(_, flag, _)| flag.store(2))
        .expect_violations([ViolationKind::deadlock(["flag"])]);
    check(&alone);
    let each_other = Scenario::builder("each other", || [Atomic::new("a", 0), Atomic::new("b", 0)])
        .thread("T1", |[a, b]| {
            poll("a", || (a.load() == 1).then_some(()));
            b.store(1);
        })
        .thread("T2", |[a, b]| {
            poll("b", || (b.load() == 1).then_some(()));
            a.store(1);
        })
        .expect_violations([ViolationKind::deadlock(["a", "b"])]);
    check(&each_other);
}

/// A look at data behind a mutex takes the mutex; a section that changes nothing is not a change.
#[test]
fn a_poll_with_a_mutex_is_repeated_when_the_data_have_changed() {
    let scenario = |name: &str| {
        Scenario::builder(name, world)
            .thread("poll", |(.., m)| poll("data", || (*m.lock() == 2).then_some(())))
            .thread("looks", |(.., m)| assert!(*m.lock() < 3))
            .thread("adds", |(.., m)| (0..2).for_each(|_| *m.lock() += 1))
    };
    check(&scenario("data").expect_proof());
    // A thread that tries the mutex can see its owner, also in a round in vain.
    let tried = scenario("tried").thread("tries", |(.., m)| drop(m.try_lock())).expect_proof();
    let report = verify(&tried, Engine::Native, Search::Dpor);
    let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
    assert!(reason.to_string().contains("takes a mutex that is tried"), "{reason}");
    assert!(verify(&tried, Engine::Native, Search::Auto).as_expected());
}

#[test]
fn a_spurious_wake_up_is_explored_where_it_has_an_effect() {
    let atomic = Scenario::builder("atomic", world)
        .thread("sleeps", |(queue, flag, _)| queue.wait_event(|| flag.load() == 1))
        .thread("wakes", |(queue, flag, _)| {
            set(flag);
            queue.wake_up_all();
        })
        .expect_proof();
    check(&atomic);
    let mutex = Scenario::builder("mutex", world)
        .thread("sleeps", |(queue, _, m)| queue.wait_event(|| *m.lock() == 1))
        .thread("wakes", |(queue, _, m)| {
            *m.lock() = 1;
            queue.wake_up_all();
        })
        .expect_proof();
    check(&mutex);
    let cmd = Scenario::builder("cmd", world)
        .thread("sleeps", |(queue, _, m)| {
            let mut data = queue.wait_event_cmd(m, m.lock(), |data| *data == 1);
            *data = 2;
        })
        .thread("wakes", |(queue, _, m)| {
            *m.lock() = 1;
            queue.wake_up_all();
        })
        .finally(|(.., m)| assert_eq!(*m.lock(), 2))
        .expect_proof();
    check(&cmd);
}

/// A thread that woke spuriously when the condition held already frees before the wake-up.
#[test]
fn the_effect_of_an_early_wake_up_is_found() {
    let world = || {
        let memory = Tracked::with("request", || (WaitQueue::new("queue"), Atomic::new("done", 0)));
        (memory, Atomic::new("other", 0))
    };
    let scenario = Scenario::builder("frees", world)
        .thread("sleeps", |(request, _)| {
            let (queue, done) = request.get();
            queue.wait_event(|| done.load() == 1);
            request.release();
        })
        .thread("wakes", |(request, _)| {
            let (queue, done) = request.get();
            done.store(1);
            queue.wake_up_all();
        })
        .expect_violations([ViolationKind::use_after_release("request")]);
    for search in [Search::Dpor, Search::SleepSets] {
        let report = verify(&scenario, Engine::Native, search);
        let Verdict::Refuted(found) = &report.verdict else { panic!("{search:?}: {report}") };
        assert_eq!(found[0].violation.kind, ViolationKind::use_after_release("request"));
    }
}

/// Two flags, two sleepers, and one thread that wakes all for either.
#[test]
fn wake_ups_in_vain_are_explored_finitely_often() {
    let world = || (WaitQueue::new("queue"), [Atomic::new("a", 0), Atomic::new("b", 0)]);
    let scenario = Scenario::builder("two flags", world)
        .thread("T1", |(queue, [a, _])| queue.wait_event(|| a.load() == 1))
        .thread("T2", |(queue, [_, b])| queue.wait_event(|| b.load() == 1))
        .thread("wakes", |(queue, flags)| {
            for flag in flags {
                set(flag);
                queue.wake_up_all();
            }
        })
        .expect_proof();
    check(&scenario);
    let one = Scenario::builder("one flag", world)
        .thread("T1", |(queue, [a, _])| queue.wait_event(|| a.load() == 1))
        .thread("T2", |(queue, [_, b])| queue.wait_event(|| b.load() == 1))
        .thread("wakes", |(queue, [a, _])| {
            set(a);
            queue.wake_up_all();
        })
        .expect_violations([ViolationKind::deadlock(["queue"])]);
    check(&one);
}

/// A search that is stopped after it has found a thread that polls for good still reports it when
/// it is resumed.
#[test]
fn a_resumed_search_remembers_threads_that_poll_for_good() {
    let scenario = Scenario::builder("stopped", world)
        .thread("poll", |(_, flag, _)| poll("flag", || (flag.load() == 1).then_some(())))
        .thread("other", |(_, flag, _)| flag.store(2))
        .expect_violations([ViolationKind::deadlock(["flag"])]);
    let mut checkpoint = None;
    let listener = |progress: &Progress<'_>| {
        if progress.stopping.is_some() {
            checkpoint = progress.checkpoint();
        }
        ControlFlow::Break("enough".to_owned())
    };
    let report = Checker::native().search(Search::Dpor).on_progress(listener).run(&scenario);
    assert!(matches!(report.verdict, Verdict::Refuted(_)), "{report}");
    let checkpoint = checkpoint.expect("it was put checkpoint");
    let report = Checker::native().resume(&scenario, &checkpoint).expect("of this scenario");
    assert!(report.as_expected(), "{report}");
}

/// A signal, or a spurious wake-up, may help a thread while others look for ever; no thread may
/// rely on it.
#[test]
fn a_wait_with_only_optional_outcomes_is_for_good() {
    let looks = |name: &str| {
        Scenario::builder(name, world)
            .thread("looks", |(_, flag, _)| forever(|| assert!(flag.load() < 3)))
    };
    let signal = looks("signal")
        .thread("sleeps", |(queue, flag, _)| {
            let _signal = queue.wait_event_interruptible(|| flag.load() == 1);
        })
        .expect_violations([ViolationKind::deadlock(["queue"])]);
    check(&signal);
    let plain = looks("plain")
        .thread("sleeps", |(queue, ..)| {
            queue.prepare_to_wait();
            queue.schedule();
        })
        .expect_violations([ViolationKind::deadlock(["queue"])]);
    check(&plain);
    let not_woken = looks("not woken")
        .thread("sleeps", |(queue, flag, _)| queue.wait_event(|| flag.load() == 1))
        .thread("sets", |(_, flag, _)| set(flag))
        .expect_violations([ViolationKind::deadlock(["queue"])]);
    check(&not_woken);
}

/// A section that changes no data is a change for a thread that has tried the mutex in vain.
#[test]
fn a_poll_with_a_trylock_is_repeated_when_the_mutex_is_free() {
    let scenario = Scenario::builder("trylock", world)
        .thread("poll", |(.., m)| poll("M", || m.try_lock().map(drop)))
        .thread("section", |(.., m)| drop(m.lock()))
        .expect_proof();
    check(&scenario);
    let both = Scenario::builder("looks and tries", world)
        .thread("poll", |(_, flag, m)| {
            poll("M", || {
                let ready = flag.load() == 1;
                ready.then(|| m.try_lock().map(drop)).flatten()
            });
        })
        .thread("section", |(_, flag, m)| {
            let held = m.lock();
            set(flag);
            drop(held);
        })
        .expect_proof();
    check(&both);
}

/// A thread that keeps a mutex at the end of a round, or releases one that it had, is not in its
/// earlier local state.
#[test]
fn a_round_that_leaves_a_mutex_in_another_state_is_not_in_vain() {
    let keeps = Scenario::builder("keeps", world)
        .thread("T", |(_, flag, m)| {
            forever(|| {
                if flag.load() == 2 {
                    m.raw_lock();
                }
            });
        })
        .thread("sets", |(_, flag, _)| (0..4).for_each(|value| flag.store(value)))
        .thread("resets", |(_, flag, _)| flag.store(0))
        .expect_violations([ViolationKind::deadlock(["M"])]);
    check(&keeps);
    let releases = Scenario::builder("releases", world)
        .thread("T", |(_, flag, m)| {
            m.raw_lock();
            forever(|| {
                if flag.load() == 2 {
                    m.raw_unlock();
                }
            });
        })
        .thread("sets", |(_, flag, _)| (0..4).for_each(|value| flag.store(value)))
        .expect_violations([ViolationKind::NotOwner("M".into())]);
    check(&releases);
    let sleeps = Scenario::builder("sleeps", world)
        .thread("T", |(queue, flag, m)| {
            queue.wait_event(|| {
                m.raw_lock();
                let set = flag.load() == 1;
                if set {
                    m.raw_unlock();
                }
                set
            });
        })
        .thread("wakes", |(queue, flag, _)| {
            set(flag);
            queue.wake_up_all();
        })
        .expect_violations([ViolationKind::deadlock(["M"])]);
    check(&sleeps);
}

/// A thread that only looks, for ever, does not prevent the proof of the rest.
#[test]
fn an_endless_reader_runs_once_after_each_change() {
    let scenario = Scenario::builder("looks", world)
        .thread("for ever", |(_, flag, _)| forever(|| assert!(flag.load() < 3)))
        .thread("sets", |(_, flag, _)| (0..3).for_each(|value| flag.store(value)))
        .expect_proof();
    assert_eq!(check(&scenario).traces, Some(8));
    let wrong = Scenario::builder("wrong", world)
        .thread("for ever", |(_, flag, _)| forever(|| assert!(flag.load() != 2, "two")))
        .thread("sets", |(_, flag, _)| (0..4).for_each(|value| flag.store(value)))
        .expect_violations([ViolationKind::Panic("two".to_owned())]);
    check(&wrong);
    let locks = Scenario::builder("locks", || [Mutex::new("A", ()), Mutex::new("B", ())])
        .thread("for ever", |[a, b]| {
            forever(|| {
                let _a = a.lock();
                let _b = b.lock();
            })
        })
        .thread("once", |[a, b]| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations([ViolationKind::deadlock(["A", "B"])]);
    check(&locks);
}

/// A poll inside of an endless loop, and one that sleeps: rounds within rounds.
#[test]
fn rounds_within_rounds_are_distinguished() {
    let scenario = Scenario::builder("nested", || [Atomic::new("a", 0), Atomic::new("b", 0)])
        .thread("for ever", |[a, b]| {
            forever(|| {
                poll("a", || (a.load() >= 1).then_some(()));
                assert!(b.load() < 3);
            })
        })
        .thread("sets", |[a, b]| {
            b.store(1);
            a.store(1);
            b.store(2);
        })
        .expect_proof();
    check(&scenario);
}

/// What a semaphore's queue shows of a reader is not left out, so the search has no end and proves
/// nothing.
#[test]
fn visible_rounds_are_not_left_out() {
    let scenario = Scenario::builder("semaphore", || (RwSem::new("S", 0), Atomic::new("flag", 0)))
        .thread("poll", |(s, _)| poll("data", || (*s.down_read() == 1).then_some(())))
        .thread("writes", |(s, _)| *s.down_write() = 1)
        .expect_proof();
    let report = Checker::native().search(Search::Dpor).operations(100).run(&scenario);
    assert!(matches!(report.verdict, Verdict::Inconclusive { .. }), "{report}");
}

/// Each share is complete, and together they are the whole.
#[test]
fn shares_add_up() {
    let scenario = Scenario::builder("shares", world)
        .thread("sleeps", |(queue, flag, _)| queue.wait_event(|| flag.load() == 2))
        .thread("adds", |(queue, flag, _)| {
            for _ in 0..2 {
                flag.fetch_add(1);
                queue.wake_up_all();
            }
        })
        .expect_proof();
    let whole = check(&scenario);
    let mut traces = 0;
    for share in 1..=3 {
        let report = Checker::native()
            .search(Search::Dpor)
            .shard(Shard::new(share, 3).unwrap())
            .run(&scenario);
        assert!(report.shard.unwrap().done, "{report}");
        traces += report.fingerprint.traces.unwrap();
    }
    assert_eq!(Some(traces), whole.traces);
}

/// The wake-up comes first and the change later, or in the other order: that the thread was woken
/// does not mean that the change would not have sufficed.
#[test]
fn a_change_suffices_without_the_wake_up() {
    let scenario = Scenario::builder("either", world)
        .thread("changes", |(queue, _, m)| {
            *m.lock() = 1;
            queue.wake_up_all();
        })
        .thread("wakes", |(queue, ..)| queue.wake_up_all())
        .thread("sleeps", |(queue, _, m)| {
            queue.wait_event(|| *m.lock() == 1);
            *m.lock() = 2;
        })
        .expect_proof();
    check(&scenario);
}
