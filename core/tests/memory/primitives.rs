//! Words beside the other primitives, which carry views from thread to thread.

use std::sync::Arc;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

use selvedge_core::sync::{
    Atomic, Completion, Mutex, Plain, RwSem, SpinLock, WaitQueue, WeakAtomic, smp_load_acquire,
    smp_mb, smp_rmb, smp_store_release, smp_wmb,
};
use selvedge_core::{
    Checker, Engine, Scenario, ScenarioBuilder, Search, Verdict, ViolationKind, poll, thread,
};

const SEARCHES: [Search; 4] = [Search::Auto, Search::Full, Search::Dpor, Search::SleepSets];

fn expect(scenario: Scenario, searches: &[Search]) {
    for search in searches {
        let report = Checker::new(Engine::Native).search(*search).run(&scenario);
        assert!(report.as_expected(), "{search:?}: {report}");
        for found in report.verdict.counterexamples() {
            let again = scenario.replay(&found.schedule).unwrap();
            assert!(again.contains(found), "{again:#?} without {found:#?}");
        }
    }
}

fn stale() -> ViolationKind {
    ViolationKind::Panic("stale".into())
}

/// A message that another object announces: `send` announces it, `receive` says whether it is.
fn announced<S: Send + Sync + 'static>(
    state: fn() -> S,
    send: fn(&S),
    receive: fn(&S) -> bool,
) -> ScenarioBuilder<(WeakAtomic, S)> {
    Scenario::builder("announced", move || (WeakAtomic::new("x", 0), state()))
        .thread("send", move |(x, state)| {
            x.store(1, Relaxed);
            send(state);
        })
        .thread("receive", move |(x, state)| {
            if receive(state) {
                assert!(x.load(Relaxed) == 1, "stale");
            }
        })
}

#[test]
fn locks_and_words_order_accesses() {
    let mutex = announced(|| Mutex::new("m", false), |m| *m.lock() = true, |m| *m.lock());
    expect(mutex.expect_proof(), &SEARCHES);
    let spinlock = announced(
        || SpinLock::new("s", false),
        |s| *s.spin_lock_irqsave() = true,
        |s| *s.spin_lock_irqsave(),
    );
    expect(spinlock.expect_proof(), &SEARCHES);
    let semaphore =
        announced(|| RwSem::new("r", false), |r| *r.down_write() = true, |r| *r.down_read());
    expect(semaphore.expect_proof(), &SEARCHES);
    let atomic = announced(|| Atomic::new("a", false), |a| a.store(true), |a| a.load());
    expect(atomic.expect_proof(), &SEARCHES);
    let completion = announced(
        || Completion::new("c"),
        |c| c.complete(),
        |c| {
            c.wait_for_completion();
            true
        },
    );
    expect(completion.expect_proof(), &SEARCHES);
}

/// Readers do not order each other, nor do two locks.
#[test]
fn what_does_not_synchronise_orders_nothing() {
    let world = || (WeakAtomic::new("x", 0), WeakAtomic::new("y", 0), RwSem::new("r", ()));
    let readers = Scenario::builder("readers", world)
        .thread("send", |(x, y, r)| {
            let _r = r.down_read();
            x.store(1, Relaxed);
            y.store(1, Relaxed);
        })
        .thread("receive", |(x, y, r)| {
            let _r = r.down_read();
            if y.load(Relaxed) == 1 {
                assert!(x.load(Relaxed) == 1, "stale");
            }
        });
    expect(readers.expect_violations([stale()]), &SEARCHES);
    let world = || {
        (WeakAtomic::new("x", 0), WeakAtomic::new("y", 0), ["m", "n"].map(|n| Mutex::new(n, ())))
    };
    let locks = Scenario::builder("locks", world)
        .thread("send", |(x, y, [m, _])| {
            let _m = m.lock();
            x.store(1, Relaxed);
            y.store(1, Relaxed);
        })
        .thread("receive", |(x, y, [_, n])| {
            let _n = n.lock();
            if y.load(Relaxed) == 1 {
                assert!(x.load(Relaxed) == 1, "stale");
            }
        });
    expect(locks.expect_violations([stale()]), &SEARCHES);
}

