//! Words that are ordered as in C11.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use selvedge_core::sync::{Ghost, Mutex, WeakAtomic, smp_mb};
use selvedge_core::{
    Checker, Engine, Expectation, Scenario, ScenarioBuilder, Search, Verdict, ViolationKind,
};

use super::check;

type Words = (WeakAtomic, WeakAtomic, Ghost<u8>);

fn words() -> Words {
    (WeakAtomic::new("x", 0), WeakAtomic::new("y", 0), Ghost::new("zeros", 0))
}

/// Each thread writes one word and reads the other.
fn store_buffering(fences: bool) -> ScenarioBuilder<Words> {
    let thread = move |mine: &WeakAtomic, other: &WeakAtomic, zeros: &Ghost<u8>| {
        mine.store(1, Relaxed);
        if fences {
            smp_mb();
        }
        if other.load(Relaxed) == 0 {
            zeros.update(|zeros| *zeros += 1);
        }
    };
    Scenario::builder("store-buffering", words)
        .thread("x", move |(x, y, zeros)| thread(x, y, zeros))
        .thread("y", move |(x, y, zeros)| thread(y, x, zeros))
        .finally(|(_, _, zeros)| {
            zeros.check("SB", |zeros| match zeros {
                2 => Err("both have read 0".to_owned()),
                _ => Ok(()),
            });
        })
}

/// A message, and the word that announces it.
fn message_passing(release: bool) -> ScenarioBuilder<Words> {
    Scenario::builder("message-passing", words)
        .thread("send", move |(x, y, _)| {
            x.store(1, Relaxed);
            y.store(1, if release { Release } else { Relaxed });
        })
        .thread("receive", |(x, y, ghost)| {
            if y.load(Acquire) == 1 {
                let message = x.load(Relaxed);
                ghost.check("MP", |_| match message {
                    0 => Err("the message is not there".to_owned()),
                    _ => Ok(()),
                });
            }
        })
}

/// Only the receiver has a barrier, so the message may come late, even if the sender ended long
/// ago.
fn half_a_barrier() -> ScenarioBuilder<Words> {
    Scenario::builder("half", words)
        .thread("send", |(x, y, _)| {
            x.store(1, Relaxed);
            y.store(1, Relaxed);
        })
        .thread("receive", |(x, y, ghost)| {
            let sent = y.load(Relaxed) == 1;
            smp_mb();
            let message = x.load(Relaxed);
            let lost = sent && message == 0;
            ghost.check("MP", |_| if lost { Err("not there".to_owned()) } else { Ok(()) });
        })
}

/// Checks that the native engine and loom reach the claim, that a counterexample of the former
/// replays to itself, and that shuttle reports that it is beyond it.
fn beyond_shuttle(scenario: Scenario) {
    for search in [Search::Auto, Search::Full, Search::Dpor] {
        let report = Checker::new(Engine::Native).search(search).run(&scenario);
        assert!(report.as_expected(), "{search:?}: {report}");
        for found in report.verdict.counterexamples() {
            let again = scenario.replay(&found.schedule);
            let again = again.unwrap_or_else(|e| panic!("{}: {e}\n{report}", found.schedule));
            assert!(again.contains(found), "{again:#?} without {found:#?}");
        }
    }
    let scenario = scenario.on(Engine::Shuttle, Expectation::Inconclusive);
    for engine in [Engine::Loom, Engine::Shuttle] {
        let report = scenario.verify(engine);
        assert!(report.as_expected(), "{engine}: {:#?}", report.verdict);
        if let Verdict::Inconclusive { reason } = report.verdict {
            assert!(reason.to_string().contains("weaker than sequential consistency"), "{reason}");
        }
    }
}

#[test]
fn store_buffering_needs_fences() {
    beyond_shuttle(store_buffering(true).expect_proof());
    beyond_shuttle(store_buffering(false).expect_violations([ViolationKind::invariant("SB")]));
}

#[test]
fn a_message_needs_a_release() {
    beyond_shuttle(message_passing(true).expect_proof());
    beyond_shuttle(message_passing(false).expect_violations([ViolationKind::invariant("MP")]));
    beyond_shuttle(half_a_barrier().expect_violations([ViolationKind::invariant("MP")]));
}

