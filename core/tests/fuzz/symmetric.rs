//! Threads that do the same, declared to the library or not.

use std::collections::BTreeSet;
use std::ops::Range;

use selvedge_core::Search;

use super::native::{self, Found, How};
use super::program::{Final, Instr, Program};
use super::reference;

/// The limit of states of a program.
const STATES_MAX: usize = 200_000;

/// Returns the program of a seed, with the first two or three threads doing what the first does.
/// Another may do something else.
fn program(seed: u64) -> Program {
    let mut rng = fastrand::Rng::with_seed(!seed);
    let mut program = Program::random(seed);
    let once = |instr: Instr| matches!(instr, Instr::Spawn(_) | Instr::Join(_));
    let count = rng.usize(2..=3);
    let mut steps = program.threads[0].clone();
    steps.retain(|step| !once(step.instr));
    let rest = program.threads.split_off(program.started);
    // A child that no thread starts never runs.
    if rest.is_empty() {
        let other = program.threads.swap_remove(1);
        program.threads = vec![steps; count];
        program.threads.extend((count == 2 && rng.bool()).then_some(other));
        program.started = program.threads.len();
        program.identical = count;
    }
    program
}

/// The final states, if no thread knows which of the identical threads it is.
fn anonymous(finals: &BTreeSet<Final>, identical: usize) -> BTreeSet<Final> {
    let sorted = finals.iter().cloned().map(|mut last| {
        last.logs[..identical].sort();
        last
    });
    sorted.collect()
}

/// Compares the searches with brute force. Returns the states with and without symmetry.
fn agree(seed: u64) -> Option<(u64, u64)> {
    let program = program(seed);
    if program.identical == 0 {
        return None;
    }
    let mut expected = reference::explore(&program, STATES_MAX)?.outcome;
    expected.finals = anonymous(&expected.finals, program.identical);
    let by = |search, jobs, stopped| {
        let how = How { search, executions: u64::MAX, jobs, stopped };
        let found = native::explore(&program, how);
        assert!(found.complete, "{how:?}: {:?}; seed {seed}:{program}", found.stopped);
        assert_eq!(found.outcome, expected, "{how:?} is left; seed {seed}:{program}");
        found.fingerprint
    };
    let full = by(Search::Full, 1, false);
    let symmetric = by(Search::Symmetric, 1, false);
    for (jobs, stopped) in [(2, false), (1, true), (2, true)] {
        let again = by(Search::Symmetric, jobs, stopped);
        assert_eq!(again, symmetric, "{jobs}, {stopped}; seed {seed}:{program}");
    }
    by(Search::Auto, 1, false);
    if expected.violations.is_empty() {
        by(Search::Reduced, 1, false);
    }
    // An object may be unable to tell threads apart by their roles alone. Then all states are kept.
    let stands_for = symmetric.unreduced_states.or(symmetric.states);
    assert_eq!(stands_for, full.states, "seed {seed}:{program}");
    let Found { fingerprint, .. } = shortest(&program);
    assert!(fingerprint.states <= symmetric.states, "seed {seed}:{program}");
    Some((symmetric.states?, full.states?))
}

/// Returns the findings of the search for a shortest counterexample, which is replayed.
fn shortest(program: &Program) -> Found {
    let how = How { search: Search::Shortest, executions: u64::MAX, jobs: 1, stopped: false };
    native::explore(program, how)
}

fn compare(seeds: Range<u64>) {
    let (mut programs, mut fewer) = (0, 0);
    for seed in seeds.clone() {
        let Some((symmetric, full)) = agree(seed) else { continue };
        programs += 1;
        fewer += u64::from(symmetric < full);
    }
    eprintln!("{programs} programs, {fewer} with fewer states");
    assert!(programs * 10 >= (seeds.end - seeds.start) * 5, "{programs}");
    assert!(fewer * 10 >= programs * 6, "{fewer} of {programs}");
}

#[test]
fn five_hundred_symmetric_programs_agree_with_brute_force() {
    compare(0..500);
}

#[test]
#[ignore = "takes half an hour"]
fn ten_thousand_symmetric_programs_agree_with_brute_force() {
    compare(500..20_500);
}
