//! Small programs whose verdict is known, on every engine.

mod atomic;
mod cancel;
mod completion;
mod condvar;
mod idle;
mod makers;
mod raw;
mod sections;
mod wakeups;
mod weak;
mod works;

use std::ops::ControlFlow;

use selvedge_core::sync::{
    Atomic, Ghost, Kref, ModuleRef, Mutex, RwSem, Srcu, Tracked, UnfairRwSem, WaitQueue,
};
use selvedge_core::{
    Checker, Classification, Engine, Expectation, Fingerprint, Incomplete, Progress, Scenario,
    Search, Verdict, ViolationKind,
};

/// Checks that every engine agrees with the claim, and that every counterexample replays to itself.
fn check(scenario: &Scenario) {
    for engine in Engine::ALL {
        let report = scenario.verify(*engine);
        assert!(report.as_expected(), "{engine}: {:#?}", report.verdict);
        let found = match report.verdict {
            Verdict::Refuted(found) => found,
            Verdict::Proved(fingerprint) if *engine == Engine::Shuttle => {
                assert_eq!(fingerprint, traces(scenario), "{engine}");
                continue;
            }
            _ => continue,
        };
        for found in found {
            let again = scenario.replay(&found.schedule);
            let again = again
                .unwrap_or_else(|e| panic!("{engine} {}: {e}\n{:#?}", found.schedule, found.trace));
            assert!(again.contains(&found), "{engine}: {again:#?} without {found:#?}");
        }
    }
}

/// Returns the number of traces that the native engine finds, and their digest.
fn traces(scenario: &Scenario) -> Fingerprint {
    Checker::native().search(Search::Dpor).run(scenario).fingerprint
}

/// loom would need more than its limit of executions.
fn slow_on_loom(scenario: Scenario) -> Scenario {
    scenario.on(Engine::Loom, Expectation::Inconclusive).loom_executions_max(2_000)
}

fn deadlock<const N: usize>(classes: [&str; N]) -> [ViolationKind; 1] {
    [ViolationKind::deadlock(classes)]
}

