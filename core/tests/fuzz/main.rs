//! The native engine, shuttle and loom against brute force, on random programs.

mod callbacks;
mod chains;
mod directed;
mod emitted;
mod freezing;
mod generator;
mod kinds;
mod native;
mod operate;
mod order;
mod program;
mod reference;
mod removal;
mod small;
mod spinning;
mod symmetric;
mod themes;
mod traces;
mod waiting;
mod world;
mod wounds;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use selvedge_core::{Search, Shard, ViolationKind};

use native::{Found, How};
use program::{Instr, Outcome, Program};
use reference::Explored;

/// The properties of the programs, so that the test cannot silently become trivial.
#[derive(Default, Debug)]
struct Population {
    programs: usize,
    states: u64,
    /// The number of programs with each property.
    counts: BTreeMap<String, usize>,
}

impl Population {
    fn add(&mut self, program: &Program, agreed: &Agreed) {
        let Agreed { outcome, states, beside, in_part, by_traces, counted, on_shuttle, on_loom } =
            agreed;
        self.programs += 1;
        self.states += states;
        let several = outcome.deadlocks.iter().any(|classes| classes.len() > 1);
        let properties = [
            ("beside an endless one", *beside),
            ("found in part", *in_part),
            ("by traces", *by_traces),
            ("counted", *counted),
            ("on shuttle", *on_shuttle),
            ("on loom", *on_loom),
            ("deadlock", !outcome.deadlocks.is_empty()),
            ("on several classes", several),
            ("vary", outcome.finals.len() > 1),
            ("violate", !outcome.violations.is_empty()),
            ("fine", !outcome.is_refuted()),
        ];
        let like = properties.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned());
        let kinds: BTreeSet<String> =
            program.threads.iter().flatten().map(|step| step.instr.kind()).collect();
        let violations: BTreeSet<String> =
            outcome.violations.iter().map(|v| v.split('(').next().unwrap().to_owned()).collect();
        for property in like.chain(kinds).chain(violations) {
            *self.counts.entry(property).or_default() += 1;
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.programs += other.programs;
        self.states += other.states;
        for (property, count) in other.counts {
            *self.counts.entry(property).or_default() += count;
        }
        self
    }

    /// Asserts that at least so many of a thousand programs have a property.
    fn assert_per_mille(&self, property: &str, least: usize) {
        let count = self.counts.get(property).copied().unwrap_or(0);
        assert!(count * 1_000 >= least * self.programs, "{property}: {self:#?}");
    }

    fn assert_interesting(&self) {
        for (property, least) in [
            ("by traces", 500),
            ("counted", 100),
            ("on shuttle", 150),
            ("on loom", 100),
            ("deadlock", 200),
            ("on several classes", 30),
            ("vary", 200),
            ("violate", 100),
            ("fine", 200),
            ("found in part", 5),
            ("double-release", 10),
            ("freed-while-held", 10),
            ("invariant", 5),
            ("leak", 10),
            ("sleep-in-atomic", 10),
            ("unlock-by-non-owner", 5),
            ("use-after-release", 10),
        ] {
            self.assert_per_mille(property, least);
        }
        for kind in Instr::ALL_KINDS {
            self.assert_per_mille(kind, 5);
        }
        assert!(self.states / self.programs as u64 >= 100, "{self:#?}");
    }

    fn assert_endless(&self) {
        for (property, least) in [
            ("deadlock", 200),
            ("beside an endless one", 50),
            ("by traces", 300),
            ("on shuttle", 30),
            ("on several classes", 10),
            ("violate", 20),
            ("fine", 200),
            ("Forever", 500),
            ("Poll", 200),
            ("ModTimer", 20),
            ("QueueWork", 20),
        ] {
            self.assert_per_mille(property, least);
        }
    }
}

/// The limit of executions of a search for traces, which suffices for small programs only.
const EXECUTIONS_MAX: u64 = 2_000;

/// The same for an endless program; most of these have infinitely many traces.
const ENDLESS_EXECUTIONS_MAX: u64 = 200;

/// The number of shares into which the interleavings are divided.
const SHARES: u32 = 3;

/// The limit of executions of shuttle, which takes much longer for each.
const SHUTTLE_EXECUTIONS_MAX: u64 = 200;

/// The limit of states of a program.
const STATES_MAX: usize = 1_000_000;

/// The limit of states of an endless program, which may have infinitely many.
const ENDLESS_STATES_MAX: usize = 5_000;

/// The limit of trace prefixes of brute force.
const PREFIXES_MAX: usize = 1_000;

