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
use selvedge_core::Search;

/// Checks that the programs with these numbers have the outcomes of the axioms and no others.
/// Returns how many outcomes there are, and how many an interleaving alone does not have.
fn compare(seeds: Range<u64>, accesses: Accesses, search: Search) -> (usize, usize) {
    let (mut all, mut weak) = (0, 0);
    for seed in seeds {
        let program = generate::program(seed, accesses);
        let (expected, found) = (axioms::outcomes(&program), native::outcomes(&program, search));
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
}
