//! The native engine against brute force, on random programs.

mod directed;
mod native;
mod program;
mod reference;
mod waits;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use selvedge_core::Search;

use program::{Instr, Outcome, Program};

/// What the programs were like, so that the test cannot quietly become trivial.
#[derive(Default, Debug)]
struct Population {
    programs: usize,
    deadlock: usize,
    /// Programs that deadlock on something else than one class.
    on_several_classes: usize,
    /// Programs with more than one final state.
    vary: usize,
    states: u64,
    /// Programs on which the second search has seen everything.
    by_traces: usize,
    kinds: BTreeSet<String>,
}

impl Population {
    fn add(&mut self, program: &Program, agreed: &Agreed) {
        let Agreed { outcome, states, by_traces } = agreed;
        self.programs += 1;
        self.states += states;
        self.by_traces += usize::from(*by_traces);
        self.deadlock += usize::from(!outcome.deadlocks.is_empty());
        let several = outcome.deadlocks.iter().any(|classes| classes.len() > 1);
        self.on_several_classes += usize::from(several);
        self.vary += usize::from(outcome.finals.len() > 1);
        self.kinds.extend(program.threads.iter().flatten().map(|step| step.instr.kind()));
    }

    fn and(mut self, other: Self) -> Self {
        self.programs += other.programs;
        self.deadlock += other.deadlock;
        self.on_several_classes += other.on_several_classes;
        self.vary += other.vary;
        self.states += other.states;
        self.by_traces += other.by_traces;
        self.kinds.extend(other.kinds);
        self
    }

    fn assert_interesting(&self) {
        let percent = |part: usize| part * 100 / self.programs;
        assert!((10..=80).contains(&percent(self.deadlock)), "{self:#?}");
        assert!(percent(self.on_several_classes) >= 3, "{self:#?}");
        assert!(percent(self.vary) >= 30, "{self:#?}");
        assert!(percent(self.by_traces) >= 30, "{self:#?}");
        assert!(self.states / self.programs as u64 >= 100, "{self:#?}");
        assert_eq!(self.kinds.len(), Instr::KINDS, "{self:#?}");
    }
}

/// How many executions the second search gets: it is for small programs, and some are not.
const TRACES_MAX: u64 = 1_000;

/// What both say of a program.
struct Agreed {
    outcome: Outcome,
    states: u64,
    /// Whether the second search has seen everything.
    by_traces: bool,
}

fn agree(program: &Program, name: &str) -> Agreed {
    let (expected, states) = reference::explore(program);
    let explore = |search, executions| {
        panic::catch_unwind(AssertUnwindSafe(|| native::explore(program, search, executions)))
            .unwrap_or_else(|_| panic!("{search:?} on {name}:{program}"))
    };
    let complete = |search| {
        let found = explore(search, u64::MAX);
        assert!(found.complete, "{search:?} cut short on {name}:{program}");
        assert_eq!(
            found.outcome, expected,
            "{search:?} is left, brute force right; {name}:{program}"
        );
        found
    };
    complete(Search::Reduced);
    let found = complete(Search::Census);
    // What a thread has been told says more than what it has logged, so the library may tell
    // more states apart. If it tells fewer, it has taken two for one and was lucky this time.
    let told_apart = found.states.expect("the search compares states");
    assert!(told_apart >= states, "{told_apart} of {states} states; {name}:{program}");
    let found = explore(Search::SleepSets, TRACES_MAX);
    if found.complete {
        assert_eq!(found.outcome, expected, "sleep sets are left; {name}:{program}");
    } else {
        assert!(found.outcome.finals.is_subset(&expected.finals), "{name}:{program}");
        assert!(found.outcome.deadlocks.is_subset(&expected.deadlocks), "{name}:{program}");
    }
    Agreed { outcome: expected, states, by_traces: found.complete }
}

/// Compares the two on the program of every seed, on as many threads as there are processors.
fn compare(seeds: Range<u64>) {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let population = |worker| {
        let mut population = Population::default();
        for seed in seeds.clone().skip(worker).step_by(workers) {
            let program = Program::random(seed);
            population.add(&program, &agree(&program, &format!("seed {seed}")));
        }
        population
    };
    let populations: Vec<Population> = thread::scope(|scope| {
        let spawn = |worker| scope.spawn(move || population(worker));
        let workers: Vec<_> = (0..workers).map(spawn).collect();
        workers.into_iter().map(|worker| worker.join().expect("the two agree")).collect()
    });
    let all = populations.into_iter().reduce(Population::and).expect("a processor");
    all.assert_interesting();
}

#[test]
fn two_thousand_random_programs_agree_with_brute_force() {
    compare(0..2_000);
}

#[test]
#[ignore = "takes half an hour"]
fn a_hundred_thousand_random_programs_agree_with_brute_force() {
    compare(2_000..102_000);
}