/// The limits of executions of loom, and of traces of a program that loom runs at all.
const LOOM_EXECUTIONS_MAX: u64 = 300;
const TRACES_FOR_LOOM_MAX: u64 = 12;

/// The common results for a program.
#[derive(Default)]
struct Agreed {
    outcome: Outcome,
    states: u64,
    beside: bool,
    /// Whether a complete search has found only some of the violations.
    in_part: bool,
    /// Whether every trace was explored, counted by brute force, and explored on shuttle, and
    /// whether loom completed.
    by_traces: bool,
    counted: bool,
    on_shuttle: bool,
    on_loom: bool,
}

/// The results of the searches of traces.
struct Orderings {
    /// The findings of the best of them.
    dpor: Found,
    /// Whether all of them have completed.
    by_traces: bool,
    in_part: bool,
}

/// A program and the results of brute force.
struct Checker<'p> {
    program: &'p Program,
    name: &'p str,
    expected: Outcome,
    /// The limit of executions of a search for traces.
    executions: u64,
}

/// Checks that both agree on a program, however it is searched.
fn agree(program: &Program, name: &str) -> Agreed {
    let explored = reference::explore(program, STATES_MAX).expect("a small program");
    let (expected, states) = (explored.outcome, explored.states);
    let checker = Checker { program, name, expected, executions: EXECUTIONS_MAX };
    let full = checker.by_states(states);
    let Orderings { dpor, by_traces, in_part } = checker.by_traces(&full);
    let counts = dpor.fingerprint.digest.is_some() && checker.expected.violations.is_empty();
    let counted = if counts { traces::count(program, PREFIXES_MAX) } else { None };
    if counted.is_some() {
        assert_eq!(dpor.fingerprint.traces, counted, "Dpor is left; {name}:{program}");
    }
    let (on_shuttle, on_loom) = (checker.on_shuttle(&dpor), checker.on_loom(&dpor));
    let counted = counted.is_some();
    let outcome = checker.expected;
    Agreed { outcome, states, beside: false, in_part, by_traces, counted, on_shuttle, on_loom }
}

