//! The native engine against brute force, on random programs.

mod native;
mod program;
mod reference;
mod waits;

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};

use program::{Outcome, Program};

/// What the programs were like, so that the test cannot quietly become trivial.
#[derive(Default, Debug)]
struct Population {
    programs: usize,
    deadlock: usize,
    /// Programs that deadlock on something else than one class.
    on_several_classes: usize,
    /// Programs with more than one final state.
    vary: usize,
    states: usize,
    kinds: BTreeSet<String>,
}

impl Population {
    fn add(&mut self, program: &Program, outcome: &Outcome, states: usize) {
        self.programs += 1;
        self.deadlock += usize::from(!outcome.deadlocks.is_empty());
        let several = outcome.deadlocks.iter().any(|classes| classes.len() > 1);
        self.on_several_classes += usize::from(several);
        self.vary += usize::from(outcome.finals.len() > 1);
        self.states += states;
        self.kinds.extend(program.threads.iter().flatten().map(|step| step.instr.kind()));
    }

    fn assert_interesting(&self) {
        let percent = |part: usize| part * 100 / self.programs;
        assert!((10..=70).contains(&percent(self.deadlock)), "{self:#?}");
        assert!(percent(self.on_several_classes) >= 3, "{self:#?}");
        assert!(percent(self.vary) >= 30, "{self:#?}");
        assert!(self.states / self.programs >= 100, "{self:#?}");
        assert_eq!(self.kinds.len(), program::Instr::KINDS, "{self:#?}");
    }
}

/// Compares the two on the program of every seed.
fn compare(seeds: std::ops::Range<u64>) {
    let mut population = Population::default();
    for seed in seeds {
        let program = Program::random(seed);
        let (expected, states) = reference::explore(&program);
        let found = panic::catch_unwind(AssertUnwindSafe(|| native::explore(&program)))
            .unwrap_or_else(|_| panic!("seed {seed}: {program:#?}"));
        assert_eq!(found, expected, "native is left, brute force right; seed {seed}: {program:#?}");
        population.add(&program, &expected, states);
    }
    population.assert_interesting();
}

#[test]
fn two_thousand_random_programs_agree_with_brute_force() {
    compare(0..2_000);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_random_programs_agree_with_brute_force() {
    compare(2_000..102_000);
}
