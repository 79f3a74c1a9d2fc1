//! Words that are ordered as C11 says.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use selvedge_core::sync::{Ghost, WeakAtomic, smp_mb};
use selvedge_core::{Engine, Expected, Scenario, ScenarioBuilder, Verdict, ViolationKind};

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

/// A message, and the word that says that it is there.
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

/// On loom as claimed, and beyond the others, who say so.
fn only_on_loom(scenario: Scenario) {
    let open = |scenario: Scenario, engine| scenario.on(engine, Expected::Inconclusive);
    let scenario = open(open(scenario, Engine::Native), Engine::Shuttle);
    for engine in Engine::ALL {
        let report = scenario.verify(*engine);
        assert!(report.as_expected(), "{engine}: {:#?}", report.verdict);
        if let Verdict::Inconclusive { reason } = report.verdict {
            assert!(reason.contains("weaker than sequential consistency"), "{reason}");
        }
    }
}

#[test]
fn store_buffering_needs_fences() {
    only_on_loom(store_buffering(true).proved());
    only_on_loom(store_buffering(false).refuted([ViolationKind::invariant("SB")]));
}

#[test]
fn a_message_needs_a_release() {
    only_on_loom(message_passing(true).proved());
    only_on_loom(message_passing(false).refuted([ViolationKind::invariant("MP")]));
}

#[test]
fn words_that_ask_for_nothing_less_are_as_any_other() {
    let claim = |scenario: ScenarioBuilder<WeakAtomic>, sum: u64| {
        let scenario = scenario.finally(move |word| assert_eq!(word.load(SeqCst), sum, "sum"));
        scenario.proved()
    };
    let add = |word: &WeakAtomic| _ = word.fetch_add(1, SeqCst);
    let scenario = Scenario::builder("add", || WeakAtomic::new("x", 0));
    check(&claim(scenario.thread("T1", add).thread("T2", add), 2));
    let swap = |word: &WeakAtomic| _ = word.swap(1, SeqCst);
    let scenario = Scenario::builder("swap", || WeakAtomic::new("x", 0));
    check(&claim(scenario.thread("T1", swap).thread("T2", swap), 1));
}