#[test]
fn abba() {
    let scenario = Scenario::builder("abba", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |(a, b)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations(deadlock(["A", "B"]));
    check(&scenario);
    let report = scenario.verify(Engine::Native);
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
    let Verdict::Refuted(found) = report.verdict else { unreachable!() };
    assert_eq!(found[0].schedule.len(), 2);
    assert_eq!(found[0].violation.waits.len(), 2);
}

#[test]
fn abba_under_a_gate_is_predicted_and_infeasible() {
    let world = || (Mutex::new("gate", ()), Mutex::new("A", ()), Mutex::new("B", ()));
    let scenario = Scenario::builder("gate", world)
        .thread("ab", |(gate, a, b)| {
            let _gate = gate.lock();
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |(gate, a, b)| {
            let _gate = gate.lock();
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_proof()
        .expect_inversion(["A", "B"]);
    check(&scenario);
    let report = scenario.verify(Engine::Native);
    assert_eq!(report.predictions[0].classification, Classification::Infeasible);
}

#[test]
fn a_trylock_that_fails_is_explored() {
    // loom's own try_lock misses this one: its unlock is not a branch point.
    let scenario = Scenario::builder("trylock", || (Mutex::new("A", ()), Ghost::new("failed", 0)))
        .thread("try", |(a, failed)| {
            if a.try_lock().is_none() {
                failed.update(|n| *n += 1);
            }
        })
        .thread("lock", |(a, _)| drop(a.lock()))
        .finally(|(_, failed)| {
            failed.check("never-busy", |n| if *n == 0 { Ok(()) } else { Err("busy".into()) });
        })
        .expect_violations([ViolationKind::invariant("never-busy")]);
    check(&scenario);
}

#[test]
fn a_trylock_back_off_does_not_deadlock() {
    let scenario = Scenario::builder("back-off", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = a.lock();
            drop(b.try_lock());
        })
        .thread("ba", |(a, b)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_signal_ends_the_wait() {
    let scenario =
        Scenario::builder("signal", || (Mutex::new("A", 0), Ghost::new("interrupted", 0)))
            .thread("T1", |(a, interrupted)| match a.lock_interruptible() {
                Ok(mut a) => *a += 1,
                Err(_) => interrupted.update(|n| *n += 1),
            })
            .thread("T2", |(a, _)| *a.lock() += 1)
            .finally(|(a, interrupted)| {
                let sum = *a.lock();
                interrupted.check("sum", |n| {
                    if n + sum == 2 { Ok(()) } else { Err(format!("{n} + {sum}")) }
                });
                interrupted.check("never", |n| if *n == 0 { Ok(()) } else { Err("signal".into()) });
            })
            .expect_violations([ViolationKind::invariant("never")]);
    check(&scenario);
}

#[test]
fn a_deadlock_that_only_a_signal_could_end_is_one() {
    let scenario = Scenario::builder("stuck", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = a.lock();
            let _b = b.lock_interruptible();
        })
        .thread("ba", |(a, b)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations(deadlock(["A", "B"]));
    check(&scenario);
}

#[test]
fn recursion_deadlocks_with_itself() {
    let scenario = Scenario::builder("aa", || Mutex::new("A", ()))
        .thread("T", |a| {
            let _first = a.lock();
            let _second = a.lock();
        })
        .expect_violations(deadlock(["A"]));
    check(&scenario);
}

#[test]
fn a_reader_behind_a_waiting_writer_deadlocks() {
    // Neither loom's nor shuttle's own RwLock has this one.
    let scenario = Scenario::builder("rwsem", || RwSem::new("S", ()))
        .thread("reader", |s| {
            let _outer = s.down_read();
            let _inner = s.down_read();
        })
        .thread("writer", |s| drop(s.down_write()))
        .expect_violations(deadlock(["S"]));
    check(&scenario);
}

#[test]
fn readers_alone_do_not_wait() {
    let scenario = Scenario::builder("readers", || RwSem::new("S", 7))
        .thread("T1", |s| assert_eq!(*s.down_read(), 7))
        .thread("T2", |s| assert_eq!(*s.down_read(), 7))
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_waiter_that_checks_again_is_woken() {
    let scenario = Scenario::builder("wait", || (Mutex::new("M", true), WaitQueue::new("busy")))
        .thread("waiter", |(m, busy)| {
            busy.wait_event(|| !*m.lock());
            assert!(!*m.lock());
        })
        .thread("waker", |(m, busy)| {
            *m.lock() = false;
            busy.wake_up_all();
        })
        .expect_proof();
    // On loom and on shuttle each thread wakes spuriously at most once, so they prove nothing.
    let scenario = scenario.on(Engine::Loom, Expectation::Inconclusive);
    check(&scenario.on(Engine::Shuttle, Expectation::Inconclusive));
}

#[test]
fn a_waiter_that_does_not_check_again_is_found() {
    let scenario =
        Scenario::builder("spurious", || (Atomic::new("done", 0), WaitQueue::new("wait")))
            .thread("waiter", |(done, wait)| {
                wait.prepare_to_wait();
                if done.load() == 0 {
                    wait.schedule();
                }
                wait.finish_wait();
                assert_eq!(done.load(), 1, "woken too early");
            })
            .thread("waker", |(done, wait)| {
                done.store(1);
                wait.wake_up();
            })
            .expect_violations([ViolationKind::Panic(
                "assertion `left == right` failed: woken too early\n  left: 0\n right: 1".into(),
            )]);
    check(&scenario);
}

#[test]
fn a_wake_up_before_the_sleep_is_lost() {
    let scenario = Scenario::builder("lost", || (Atomic::new("done", 0), WaitQueue::new("wait")))
        .thread("waiter", |(done, wait)| {
            if done.load() == 0 {
                wait.prepare_to_wait();
                wait.schedule();
                wait.finish_wait();
            }
        })
        .thread("waker", |(done, wait)| {
            done.store(1);
            wait.wake_up();
        })
        .expect_violations(deadlock(["wait"]));
    check(&scenario);
}

#[test]
fn a_cycle_over_a_flag_names_the_flag() {
    // A small version of the kvm_busy scheme: a flag stands in for a lock and hides the cycle.
    let world = || (Mutex::new("M", true), WaitQueue::new("busy"), Mutex::new("K", ()));
    let scenario = Scenario::builder("flag", world)
        .thread("setter", |(m, busy, k)| {
            busy.promise();
            let _k = k.lock();
            *m.lock() = false;
            busy.fulfil();
            busy.wake_up_all();
        })
        .thread("waiter", |(m, busy, k)| {
            let _k = k.lock();
            busy.wait_event(|| !*m.lock());
        })
        .expect_violations(deadlock(["K", "busy"]))
        .expect_inversion(["K", "M", "busy"]);
    let report = scenario.verify(Engine::Native);
    let Verdict::Refuted(found) = &report.verdict else { panic!("{:#?}", report.verdict) };
    assert_eq!(found[0].violation.kind, ViolationKind::deadlock(["K", "busy"]));
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
}

#[test]
fn a_raw_unlock_by_another_thread_is_named() {
    let scenario = Scenario::builder("owner", || Mutex::new("M", ()))
        .thread("T1", |m| m.raw_lock())
        .thread("T2", |m| m.raw_unlock())
        .expect_violations([ViolationKind::NotOwner("M".into())]);
    check(&scenario);
}

#[test]
fn a_lock_that_is_kept_is_leaked() {
    let scenario = Scenario::builder("kept", || Mutex::new("M", ()))
        .thread("T", |m| m.raw_lock())
        .expect_violations([ViolationKind::Leak("M".into())]);
    check(&scenario);
}

#[test]
fn an_access_after_the_release_is_named() {
    let scenario = Scenario::builder("uaf", || Tracked::new("mdev", ()))
        .thread("user", |mdev| {
            mdev.get();
        })
        .thread("remover", |mdev| mdev.release())
        .expect_violations([ViolationKind::use_after_release("mdev")]);
    check(&scenario);
}

#[test]
fn a_second_release_is_a_violation() {
    let scenario = Scenario::builder("double", || Tracked::new("mdev", ()))
        .thread("T1", |mdev| mdev.release())
        .thread("T2", |mdev| mdev.release())
        .expect_violations([ViolationKind::DoubleRelease("mdev".into())]);
    check(&scenario);
}

/// A thread that creates an object observes its number, which depends on earlier creations. Two
/// such threads are deterministic nevertheless.
#[test]
fn threads_create_objects_of_their_own() {
    let own = |go: &Atomic| {
        let own = Mutex::new("own", 0);
        go.store(1);
        let late = Atomic::new("late", 0);
        *own.lock() += late.fetch_add(1);
    };
    let scenario = Scenario::builder("test/own-objects", || Atomic::new("go", 0))
        .thread("T1", own)
        .thread("T2", own)
        .thread("T3", own)
        .expect_proof();
    for search in Search::ALL {
        let report = Checker::native().search(*search).run(&scenario);
        assert!(report.as_expected(), "{search:?}: {report}");
    }
}

#[test]
fn an_object_that_is_never_released_is_leaked() {
    let scenario = Scenario::builder("leak", || Tracked::new("mdev", ()))
        .thread("T", |mdev| {
            mdev.get();
        })
        .expect_violations([ViolationKind::Leak("mdev".into())]);
    check(&scenario);
}

#[test]
fn the_last_put_releases_once() {
    let scenario = Scenario::builder("kref", || (Kref::new("count"), Tracked::new("kvm", ())))
        .thread("T1", |(count, kvm)| {
            if count.get_unless_zero() {
                kvm.get();
                if count.put() {
                    kvm.release();
                }
            }
        })
        .thread("T2", |(count, kvm)| {
            kvm.get();
            if count.put() {
                kvm.release();
            }
        })
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_get_without_a_reference_may_come_too_late() {
    let scenario = Scenario::builder("kref-get", || Kref::new("count"))
        .thread("T1", |count| {
            count.get();
            let _ = count.put();
        })
        .thread("T2", |count| {
            let _ = count.put();
        })
        .expect_violations([ViolationKind::use_after_release("count")]);
    check(&scenario);
}

#[test]
fn a_module_reference_keeps_the_text() {
    let scenario = Scenario::builder("module", || ModuleRef::new("vfio_ap"))
        .thread("caller", |module| {
            module.call();
        })
        .thread("rmmod", |module| {
            if module.delete().is_ok() {
                module.free();
            }
        })
        .expect_violations([ViolationKind::use_after_release("vfio_ap")]);
    check(&scenario);
}

#[test]
fn atomics_lose_updates_that_are_not_atomic() {
    let scenario = Scenario::builder("atomic", || Atomic::new("x", 0))
        .thread("T1", |x| x.store(x.load() + 1))
        .thread("T2", |x| {
            x.fetch_add(1);
        })
        .finally(|x| assert_eq!(x.load(), 2, "lost"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: lost\n  left: 1\n right: 2".into(),
        )]);
    check(&scenario);
}

#[test]
fn a_joined_thread_has_ended() {
    let scenario = Scenario::builder("join", || std::sync::Arc::new(Atomic::new("x", 0)))
        .thread("parent", |x| {
            let shared = std::sync::Arc::clone(x);
            let child = selvedge_core::thread::spawn("child", move || shared.fetch_add(1));
            assert_eq!(child.join(), 0);
            assert_eq!(x.load(), 1);
        })
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_thread_that_joins_its_lock_waits_for_ever() {
    let world = || std::sync::Arc::new(Mutex::new("M", ()));
    let scenario = Scenario::builder("join-deadlock", world)
        .thread("parent", |m| {
            let _m = m.lock();
            let shared = std::sync::Arc::clone(m);
            selvedge_core::thread::spawn("child", move || drop(shared.lock())).join();
        })
        .expect_violations(deadlock(["M", "child"]));
    check(&scenario);
}

#[test]
fn a_scenario_that_depends_on_outside_state_is_refused() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let scenario = Scenario::builder("outside", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("T1", |(a, b)| {
            let lock = if RUNS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { a } else { b };
            drop(lock.lock());
        })
        .thread("T2", |(a, _)| drop(a.lock()))
        .expect_proof();
    for engine in [Engine::Native, Engine::Shuttle] {
        let Verdict::Inconclusive { reason } = scenario.verify(engine).verdict else {
            panic!("accepted");
        };
        assert!(reason.to_string().contains("uncontrolled nondeterminism"), "{engine}: {reason}");
    }
}

#[test]
fn a_program_that_never_ends_is_inconclusive() {
    let scenario = Scenario::builder("endless", || Atomic::new("x", 0))
        .thread("T", |x| {
            loop {
                x.fetch_add(1);
            }
        })
        .expect_proof();
    let Verdict::Inconclusive { reason } = scenario.verify(Engine::Native).verdict else {
        panic!("it ended");
    };
    assert_eq!(reason, Incomplete::Operations { limit: 10_000 });
    // shuttle's own schedulers try too, and give up.
    let Verdict::Inconclusive { reason } = scenario.verify(Engine::Shuttle).verdict else {
        panic!("it ended");
    };
    assert!(reason.to_string().starts_with("shuttle gave up: exceeded max_steps"), "{reason}");
}

/// Two threads that take a mutex twice each: six orders.
fn six_traces() -> Scenario {
    let twice = |m: &Mutex| {
        drop(m.lock());
        drop(m.lock());
    };
    let scenario = Scenario::builder("six", || Mutex::new("M", ()));
    scenario.thread("T1", twice).thread("T2", twice).expect_proof()
}

#[test]
fn shuttle_proves_with_as_many_executions_as_it_takes() {
    let report = Checker::shuttle().executions(6).run(&six_traces());
    assert!(report.as_expected() && report.complete, "{report}");
    assert_eq!((report.executions, report.fingerprint.traces), (6, Some(6)));
}

#[test]
fn shuttle_hunts_where_it_cannot_prove() {
    let report = Checker::shuttle().executions(4).run(&six_traces());
    let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
    assert_eq!(*reason, Incomplete::Executions { limit: 4 });
    assert_eq!((report.executions, report.fingerprint), (8, Fingerprint::default()));
}

#[test]
fn the_listener_stops_shuttle() {
    let twice = |m: &Mutex| (0..5).for_each(|_| drop(m.lock()));
    let scenario = Scenario::builder("many", || Mutex::new("M", ()));
    let scenario = ["T1", "T2", "T3"].iter().fold(scenario, |s, name| s.thread(name, twice));
    let mut heard = Vec::new();
    let stop = |progress: &Progress<'_>| {
        heard.push((progress.executions, progress.depth.is_some()));
        ControlFlow::Break("enough".to_owned())
    };
    let report = Checker::shuttle().on_progress(stop).run(&scenario.expect_proof());
    assert_eq!(report.stopped, Some(Incomplete::Stopped("enough".to_owned())));
    assert_eq!(heard, [(256, true)]);
}

/// Two threads that start threads: the numbers depend on which is first.
#[test]
fn threads_that_start_threads_are_distinguished() {
    use std::sync::Arc;
    let world = || (Arc::new(Atomic::new("x", 0)), Arc::new(Atomic::new("y", 0)));
    let scenario = Scenario::builder("spawn", world)
        .thread("A", |(x, y)| {
            x.store(1);
            let (first, second) = (Arc::clone(y), Arc::clone(y));
            selvedge_core::thread::spawn("a1", move || {
                first.store(2);
                first.load();
            });
            selvedge_core::thread::spawn("a2", move || {
                second.fetch_add(1);
                second.fetch_add(1);
            });
        })
        .thread("B", |(x, y)| {
            y.store(1);
            let x = Arc::clone(x);
            selvedge_core::thread::spawn("b1", move || {
                x.fetch_add(1);
                x.fetch_add(1);
            });
        })
        .finally(|(x, _)| {
            if x.load() == 1 {
                selvedge_core::invariant_broken("NOT-ONE", "x is 1");
            }
        })
        // Five threads and main are one too many for loom.
        .expect_violations([ViolationKind::invariant("NOT-ONE")]);
    for search in Search::ALL {
        let report = Checker::native().search(*search).run(&scenario);
        assert!(report.as_expected(), "{search:?}: {report}");
    }
}

#[test]
fn every_cycle_of_a_stuck_state_is_reported() {
    let world = || ["A", "C", "D"].map(|name| Mutex::new(name, ()));
    let scenario = Scenario::builder("cycles", world)
        .thread("aa", |[a, ..]| {
            let _first = a.lock();
            let _second = a.lock();
        })
        .thread("cd", |[_, c, d]| {
            let _c = c.lock();
            let _d = d.lock();
        })
        .thread("dc", |[_, c, d]| {
            let _d = d.lock();
            let _c = c.lock();
        })
        .expect_violations([ViolationKind::deadlock(["A"]), ViolationKind::deadlock(["C", "D"])]);
    check(&scenario);
    for prediction in scenario.verify(Engine::Native).predictions {
        assert!(matches!(prediction.classification, Classification::Feasible(_)), "{prediction:?}");
    }
}

#[test]
fn an_inversion_that_a_violation_may_hide_stays_open() {
    let world = || ["A", "C", "D"].map(|name| Mutex::new(name, ()));
    let scenario = Scenario::builder("hidden", world)
        .thread("panics", |[a, ..]| {
            drop(a.lock());
            panic!("on the way");
        })
        .thread("cd", |[_, c, d]| {
            let _c = c.lock();
            let _d = d.lock();
        })
        .thread("dc", |[_, c, d]| {
            let _d = d.lock();
            let _c = c.lock();
        })
        .expect_violations([ViolationKind::Panic("on the way".into())]);
    for prediction in scenario.verify(Engine::Native).predictions {
        assert_ne!(prediction.classification, Classification::Infeasible, "{prediction:?}");
    }
}

#[test]
fn a_world_without_threads_is_checked_too() {
    let scenario = Scenario::builder("no threads", || Tracked::new("mdev", ()))
        .expect_violations([ViolationKind::Leak("mdev".into())]);
    check(&scenario);
}

#[test]
fn a_panic_in_the_set_up_is_a_violation() {
    let scenario = Scenario::builder("no-world", || panic!("no memory"))
        .thread("T", |(): &()| {})
        .expect_violations([ViolationKind::Panic("no memory".into())]);
    check(&scenario);
}

#[test]
fn a_limit_of_an_engine_is_not_a_violation() {
    let scenario = (0..3).fold(Scenario::builder("many", || ()), |scenario, i| {
        scenario.thread(format!("T{i}"), |()| {
            selvedge_core::thread::spawn("child", || ());
        })
    });
    let report = scenario.expect_proof().verify(Engine::Loom);
    assert!(matches!(report.verdict, Verdict::Inconclusive { .. }), "{report}");
}

#[test]
fn a_signal_does_not_interrupt_a_thread_that_need_not_wait() {
    let scenario = Scenario::builder("uncontended", || Mutex::new("M", ()))
        .thread("T", |m| drop(m.lock_interruptible().expect("no other thread is there")))
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_destructor_with_an_operation_does_not_abort_the_process() {
    struct Held<'a>(&'a Mutex);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.raw_unlock();
        }
    }
    fn hold(mutex: &Mutex) -> Held<'_> {
        mutex.raw_lock();
        Held(mutex)
    }
    let scenario = Scenario::builder("raii", || (Mutex::new("A", ()), Mutex::new("B", ())))
        .thread("ab", |(a, b)| {
            let _a = hold(a);
            let _b = hold(b);
        })
        .thread("ba", |(a, b)| {
            let _b = hold(b);
            let _a = hold(a);
        })
        .expect_violations(deadlock(["A", "B"]));
    check(&scenario);
}

/// With `--cfg loom` an object created here would be loom's, which refuses by itself.
#[cfg(not(loom))]
#[test]
fn an_object_from_outside_the_world_is_refused() {
    let outside = std::sync::Arc::new(Mutex::new("M", ()));
    let scenario = Scenario::builder("outside", || ())
        .thread("T1", {
            let outside = std::sync::Arc::clone(&outside);
            move |()| drop(outside.lock())
        })
        .thread("T2", move |()| drop(outside.lock()))
        .expect_proof();
    let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else {
        panic!("accepted");
    };
    assert!(found[0].violation.reason.to_string().contains("made in the scenario's world"));
}

#[test]
fn a_limit_makes_a_refutation_incomplete() {
    let scenario = Scenario::builder("limit", || Mutex::new("A", ()))
        .thread("T1", |a| a.raw_lock())
        .thread("T2", |a| drop(a.lock()))
        .expect_violations([ViolationKind::Leak("A".into()), ViolationKind::deadlock(["A"])]);
    let report = Checker::native().executions(1).run(&scenario);
    assert!(!report.complete && !report.as_expected(), "{report}");
}

/// Checks that sleep sets alone, which overlook no race, find the same traces.
fn same_traces(scenario: &Scenario) {
    let reference = Checker::native().search(Search::SleepSets).run(scenario).fingerprint;
    assert_eq!(traces(scenario), reference, "{}", scenario.name());
}

/// A reader that returns while a writer waits: fatal if the writer goes first.
#[test]
fn reading_twice_deadlocks_unless_readers_are_favoured() {
    let fair = Scenario::builder("fair", || RwSem::new("sem", ()))
        .thread("twice", |sem| {
            let _first = sem.down_read();
            let _second = sem.down_read();
        })
        .thread("write", |sem| drop(sem.down_write()))
        .expect_violations(deadlock(["sem"]));
    check(&fair);
    let unfair = Scenario::builder("unfair", || UnfairRwSem::new("sem", ()))
        .thread("twice", |sem| {
            let _first = sem.down_read();
            let _second = sem.down_read();
        })
        .thread("write", |sem| drop(sem.down_write()))
        .expect_proof();
    check(&unfair);
    same_traces(&unfair);
}

#[test]
fn an_unfair_rwsem_still_excludes() {
    let world = || (UnfairRwSem::new("sem", 0_u32), Ghost::new("inside", 0_i32));
    let alone = |inside: &i32| if *inside == 0 { Ok(()) } else { Err("not alone".into()) };
    let write = move |(sem, inside): &(UnfairRwSem<u32>, Ghost<i32>)| {
        let mut held = sem.down_write();
        inside.check("alone", alone);
        *held += 1;
        held.up_write();
    };
    let read = |(sem, inside): &(UnfairRwSem<u32>, Ghost<i32>)| {
        let held = sem.down_read();
        inside.update(|readers| *readers += 1);
        inside.update(|readers| *readers -= 1);
        held.up_read();
    };
    let scenario = Scenario::builder("excludes", world)
        .thread("W1", write)
        .thread("W2", write)
        .thread("R", read)
        .finally(|(sem, _)| assert_eq!(*sem.down_read(), 2))
        .expect_proof();
    check(&scenario);
    same_traces(&scenario);
    let readers = Scenario::builder("readers", world)
        .thread("R1", read)
        .thread("R2", read)
        .thread("W", write)
        .expect_proof();
    check(&readers);
    same_traces(&readers);
}

/// The order of two locks depends on whether readers pass a writer.
#[test]
fn an_unfair_rwsem_deadlocks_where_a_writer_holds_it() {
    let world = || (UnfairRwSem::new("sem", ()), Mutex::new("A", ()));
    let scenario = |writes: bool| {
        Scenario::builder("abba", world)
            .thread("sem, A", move |(sem, a)| {
                let _held = match writes {
                    true => (Some(sem.down_write()), None),
                    false => (None, Some(sem.down_read())),
                };
                drop(a.lock());
            })
            .thread("A, sem", |(sem, a)| {
                let _a = a.lock();
                drop(sem.down_read());
            })
            .thread("W", |(sem, _)| drop(sem.down_write()))
    };
    let refuted = scenario(true).expect_violations(deadlock(["A", "sem"]));
    check(&refuted);
    same_traces(&refuted);
    let proved = scenario(false).expect_proof();
    check(&proved);
    same_traces(&proved);
}

#[test]
fn synchronize_srcu_waits_for_the_readers_that_have_begun() {
    let world = || (Srcu::new("srcu"), Atomic::new("pointer", 0), Tracked::new("old", ()));
    let read = |(srcu, pointer, old): &(Srcu, Atomic, Tracked)| {
        let reader = srcu.read_lock();
        if pointer.load() == 0 {
            old.get();
        }
        reader.unlock();
    };
    let scenario = |waits: bool| {
        Scenario::builder("srcu", world).thread("R1", read).thread("R2", read).thread(
            "update",
            move |(srcu, pointer, old)| {
                pointer.store(1);
                if waits {
                    srcu.synchronize();
                }
                old.release();
            },
        )
    };
    let proved = scenario(true).expect_proof();
    check(&proved);
    same_traces(&proved);
    let refuted = scenario(false).expect_violations([ViolationKind::use_after_release("old")]);
    check(&refuted);
    let two = Scenario::builder("two", world)
        .thread("R", read)
        .thread("S1", |(srcu, ..)| srcu.synchronize())
        .thread("S2", |(srcu, pointer, old)| {
            pointer.store(1);
            srcu.synchronize();
            old.release();
        })
        .expect_proof();
    check(&two);
    same_traces(&two);
}

#[test]
fn synchronize_srcu_deadlocks_with_a_reader_that_wants_its_lock() {
    let world = || (Srcu::new("srcu"), Mutex::new("A", ()));
    let scenario = Scenario::builder("srcu", world)
        .thread("R", |(srcu, a)| {
            let _reader = srcu.read_lock();
            drop(a.lock());
        })
        .thread("S", |(srcu, a)| {
            let _a = a.lock();
            srcu.synchronize();
        })
        .expect_violations(deadlock(["A", "srcu"]));
    check(&scenario);
    same_traces(&scenario);
    // A section inside of a section belongs to the same reader, and waits for no thread.
    let nested = Scenario::builder("nested", world)
        .thread("R", |(srcu, _)| {
            let outer = srcu.read_lock();
            srcu.read_lock().unlock();
            outer.unlock();
        })
        .thread("S", |(srcu, _)| srcu.synchronize())
        .expect_proof();
    check(&nested);
    same_traces(&nested);
}