#[test]
fn starts_and_joins_order_accesses() {
    let world = || (Arc::new(WeakAtomic::new("x", 0)), Arc::new(WeakAtomic::new("y", 0)));
    let scenario = Scenario::builder("spawn", world)
        .thread("parent", |(x, y)| {
            x.store(1, Relaxed);
            let (child_x, child_y) = (Arc::clone(x), Arc::clone(y));
            let child = thread::spawn("child", move || {
                assert!(child_x.load(Relaxed) == 1, "stale");
                child_y.store(1, Relaxed);
            });
            child.join();
            assert!(y.load(Relaxed) == 1, "stale");
        })
        .thread("other", |(x, _)| assert!(x.load(Relaxed) < 2));
    expect(scenario.expect_proof(), &SEARCHES);
}

/// A plain variable that a word announces.
fn published(store: Ordering, load: Ordering) -> ScenarioBuilder<(WeakAtomic, Plain<u64>)> {
    Scenario::builder("published", || (WeakAtomic::new("ready", 0), Plain::new("data", 0)))
        .thread("send", move |(ready, data)| {
            data.write(1);
            ready.store(1, store);
        })
        .thread("receive", move |(ready, data)| {
            if ready.load(load) == 1 {
                assert_eq!(data.read(), 1);
            }
        })
}

#[test]
fn a_relaxed_publication_is_a_data_race() {
    expect(published(Release, Acquire).expect_proof(), &SEARCHES);
    for (store, load) in [(Relaxed, Acquire), (Release, Relaxed), (Relaxed, Relaxed)] {
        let race = published(store, load).expect_violations([ViolationKind::data_race("data")]);
        let report = race.verify(Engine::Native);
        let reason = &report.verdict.counterexamples()[0].violation.reason;
        assert!(reason.contains("receive: read(data)"), "{reason}");
        assert!(reason.contains("nothing orders it after send: write(data)"), "{reason}");
        expect(race, &SEARCHES);
    }
    expect(published(SeqCst, SeqCst).expect_proof(), &SEARCHES);
    // A marked access does not race with another one.
    let marked = Scenario::builder("marked", || (WeakAtomic::new("ready", 0), Plain::new("d", 0)))
        .thread("send", |(ready, data)| {
            data.write_once(1);
            ready.store(1, Relaxed);
        })
        .thread("receive", |(ready, data)| {
            if ready.load(Relaxed) == 1 {
                _ = data.read_once();
            }
        });
    expect(marked.expect_proof(), &SEARCHES);
}

/// Two readers, of which the writer waits for one alone.
#[test]
fn a_write_comes_after_every_read() {
    let scenario = |awaited: u64| {
        let world = || (WeakAtomic::new("done", 0), Plain::new("data", 0));
        let reads = |(done, data): &(WeakAtomic, Plain<u64>)| {
            _ = data.read();
            done.fetch_add(1, AcqRel);
        };
        Scenario::builder("readers", world).thread("R1", reads).thread("R2", reads).thread(
            "W",
            move |(done, data)| {
                if done.load(Acquire) == awaited {
                    data.write(1);
                }
            },
        )
    };
    expect(scenario(2).expect_proof(), &SEARCHES);
    expect(scenario(1).expect_violations([ViolationKind::data_race("data")]), &SEARCHES);
}

#[test]
fn kernel_barriers_are_fences() {
    let scenario = |barriers: bool| {
        let world = || (WeakAtomic::new("x", 0), WeakAtomic::new("y", 0));
        Scenario::builder("MP", world)
            .thread("send", move |(x, y)| {
                x.store(1, Relaxed);
                if barriers {
                    smp_wmb();
                }
                y.store(1, Relaxed);
            })
            .thread("receive", move |(x, y)| {
                let sent = y.load(Relaxed) == 1;
                if barriers {
                    smp_rmb();
                }
                let message = x.load(Relaxed);
                assert!(!sent || message == 1, "stale");
            })
    };
    expect(scenario(true).expect_proof(), &SEARCHES);
    expect(scenario(false).expect_violations([stale()]), &SEARCHES);
    let world = || (WeakAtomic::new("x", 0), WeakAtomic::new("y", 0));
    let ordered = Scenario::builder("MP", world)
        .thread("send", |(x, y)| {
            x.store(1, Relaxed);
            smp_store_release(y, 1);
        })
        .thread("receive", |(x, y)| {
            if smp_load_acquire(y) == 1 {
                assert!(x.load(Relaxed) == 1, "stale");
            }
        });
    expect(ordered.expect_proof(), &SEARCHES);
}

