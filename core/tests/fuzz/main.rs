//! The native engine against brute force, and shuttle against it, on random programs.

mod directed;
mod native;
mod program;
mod reference;
mod traces;
mod waits;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use selvedge_core::Search;

use native::{Found, How};
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
    /// Programs of which every trace was explored.
    by_traces: usize,
    /// Programs of which every trace was also counted by brute force.
    counted: usize,
    /// Programs of which every trace was explored on shuttle too.
    on_shuttle: usize,
    /// Programs whose mutexes are spinlocks.
    spin: usize,
    kinds: BTreeSet<String>,
}

impl Population {
    fn add(&mut self, program: &Program, agreed: &Agreed) {
        let Agreed { outcome, states, by_traces, counted, on_shuttle } = agreed;
        self.programs += 1;
        self.states += states;
        self.by_traces += usize::from(*by_traces);
        self.counted += usize::from(*counted);
        self.on_shuttle += usize::from(*on_shuttle);
        self.deadlock += usize::from(!outcome.deadlocks.is_empty());
        let several = outcome.deadlocks.iter().any(|classes| classes.len() > 1);
        self.on_several_classes += usize::from(several);
        self.vary += usize::from(outcome.finals.len() > 1);
        self.spin += usize::from(program.spins());
        self.kinds.extend(program.threads.iter().flatten().map(|step| step.instr.kind()));
    }

    fn and(mut self, other: Self) -> Self {
        self.programs += other.programs;
        self.deadlock += other.deadlock;
        self.on_several_classes += other.on_several_classes;
        self.vary += other.vary;
        self.states += other.states;
        self.by_traces += other.by_traces;
        self.counted += other.counted;
        self.on_shuttle += other.on_shuttle;
        self.spin += other.spin;
        self.kinds.extend(other.kinds);
        self
    }

    fn assert_interesting(&self) {
        let percent = |part: usize| part * 100 / self.programs;
        assert!((10..=80).contains(&percent(self.deadlock)), "{self:#?}");
        assert!(percent(self.on_several_classes) >= 3, "{self:#?}");
        assert!(percent(self.vary) >= 30, "{self:#?}");
        assert!(percent(self.by_traces) >= 50, "{self:#?}");
        assert!(percent(self.counted) >= 30, "{self:#?}");
        assert!(percent(self.on_shuttle) >= 15, "{self:#?}");
        assert!(percent(self.spin) >= 3, "{self:#?}");
        assert!(self.states / self.programs as u64 >= 100, "{self:#?}");
        assert_eq!(self.kinds.len(), Instr::KINDS, "{self:#?}");
    }
}

/// How many executions a search for traces gets: it is for small programs, and some are not.
const EXECUTIONS_MAX: u64 = 2_000;

/// How many executions shuttle gets, which takes much longer over each.
const SHUTTLE_EXECUTIONS_MAX: u64 = 200;

/// How many beginnings of traces brute force gets.
const PREFIXES_MAX: usize = 1_000;

/// What both say of a program.
struct Agreed {
    outcome: Outcome,
    states: u64,
    /// Whether every trace was explored, and counted by brute force too, and explored on shuttle.
    by_traces: bool,
    counted: bool,
    on_shuttle: bool,
}