impl Checker<'_> {
    fn explore(&self, how: How) -> Found {
        self.or_name(|| native::explore(self.program, how))
    }

    /// Names the program if a check panics.
    fn or_name(&self, explore: impl FnOnce() -> Found) -> Found {
        let Self { program, name, .. } = self;
        panic::catch_unwind(AssertUnwindSafe(explore))
            .unwrap_or_else(|_| panic!("over {name}:{program}"))
    }

    fn is_all(&self, found: &Outcome, how: &str) {
        let Self { program, name, expected, .. } = self;
        assert_eq!(found, expected, "{how} is left, brute force right; {name}:{program}");
    }

    fn is_part(&self, found: &Outcome, how: &str) {
        let Self { program, name, expected, .. } = self;
        let part = found.finals.is_subset(&expected.finals)
            && found.deadlocks.is_subset(&expected.deadlocks)
            && found.violations.is_subset(&expected.violations);
        assert!(part, "{how} finds too much: {found:#?} of {expected:#?}; {name}:{program}");
    }

    /// Checks the searches of states, each of which must complete. Returns the findings of the full
    /// search.
    fn by_states(&self, states: u64) -> Found {
        let Self { program, name, .. } = self;
        let complete = |search, jobs, stopped| {
            let how = How { search, executions: u64::MAX, jobs, stopped };
            let found = self.explore(how);
            assert!(found.complete, "{how:?} cut short: {:?}; {name}:{program}", found.stopped);
            self.is_all(&found.outcome, &format!("{how:?}"));
            found
        };
        // Where a violation ends an interleaving, the reduced search looks for no other.
        let search = match self.expected.violations.is_empty() {
            true => Search::Reduced,
            false => Search::Auto,
        };
        let proof = complete(search, 1, false);
        for (jobs, stopped) in [(2, false), (1, true), (2, true)] {
            let again = complete(search, jobs, stopped);
            assert_eq!(again.fingerprint, proof.fingerprint, "{jobs}, {stopped}; {name}:{program}");
        }
        let found = complete(Search::Full, 1, false);
        // The observations of a thread distinguish more than its log, so the library may count more
        // states. If it counts fewer, it has confused two of them, and this time without
        // consequences.
        let distinguished = found.fingerprint.states.expect("the search compares states");
        assert!(distinguished >= states, "{distinguished} of {states} states; {name}:{program}");
        found
    }

    /// Checks a complete search against the claim that all of this is violated. If a violation may
    /// have hidden others, the search need not have found them; the full search must. Returns
    /// whether this search has found only some of them.
    fn by_claims(&self, full: &Found, sleep_sets: &Found) -> bool {
        let Self { program, name, executions, .. } = self;
        let how = |search| How { search, executions: *executions, jobs: 1, stopped: false };
        if !self.expected.is_refuted() || !sleep_sets.complete {
            return false;
        }
        let inversions = &sleep_sets.inversions;
        let fits = native::fits(program, how(Search::SleepSets), &full.kinds, inversions);
        assert!(fits, "SleepSets, by {:?} of {:?}; {name}:{program}", sleep_sets.kinds, full.kinds);
        let mut more = full.kinds.clone();
        more.push(ViolationKind::invariant("never"));
        let fits = native::fits(program, how(Search::Full), &more, &full.inversions);
        assert!(!fits, "the full search, by one violation less than claimed; {name}:{program}");
        sleep_sets.kinds.len() < full.kinds.len()
    }

    /// Checks the searches of traces, as far as they get.
    fn by_traces(&self, full: &Found) -> Orderings {
        let Self { program, name, expected, executions } = self;
        // A violation ends an interleaving. Then the searches need not reach the same ones.
        let clean = expected.violations.is_empty();
        let explore = |search, jobs, stopped| {
            let how = How { search, executions: *executions, jobs, stopped };
            let found = self.explore(how);
            match found.complete && clean {
                true => self.is_all(&found.outcome, &format!("{how:?}")),
                false => self.is_part(&found.outcome, &format!("{how:?}")),
            }
            let overlooked = found.complete && expected.is_refuted() && !found.outcome.is_refuted();
            assert!(!overlooked, "{how:?} has overlooked it; {name}:{program}");
            found
        };
        let dpor = explore(Search::Dpor, 1, false);
        // Sleep sets alone take no fewer executions.
        let ended = dpor.fingerprint.digest.is_some();
        let sleep_sets = ended.then(|| explore(Search::SleepSets, 1, false));
        let sleep_sets = sleep_sets.filter(|found| found.fingerprint.digest.is_some());
        let Some(sleep_sets) = sleep_sets else {
            return Orderings { dpor, by_traces: false, in_part: false };
        };
        let in_part = self.by_claims(full, &sleep_sets);
        // Both have completed, though perhaps not for the whole program.
        assert!(!clean || dpor.complete == sleep_sets.complete, "{name}:{program}");
        let same = |found: &Found, how: &str| {
            if clean && found.fingerprint.digest.is_some() {
                assert_eq!(dpor.fingerprint, found.fingerprint, "{how} or Dpor; {name}:{program}");
                assert_eq!(dpor.outcome, found.outcome, "{how} or Dpor; {name}:{program}");
            }
        };
        same(&sleep_sets, "SleepSets");
        for (jobs, stopped) in [(2, false), (1, true), (2, true)] {
            // Splitting the search costs executions, so it may reach its limit.
            let again = explore(Search::Dpor, jobs, stopped);
            same(&again, &format!("{jobs}, {stopped}"));
        }
        if clean {
            self.by_shares(&dpor);
        }
        Orderings { dpor, by_traces: true, in_part }
    }

    /// Checks the search of interleavings in three shares: their sum is the whole.
    fn by_shares(&self, dpor: &Found) {
        let Self { program, name, executions, .. } = self;
        let (mut traces, mut digest, mut outcome) = (0, 0_u64, Outcome::default());
        for share in 1..=SHARES {
            let shard = Shard::new(share, SHARES).expect("a share");
            let found = self.or_name(|| native::explore_share(program, *executions, shard));
            // Reaching the roots of the shares costs executions.
            let Some(of_share) = found.fingerprint.digest else { return };
            traces += found.fingerprint.traces.expect("the search counts traces");
            digest = digest.wrapping_add(of_share);
            outcome.finals.extend(found.outcome.finals);
            outcome.deadlocks.extend(found.outcome.deadlocks);
        }
        let added = (Some(traces), Some(digest));
        let whole = (dpor.fingerprint.traces, dpor.fingerprint.digest);
        assert_eq!(added, whole, "the shares are left, Dpor right; {name}:{program}");
        assert_eq!(outcome, dpor.outcome, "the shares are left, Dpor right; {name}:{program}");
    }

    /// Checks the same search on shuttle's threads. Returns whether it has completed there.
    fn on_shuttle(&self, dpor: &Found) -> bool {
        let Self { program, name, expected, .. } = self;
        if dpor.fingerprint.digest.is_none() || dpor.executions > SHUTTLE_EXECUTIONS_MAX {
            return false;
        }
        let found = self.or_name(|| native::explore_on_shuttle(program, SHUTTLE_EXECUTIONS_MAX));
        self.is_part(&found.outcome, "shuttle");
        if expected.is_refuted() && dpor.outcome.is_refuted() {
            assert!(found.outcome.is_refuted(), "shuttle has overlooked it; {name}:{program}");
            return false;
        }
        assert_eq!(found.fingerprint, dpor.fingerprint, "shuttle is left; {name}:{program}");
        if dpor.complete {
            assert!(found.complete, "{name}:{program}");
            assert_eq!(found.outcome, dpor.outcome, "shuttle is left; {name}:{program}");
        }
        true
    }

    /// Checks loom, with its own search. Returns whether that has completed.
    fn on_loom(&self, dpor: &Found) -> bool {
        let Self { program, name, expected, .. } = self;
        let few = dpor.fingerprint.digest.is_some() && dpor.executions <= TRACES_FOR_LOOM_MAX;
        if !few || program.threads.len() > 4 {
            return false;
        }
        let found = self.or_name(|| native::explore_on_loom(program, LOOM_EXECUTIONS_MAX));
        self.is_part(&found.outcome, "loom");
        if found.outcome.is_refuted() {
            return true;
        }
        if found.complete {
            assert!(!expected.is_refuted(), "loom has overlooked it; {name}:{program}");
            assert_eq!(found.outcome, *expected, "loom is left; {name}:{program}");
        }
        found.complete
    }
}