/// A thread that spins has finitely many states, with barriers in its loop too.
#[test]
fn spinning_on_a_word_ends() {
    for barrier in [false, true] {
        let world = || (WeakAtomic::new("flag", 0), WeakAtomic::new("x", 0));
        let scenario = |set: bool| {
            Scenario::builder("spin", world)
                .thread("set", move |(flag, x)| {
                    x.store(1, Relaxed);
                    smp_mb();
                    if set {
                        flag.store(1, Relaxed);
                    }
                })
                .thread("spin", move |(flag, x)| {
                    poll("flag", || {
                        if barrier {
                            smp_mb();
                        }
                        (flag.load(Relaxed) == 1).then_some(())
                    });
                    smp_mb();
                    assert!(x.load(Relaxed) == 1, "stale");
                })
        };
        expect(scenario(true).expect_proof(), &[Search::Auto, Search::Full]);
        let report = scenario(false).expect_proof().verify(Engine::Native);
        let found = report.verdict.counterexamples();
        assert!(matches!(found[0].violation.kind, ViolationKind::Deadlock(_)), "{report}");
    }
}

/// Values are those of one order of all changes, also with the operations that few words need.
#[test]
fn every_change_is_one_step() {
    let scenario = Scenario::builder("changes", || WeakAtomic::new("x", 12))
        .thread("T1", |x| {
            x.fetch_sub(2, Relaxed);
            x.fetch_or(1, Relaxed);
        })
        .thread("T2", |x| {
            x.fetch_xor(16, Relaxed);
        })
        .finally(|x| assert_eq!(x.load(Relaxed), 27));
    expect(scenario.expect_proof(), &SEARCHES);
    let scenario = Scenario::builder("changes", || WeakAtomic::new("x", 12))
        .thread("T1", |x| {
            assert_eq!(x.fetch_and(6, Relaxed), 12);
            assert_eq!(x.fetch_max(9, Relaxed), 4);
            assert_eq!(x.fetch_min(3, Relaxed), 9);
            assert_eq!(x.compare_exchange(4, 5, AcqRel, Acquire), Err(3));
            assert_eq!(x.compare_exchange(3, 5, AcqRel, Relaxed), Ok(3));
        })
        .finally(|x| assert_eq!(x.load(Relaxed), 5))
        .expect_proof();
    for engine in [Engine::Native, Engine::Loom] {
        let report = scenario.verify(engine);
        assert!(report.as_expected(), "{report}");
    }
    let report = scenario.verify(Engine::Shuttle);
    assert!(matches!(report.verdict, Verdict::Inconclusive { .. }), "{report}");
}

/// A barrier after the look at a flag, or before the sleep, is missing: the sleeper is not woken.
#[test]
fn a_wake_up_is_missed_without_a_barrier() {
    let scenario = |barrier: bool| {
        let world = || (WeakAtomic::new("data", 0), WaitQueue::new("wq"));
        Scenario::builder("wake", world)
            .thread("sleep", |(data, wq)| wq.wait_event(|| data.load(Acquire) == 1))
            .thread("wake", move |(data, wq)| {
                data.store(1, Release);
                if barrier {
                    smp_mb();
                }
                wq.wake_up_all();
            })
    };
    expect(scenario(true).expect_proof(), &[Search::Auto]);
}

/// The assumption of a verdict is printed.
#[test]
fn the_memory_is_a_precondition() {
    let scenario = |order| {
        Scenario::builder("one", || WeakAtomic::new("x", 0))
            .thread("T", move |x| x.store(1, order))
            .expect_proof()
    };
    let given = |order| scenario(order).verify(Engine::Native).preconditions[0];
    assert!(given(Relaxed).contains("RC11"), "{}", given(Relaxed));
    assert_eq!(given(SeqCst), "memory is sequentially consistent");
}

/// A word that only one of the threads makes weak, and only where another has come first.
#[test]
fn an_ordering_that_turns_up_late_starts_the_search_anew() {
    for search in SEARCHES {
        let world = || (WeakAtomic::new("x", 0), WeakAtomic::new("y", 0), Mutex::new("m", 0));
        let scenario = Scenario::builder("late", world)
            .thread("send", |(x, y, m)| {
                let order = if *m.lock() == 1 { Relaxed } else { SeqCst };
                x.store(1, order);
                y.store(1, order);
            })
            .thread("receive", |(x, y, _)| {
                if y.load(SeqCst) == 1 {
                    assert!(x.load(SeqCst) == 1, "stale");
                }
            })
            .thread("late", |(_, _, m)| *m.lock() = 1)
            .expect_violations([stale()]);
        let report = Checker::new(Engine::Native).search(search).run(&scenario);
        assert!(report.as_expected(), "{search:?}: {report}");
    }
}