fn agree(program: &Program, name: &str) -> Agreed {
    let (expected, states) = reference::explore(program);
    let explore = |how: How| {
        panic::catch_unwind(AssertUnwindSafe(|| native::explore(program, how)))
            .unwrap_or_else(|_| panic!("{how:?} on {name}:{program}"))
    };
    let complete = |search, jobs, stopped| {
        let how = How { search, executions: u64::MAX, jobs, stopped };
        let found = explore(how);
        assert!(found.complete, "{how:?} cut short on {name}:{program}");
        assert_eq!(found.outcome, expected, "{how:?} is left, brute force right; {name}:{program}");
        found
    };
    let proof = complete(Search::Reduced, 1, false);
    for (jobs, stopped) in [(2, false), (1, true), (2, true)] {
        let again = complete(Search::Reduced, jobs, stopped);
        assert_eq!(again.certificate, proof.certificate, "{jobs}, {stopped}; {name}:{program}");
    }
    let found = complete(Search::Census, 1, false);
    // What a thread has been told says more than what it has logged, so the library may tell
    // more states apart. If it tells fewer, it has taken two for one and was lucky this time.
    let told_apart = found.certificate.states.expect("the search compares states");
    assert!(told_apart >= states, "{told_apart} of {states} states; {name}:{program}");
    let by_traces = |search, jobs, stopped| {
        let how = How { search, executions: EXECUTIONS_MAX, jobs, stopped };
        let found = explore(how);
        if found.complete {
            assert_eq!(found.outcome, expected, "{how:?} is left; {name}:{program}");
        } else {
            assert!(found.outcome.finals.is_subset(&expected.finals), "{name}:{program}");
            assert!(found.outcome.deadlocks.is_subset(&expected.deadlocks), "{name}:{program}");
        }
        found
    };
    let dpor = by_traces(Search::Dpor, 1, false);
    // Sleep sets alone take no fewer executions.
    let ended = dpor.certificate.digest.is_some();
    let sleep_sets = ended.then(|| by_traces(Search::SleepSets, 1, false));
    let reference = sleep_sets.filter(|found| found.certificate.digest.is_some());
    if let Some(sleep_sets) = &reference {
        // Both have come to their end, if not to all of the program.
        assert_eq!(dpor.complete, sleep_sets.complete, "{name}:{program}");
        assert_eq!(dpor.certificate, sleep_sets.certificate, "Dpor is left; {name}:{program}");
        assert_eq!(dpor.outcome, sleep_sets.outcome, "Dpor is left; {name}:{program}");
        for (jobs, stopped) in [(2, false), (1, true), (2, true)] {
            let again = by_traces(Search::Dpor, jobs, stopped);
            // To split the search costs executions, so that it may come to its limit.
            if again.certificate.digest.is_some() {
                assert_eq!(again.certificate, dpor.certificate, "{jobs}, {stopped}; {name}");
                assert_eq!(again.outcome, dpor.outcome, "{jobs}, {stopped}; {name}:{program}");
            }
        }
    }
    // Brute force has every first wake-up for no reason, the library those of which something comes.
    let counted =
        if ended && !program.rechecks() { traces::count(program, PREFIXES_MAX) } else { None };
    if counted.is_some() {
        assert_eq!(dpor.certificate.traces, counted, "Dpor is left; {name}:{program}");
    }
    let on_shuttle = agrees_on_shuttle(program, name, &dpor, &expected);
    Agreed {
        outcome: expected,
        states,
        by_traces: reference.is_some(),
        counted: counted.is_some(),
        on_shuttle,
    }
}

/// The same search on shuttle's threads; whether it has come to its end there.
fn agrees_on_shuttle(program: &Program, name: &str, dpor: &Found, expected: &Outcome) -> bool {
    if dpor.certificate.digest.is_none() || dpor.executions > SHUTTLE_EXECUTIONS_MAX {
        return false;
    }
    let found = native::explore_on_shuttle(program, SHUTTLE_EXECUTIONS_MAX);
    assert!(found.outcome.finals.is_subset(&expected.finals), "{name}:{program}");
    assert!(found.outcome.deadlocks.is_subset(&expected.deadlocks), "{name}:{program}");
    if !dpor.outcome.deadlocks.is_empty() {
        assert!(!found.outcome.deadlocks.is_empty(), "shuttle has overlooked it; {name}:{program}");
        return false;
    }
    assert_eq!(found.certificate, dpor.certificate, "shuttle is left; {name}:{program}");
    if dpor.complete {
        assert!(found.complete, "{name}:{program}");
        assert_eq!(found.outcome, dpor.outcome, "shuttle is left; {name}:{program}");
    }
    true
}

/// Compares the two on the program of every seed, on as many threads as there are processors.
fn compare(seeds: Range<u64>) {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let population = |worker| {
        let mut population = Population::default();
        for seed in seeds.clone().skip(worker).step_by(workers) {
            let program = Program::random(seed);
            population.add(&program, &agree(&program, &format!("seed {seed}")));
            if population.programs.is_multiple_of(1_000) {
                eprintln!("worker {worker}: {} programs", population.programs);
            }
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
#[ignore = "takes an hour"]
fn a_hundred_thousand_random_programs_agree_with_brute_force() {
    compare(2_000..102_000);
}