/// Checks that both agree on a program without an end; returns `None` for a large one. The searches
/// of traces complete where threads only look in their rounds.
fn agree_on_endless(program: &Program, name: &str) -> Option<Agreed> {
    let Explored { outcome, states, beside } = reference::explore(program, ENDLESS_STATES_MAX)?;
    let checker = Checker { program, name, expected: outcome, executions: ENDLESS_EXECUTIONS_MAX };
    let full = checker.by_states(states);
    let Orderings { dpor, by_traces, in_part } = checker.by_traces(&full);
    let on_shuttle = checker.on_shuttle(&dpor);
    let outcome = checker.expected;
    Some(Agreed { outcome, states, beside, in_part, by_traces, on_shuttle, ..Agreed::default() })
}

/// Compares the two on the program of every seed, on as many threads as there are processors.
fn compare(
    seeds: Range<u64>,
    program: fn(u64) -> Program,
    agree: fn(&Program, &str) -> Option<Agreed>,
) -> Population {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let population = |worker| {
        let mut population = Population::default();
        for seed in seeds.clone().skip(worker).step_by(workers) {
            let program = program(seed);
            let Some(agreed) = agree(&program, &format!("seed {seed}")) else { continue };
            population.add(&program, &agreed);
            if population.programs % 1_000 == 0 {
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
    populations.into_iter().reduce(Population::and).expect("a processor")
}

fn compare_random(seeds: Range<u64>) {
    let agree = |program: &Program, name: &str| Some(agree(program, name));
    compare(seeds, Program::random, agree).assert_interesting();
}

fn compare_endless(seeds: Range<u64>) {
    let programs = seeds.end - seeds.start;
    let population = compare(seeds, Program::endless, agree_on_endless);
    assert!(population.programs as u64 * 10 >= programs * 9, "{population:#?}");
    population.assert_endless();
}

#[test]
fn two_thousand_random_programs_agree_with_brute_force() {
    compare_random(0..2_000);
}

#[test]
#[ignore = "takes an hour"]
fn a_hundred_thousand_random_programs_agree_with_brute_force() {
    compare_random(2_000..102_000);
}

#[test]
fn five_hundred_endless_programs_agree_with_brute_force() {
    compare_endless(0..500);
}

#[test]
#[ignore = "takes half an hour"]
fn fifty_thousand_endless_programs_agree_with_brute_force() {
    compare_endless(500..50_500);
}

/// For the analysis of a disagreement: `SELVEDGE_FUZZ=r123` or `e123`.
#[test]
#[ignore = "takes the program of one seed"]
fn the_program_of_one_seed_agrees_with_brute_force() {
    let seed = std::env::var("SELVEDGE_FUZZ").expect("which seed");
    let (kind, number) = seed.split_at(1);
    let number: u64 = number.parse().expect("a number");
    match kind {
        "r" => drop(agree(&Program::random(number), &seed)),
        "e" => drop(agree_on_endless(&Program::endless(number), &seed)),
        other => panic!("{other}: neither random nor endless"),
    }
}
