//! What the small languages share: random programs of a language against its brute force.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use selvedge_core::{Checker, Engine, Fingerprint, ScenarioBuilder, Search, Verdict};

/// A word, and the logs of the threads.
pub(crate) type End = (u64, Vec<Vec<u64>>);

/// Everything that a program can end with.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) finals: BTreeSet<End>,
    pub(crate) violations: BTreeSet<String>,
}

/// The results of brute force. Where several cycles are shortest, any of them names a deadlock.
#[derive(Default)]
pub(crate) struct Explored {
    pub(crate) outcome: Outcome,
    /// The names that violations may have.
    pub(crate) possible: BTreeSet<String>,
}

impl Explored {
    pub(crate) fn violation(&mut self, name: String) {
        self.deadlock(vec![name]);
    }

    /// Adds a deadlock that has any of these names.
    pub(crate) fn deadlock(&mut self, names: Vec<String>) {
        if let [name] = names.as_slice() {
            self.outcome.violations.insert(name.clone());
        }
        self.possible.extend(names);
    }
}

/// What an engine finds.
pub(crate) struct Found {
    outcome: Outcome,
    complete: bool,
    /// Why it is not.
    stopped: Option<String>,
    fingerprint: Fingerprint,
}

/// Adds so many threads, each of which keeps the `log` of its steps in the world.
pub(crate) fn threads<W: Send + Sync + 'static>(
    builder: ScenarioBuilder<W>,
    count: usize,
    log: fn(&W, usize) -> Vec<u64>,
    logs: fn(&W) -> &Mutex<Vec<Vec<u64>>>,
) -> ScenarioBuilder<W> {
    (0..count).fold(builder, |builder, me| {
        builder.thread(format!("T{me}"), move |world: &W| {
            let log = log(world, me);
            logs(world).lock().unwrap()[me] = log;
        })
    })
}

/// Returns what an engine finds in a program on selvedge's primitives, whose world is at its `end`.
/// Every counterexample is replayed.
pub(crate) fn explore<W: Send + Sync + 'static>(
    program: ScenarioBuilder<W>,
    end: fn(&W) -> End,
    checker: Checker<'_>,
) -> Found {
    let finals = Arc::new(Mutex::new(BTreeSet::new()));
    let ends = Arc::clone(&finals);
    let finally = move |world: &W| _ = ends.lock().unwrap().insert(end(world));
    let scenario = program.finally(finally).expect_proof();
    let report = checker.run(&scenario);
    let found = match report.verdict {
        Verdict::Refuted(found) => found,
        _ => Vec::new(),
    };
    for found in found.iter().filter(|_| report.engine == Engine::Native) {
        let again = scenario.replay(&found.schedule).expect("it is of this scenario");
        assert!(again.contains(found), "{again:#?} without {found:#?}");
    }
    let violations = found.iter().map(|found| found.violation.kind.to_string()).collect();
    let finals = finals.lock().unwrap().clone();
    Found {
        outcome: Outcome { finals, violations },
        complete: report.complete,
        stopped: report.stopped.map(|reason| reason.to_string()),
        fingerprint: report.fingerprint,
    }
}

/// The limit of executions of a search of interleavings.
const EXECUTIONS_MAX: u64 = 2_000;

/// Checks that the searches agree with brute force on the program that has this `name`, and shuttle
/// in so many `samples`. Returns what is possible, and whether every interleaving was explored.
pub(crate) fn agree(
    expected: &Explored,
    explore: impl Fn(Checker<'_>) -> Found,
    samples: u64,
    name: impl Fn() -> String,
) -> (Outcome, bool) {
    let full = explore(Checker::native().search(Search::Full));
    assert!(full.complete, "{:?}; {}", full.stopped, name());
    assert_eq!(full.outcome.finals, expected.outcome.finals, "library left; {}", name());
    let found = &full.outcome.violations;
    assert!(
        found.is_superset(&expected.outcome.violations) && found.is_subset(&expected.possible),
        "{found:?} is not {:?}; {}",
        expected.outcome.violations,
        name()
    );
    let [dpor, sleep_sets] = [Search::Dpor, Search::SleepSets]
        .map(|search| explore(Checker::native().search(search).executions(EXECUTIONS_MAX)));
    let clean = found.is_empty();
    for part in [&dpor, &sleep_sets] {
        assert!(part.outcome.finals.is_subset(&full.outcome.finals), "{}", name());
        assert!(part.outcome.violations.is_subset(&expected.possible), "{}", name());
        if part.complete {
            assert_eq!(part.outcome.violations.is_empty(), clean, "{}", name());
            assert!(!clean || part.outcome.finals == full.outcome.finals, "{}", name());
        }
    }
    let by_traces = dpor.complete && sleep_sets.complete;
    if by_traces && clean {
        assert_eq!(dpor.fingerprint, sleep_sets.fingerprint, "{}", name());
    }
    let shuttle = explore(Checker::shuttle().executions(samples));
    assert!(shuttle.outcome.finals.is_subset(&full.outcome.finals), "shuttle; {}", name());
    assert!(shuttle.outcome.violations.is_subset(&expected.possible), "shuttle; {}", name());
    (full.outcome, by_traces)
}

/// Asserts that at least so many of a thousand programs are of each kind. Of what hardly any
/// program does, nothing is checked.
pub(crate) fn population<const N: usize>(
    seeds: Range<u64>,
    least: [(&str, u64); N],
    kinds: impl Fn(u64) -> [bool; N],
) {
    let total = seeds.end - seeds.start;
    let mut counts = [0; N];
    for seed in seeds {
        for (count, is_one) in counts.iter_mut().zip(kinds(seed)) {
            *count += u64::from(is_one);
        }
    }
    for ((name, least), count) in least.into_iter().zip(counts) {
        assert!(count * 1_000 >= least * total, "{name}: {count} of {total}");
    }
}