#[test]
fn sequentially_consistent_words_are_like_any_other() {
    let claim = |scenario: ScenarioBuilder<WeakAtomic>, sum: u64| {
        let scenario = scenario.finally(move |word| assert_eq!(word.load(SeqCst), sum, "sum"));
        scenario.expect_proof()
    };
    let add = |word: &WeakAtomic| _ = word.fetch_add(1, SeqCst);
    let scenario = Scenario::builder("add", || WeakAtomic::new("x", 0));
    check(&claim(scenario.thread("T1", add).thread("T2", add), 2));
    let swap = |word: &WeakAtomic| _ = word.swap(1, SeqCst);
    let scenario = Scenario::builder("swap", || WeakAtomic::new("x", 0));
    check(&claim(scenario.thread("T1", swap).thread("T2", swap), 1));
}

/// The accesses of all threads precede the final check, also if it looks with no order.
#[test]
fn the_final_check_comes_after_every_thread() {
    for ordering in [SeqCst, Relaxed] {
        let scenario = Scenario::builder("stored", || WeakAtomic::new("x", 0))
            .thread("T1", move |x| x.store(1, ordering))
            .thread("T2", |_| ())
            .finally(move |x| assert_eq!(x.load(ordering), 1))
            .expect_proof();
        for engine in [Engine::Native, Engine::Loom] {
            let report = scenario.verify(engine);
            assert!(report.as_expected(), "{report}");
        }
    }
    let unused = Scenario::builder("no thread", || WeakAtomic::new("x", 1))
        .finally(|x| assert_eq!(x.load(Relaxed), 1))
        .expect_proof();
    assert!(unused.verify(Engine::Loom).as_expected());
}

/// Both write to both words, in opposite orders: "2+2W". Without a barrier, each first store may
/// come last.
fn two_writers(fences: bool) -> ScenarioBuilder<Words> {
    let thread = move |first: &WeakAtomic, second: &WeakAtomic| {
        first.store(1, Relaxed);
        if fences {
            smp_mb();
        }
        second.store(2, Relaxed);
    };
    Scenario::builder("2+2W", words)
        .thread("xy", move |(x, y, _)| thread(x, y))
        .thread("yx", move |(x, y, _)| thread(y, x))
        .finally(|(x, y, zeros)| {
            let last = (x.load(Relaxed), y.load(Relaxed));
            zeros.check("2+2W", |_| if last == (1, 1) { Err("1 and 1".into()) } else { Ok(()) });
        })
}

/// One writes to both words, the other to the second and reads the first: "R".
fn writer_and_reader(fences: bool) -> ScenarioBuilder<Words> {
    let fence = move || {
        if fences {
            smp_mb()
        }
    };
    Scenario::builder("R", words)
        .thread("writes", move |(x, y, _)| {
            x.store(1, Relaxed);
            fence();
            y.store(1, Relaxed);
        })
        .thread("reads", move |(x, y, zeros)| {
            y.store(2, Relaxed);
            fence();
            if x.load(Relaxed) == 0 {
                zeros.update(|zeros| *zeros += 1);
            }
        })
        .finally(|(_, y, zeros)| {
            let last = y.load(Relaxed);
            zeros.check("R", |zeros| match (zeros, last) {
                (1, 2) => Err("x was 0 and y is 2".to_owned()),
                _ => Ok(()),
            });
        })
}

#[test]
fn stores_that_are_checked_at_the_end_need_fences() {
    beyond_shuttle(two_writers(true).expect_proof());
    beyond_shuttle(two_writers(false).expect_violations([ViolationKind::invariant("2+2W")]));
    beyond_shuttle(writer_and_reader(true).expect_proof());
    beyond_shuttle(writer_and_reader(false).expect_violations([ViolationKind::invariant("R")]));
}

