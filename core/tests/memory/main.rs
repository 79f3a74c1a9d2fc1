//! The memory of the native engine against RC11's axioms.
//!
//! `axioms` enumerates the execution graphs of a program and shares nothing with the library.
//! `generate` makes random programs, and `litmus` has those of the literature.

mod axioms;
mod generate;
mod litmus;
mod native;
mod primitives;
mod program;

use std::ops::Range;

use generate::Accesses;
use native::Waits;
use program::{Act, Event};
use selvedge_core::Search;

/// Checks that the programs with these numbers have the outcomes of the axioms and no others.
/// Returns how many outcomes there are, and how many an interleaving alone does not have.
fn compare(seeds: Range<u64>, accesses: Accesses, search: Search) -> (usize, usize) {
    let (mut all, mut weak) = (0, 0);
    for seed in seeds {
        let program = generate::program(seed, accesses);
        let expected = axioms::outcomes(&program);
        let found = native::outcomes(&program, search, Waits::Polls).expect("no thread waits");
        let missing: Vec<_> = expected.difference(&found).collect();
        let beyond: Vec<_> = found.difference(&expected).collect();
        assert!(
            missing.is_empty() && beyond.is_empty(),
            "program {seed}:\n{program:?}missing {missing:?}\nbeyond {beyond:?}"
        );
        all += found.len();
        weak += found.len() - axioms::outcomes(&program.sequentially_consistent()).len();
    }
    (all, weak)
}

/// Checks that a thread of the programs with these numbers waits for good if and only if the axioms
/// say so, and that they have the outcomes of the axioms otherwise. Returns how many programs wait
/// for a value, and in how many a thread does so for good.
fn compare_waits(
    seeds: Range<u64>,
    accesses: Accesses,
    search: Search,
    waits: Waits,
    events_max: usize,
) -> (usize, usize) {
    let (mut all, mut stuck) = (0, 0);
    for seed in seeds {
        let program = generate::waiting(seed, accesses);
        let is_wait = |event: &Event| matches!(event.act, Act::Await(_));
        if !program.events().any(is_wait) || program.events().count() > events_max {
            continue;
        }
        all += 1;
        let expected = (!axioms::gets_stuck(&program)).then(|| axioms::outcomes(&program));
        let found = native::outcomes(&program, search, waits);
        assert!(
            found == expected,
            "program {seed}, {search:?}, {waits:?}:\n{program:?}expected {expected:?}\n\
             found {found:?}"
        );
        stuck += usize::from(expected.is_none());
    }
    (all, stuck)
}

#[test]
fn threads_wait_for_good_where_the_axioms_say_so() {
    use Accesses::{NotTotal, Total};
    let (mut all, mut stuck) = (0, 0);
    for (seeds, accesses, search, waits) in [
        (50_000..50_150, NotTotal, Search::Auto, Waits::Polls),
        (51_000..51_150, NotTotal, Search::Dpor, Waits::Polls),
        (52_000..52_150, NotTotal, Search::Auto, Waits::Yields),
        (53_000..53_050, Total, Search::Auto, Waits::Polls),
        // The graph of 54,009, which spins with sequentially consistent accesses, takes minutes.
        (54_010..54_050, Total, Search::Auto, Waits::Yields),
    ] {
        let (waiting, for_good) = compare_waits(seeds, accesses, search, waits, 7);
        all += waiting;
        stuck += for_good;
    }
    assert!(stuck * 10 > all && stuck * 10 < all * 9, "{stuck} of {all} wait for good");
}

#[test]
fn random_programs_have_the_outcomes_of_the_axioms() {
    let (all, weak) = compare(0..700, Accesses::NotTotal, Search::Auto);
    assert!(weak * 20 > all, "{weak} of {all} outcomes are weak");
    compare(0..300, Accesses::Total, Search::Auto);
}

#[test]
fn interleavings_have_the_outcomes_of_the_axioms() {
    compare(1000..1080, Accesses::NotTotal, Search::Dpor);
    compare(1000..1020, Accesses::Total, Search::Dpor);
    compare(1100..1120, Accesses::NotTotal, Search::SleepSets);
}

/// `cargo test --release -p selvedge-core --test memory -- --ignored --nocapture`
#[test]
#[ignore = "it takes minutes"]
fn ten_thousand_programs_have_the_outcomes_of_the_axioms() {
    for (seeds, accesses, search) in [
        (10_000..16_000, Accesses::NotTotal, Search::Auto),
        (20_000..22_000, Accesses::Total, Search::Auto),
        (30_000..31_500, Accesses::NotTotal, Search::Dpor),
        (40_000..40_500, Accesses::Total, Search::Dpor),
    ] {
        let programs = seeds.end - seeds.start;
        let (all, weak) = compare(seeds, accesses, search);
        println!("{programs} programs, {accesses:?}, {search:?}: {all} outcomes, {weak} weak");
    }
    for (seeds, accesses, search, waits) in [
        (60_000..63_000, Accesses::NotTotal, Search::Auto, Waits::Polls),
        (63_000..65_000, Accesses::NotTotal, Search::Dpor, Waits::Polls),
        (65_000..68_000, Accesses::NotTotal, Search::Auto, Waits::Yields),
        (68_000..69_000, Accesses::Total, Search::Auto, Waits::Polls),
        (69_000..70_000, Accesses::Total, Search::Auto, Waits::Yields),
    ] {
        let (all, stuck) = compare_waits(seeds, accesses, search, waits, 8);
        println!("{all} programs that wait, {accesses:?}, {search:?}, {waits:?}: {stuck} for good");
    }
}