/// The checker of weak words, which waits for the end of every thread, never counts as a thread
/// that can continue.
#[test]
fn a_world_with_words_deadlocks_like_any_other() {
    let world = || (Mutex::new("A", ()), Mutex::new("B", ()), WeakAtomic::new("x", 0));
    let scenario = Scenario::builder("abba", world)
        .thread("ab", |(a, b, x)| {
            x.store(1, SeqCst);
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |(a, b, _)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations([ViolationKind::deadlock(["A", "B"])]);
    check(&scenario);
}

/// A word that only a thread creates, after another has ended.
#[test]
fn a_word_that_is_created_late_is_checked_too() {
    let world = || (Mutex::new("slot", ()), std::sync::OnceLock::new());
    let scenario = Scenario::builder("late", world)
        .thread("T1", |(slot, _)| drop(slot.lock()))
        .thread("T2", |(slot, word)| {
            drop(slot.lock());
            let word = word.get_or_init(|| WeakAtomic::new("x", 0));
            word.store(1, Relaxed);
        })
        .finally(|(_, word)| assert_eq!(word.get().unwrap().load(Relaxed), 1))
        .expect_proof();
    for engine in [Engine::Native, Engine::Loom] {
        let report = scenario.verify(engine);
        assert!(report.as_expected(), "{report}");
    }
}

/// A finding of loom that depends on an exchange being two steps is neither a proof nor a
/// refutation: see `loom_defects`. A proof is one, since loom only sees more than is possible.
#[test]
fn an_exchange_beside_a_store_decides_nothing_on_loom() {
    let scenario = |wrong: (u64, u64)| {
        Scenario::builder("exchange", || (WeakAtomic::new("x", 0), Ghost::new("seen", 9)))
            .thread("stores", |(x, _)| x.store(10, SeqCst))
            .thread("exchanges", |(x, seen)| {
                let before = x.swap(1, SeqCst);
                seen.update(|seen| *seen = before);
            })
            .finally(move |(x, seen)| {
                let last = x.load(SeqCst);
                let is_wrong = |seen: &u64| (*seen, last) == wrong;
                seen.check("XCHG", |seen| if is_wrong(seen) { Err("so".into()) } else { Ok(()) });
            })
    };
    // The store precedes the exchange, which has not seen it.
    let impossible = scenario((0, 1)).expect_proof().on(Engine::Loom, Expectation::Inconclusive);
    for engine in Engine::ALL {
        let report = impossible.verify(*engine);
        assert!(report.as_expected(), "{engine}: {report}");
        if let Verdict::Inconclusive { reason } = report.verdict {
            assert!(
                reason.to_string().contains("invariant(XCHG), but")
                    && reason.to_string().contains("#254"),
                "{reason}"
            );
        }
    }
    assert!(scenario((1, 1)).expect_proof().verify(Engine::Loom).as_expected());
    // A violation before the other thread has written is valid.
    let early = Scenario::builder("early", || (WeakAtomic::new("x", 0), Mutex::new("M", ())))
        .thread("stores", |(x, m)| {
            assert!(m.try_lock().is_some(), "early");
            x.store(10, SeqCst);
        })
        .thread("exchanges", |(x, m)| {
            drop(m.lock());
            x.swap(1, SeqCst);
        })
        .expect_violations([ViolationKind::Panic("early".into())]);
    assert!(early.verify(Engine::Loom).as_expected());
}

/// loom records one access of a thread to a word, so a load of its own hides that of another from
/// its store. What it has not explored is not proved.
#[test]
fn a_load_that_hides_another_is_not_a_proof_on_loom() {
    let scenario = Scenario::builder("load, store", || WeakAtomic::new("x", 0))
        .thread("T1", |x| {
            _ = x.load(Relaxed);
            x.store(1, Relaxed);
        })
        .thread("T2", |x| {
            _ = x.load(Relaxed);
            x.store(2, Relaxed);
        })
        .expect_proof();
    let report = scenario.verify(Engine::Loom);
    let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
    assert!(reason.to_string().contains("loom#166"), "{reason}");
    assert!(scenario.verify(Engine::Native).as_expected());
    // One of them alone is seen whole.
    let one = Scenario::builder("load, store, store", || WeakAtomic::new("x", 0))
        .thread("T1", |x| {
            _ = x.load(Relaxed);
            x.store(1, Relaxed);
        })
        .thread("T2", |x| x.store(2, Relaxed))
        .expect_proof();
    let report = one.verify(Engine::Loom);
    assert!(report.as_expected(), "{report}");
}
