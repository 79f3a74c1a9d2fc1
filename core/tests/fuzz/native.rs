//! Runs a program on selvedge's primitives, under the native engine and under shuttle.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex as StdMutex};

use selvedge_core::{
    Checker, Checkpoint, Counterexample, Engine, Fingerprint, Incomplete, Progress, Report,
    Scenario, ScenarioBuilder, Search, Shard, Verdict, ViolationKind,
};

use super::program::{Final, Outcome, Program};
use super::world::{World, last, run, world};

/// The configuration of the native engine's search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) search: Search,
    /// The limit of executions.
    pub(crate) executions: u64,
    pub(crate) jobs: usize,
    /// Whether it is stopped, and resumed from a checkpoint.
    pub(crate) stopped: bool,
}

/// The limit of operations of an interleaving: a longer one has no end. It is no smaller than that
/// of the determinism check.
const OPERATIONS_MAX: usize = 1_100;

/// Explores one share of the interleavings.
pub(crate) fn explore_share(program: &Program, executions: u64, shard: Shard) -> Found {
    let checker = Checker::native().search(Search::Dpor).shard(shard);
    explore_by(program, checker.executions(executions).operations(OPERATIONS_MAX))
}

/// Returns the findings and the counts of the native engine. Every counterexample is replayed.
pub(crate) fn explore(program: &Program, how: How) -> Found {
    find(program, |scenario| match how.stopped {
        false => checker(how).run(scenario),
        true => in_pieces(scenario, how),
    })
}

fn checker<'a>(how: How) -> Checker<'a> {
    let checker = Checker::native().search(how.search).executions(how.executions);
    let checker = checker.threads(how.jobs).states_per_thread(16).memory_limit(1 << 28);
    match how.search {
        Search::Dpor | Search::SleepSets => checker.operations(OPERATIONS_MAX),
        _ => checker,
    }
}

/// Returns the findings of shuttle, which stops at the first deadlock.
pub(crate) fn explore_on_shuttle(program: &Program, executions: u64) -> Found {
    explore_by(program, Checker::shuttle().executions(executions))
}

/// Returns the findings of loom, which stops at the first violation.
pub(crate) fn explore_on_loom(program: &Program, executions: u64) -> Found {
    explore_by(program, Checker::loom().executions(executions))
}

fn explore_by(program: &Program, checker: Checker<'_>) -> Found {
    find(program, |scenario| checker.run(scenario))
}

/// Returns whether the findings of this search fit the claim that these violations exist, and that
/// these inversions are predicted.
pub(crate) fn fits(
    program: &Program,
    how: How,
    kinds: &[ViolationKind],
    inversions: &[Vec<String>],
) -> bool {
    let claim =
        |builder: ScenarioBuilder<Arc<World>>| builder.expect_violations(kinds.iter().cloned());
    let mut scenario = claim(scenario(program, &Arc::default()));
    for classes in inversions {
        scenario = scenario.expect_inversion(classes.iter().map(String::as_str));
    }
    checker(how).run(&scenario).as_expected()
}

fn find(program: &Program, verify: impl FnOnce(&Scenario) -> Report) -> Found {
    let finals = Arc::new(StdMutex::new(BTreeSet::new()));
    let scenario = scenario(program, &finals).expect_proof();
    let report = verify(&scenario);
    let inversions = report.predictions.iter().map(|p| p.inversion.classes()).collect();
    let found = match report.verdict {
        Verdict::Refuted(found) => found,
        _ => Vec::new(),
    };
    let (mut deadlocks, mut violations) = (BTreeSet::new(), BTreeSet::new());
    let kinds = found.iter().map(|found| found.violation.kind.clone()).collect();
    for found in found {
        if report.engine != Engine::Loom {
            replays(&scenario, &found);
        }
        match found.violation.kind {
            ViolationKind::Deadlock(classes) => _ = deadlocks.insert(classes),
            other => _ = violations.insert(other.to_string()),
        }
    }
    // A replay can run the final check too, so the set is taken only now.
    let finals = std::mem::take(&mut *finals.lock().unwrap());
    Found {
        outcome: Outcome { finals, deadlocks, violations },
        kinds,
        inversions,
        complete: report.complete,
        stopped: report.stopped.map(|reason| reason.to_string()),
        executions: report.executions,
        fingerprint: report.fingerprint,
    }
}

/// Stops the search repeatedly, after ever longer pieces, and resumes it from the checkpoint.
fn in_pieces(scenario: &Scenario, how: How) -> Report {
    let mut aside: Option<Checkpoint> = None;
    let mut piece = 1;
    loop {
        let from = aside.take();
        let mut heard = 0;
        let stop = |progress: &Progress<'_>| {
            heard += 1;
            if progress.stopping.is_some() {
                aside = progress.checkpoint();
            }
            match heard == piece {
                true => ControlFlow::Break("enough".to_owned()),
                false => ControlFlow::Continue(()),
            }
        };
        let report = match from {
            None => checker(how).on_progress(stop).run(scenario),
            Some(from) => {
                let from = Checkpoint::from_bytes(&from.to_bytes()).expect("just written");
                checker(how).on_progress(stop).resume(scenario, &from).expect("of this scenario")
            }
        };
        if report.stopped != Some(Incomplete::Stopped("enough".to_owned())) {
            return report;
        }
        piece *= 2;
    }
}

pub(crate) struct Found {
    pub(crate) outcome: Outcome,
    /// The violations.
    pub(crate) kinds: Vec<ViolationKind>,
    /// The predicted lock-order inversions, by their classes.
    pub(crate) inversions: Vec<Vec<String>>,
    /// Whether the search is complete.
    pub(crate) complete: bool,
    /// The reason why it is not.
    pub(crate) stopped: Option<String>,
    pub(crate) executions: u64,
    pub(crate) fingerprint: Fingerprint,
}

fn replays(scenario: &Scenario, found: &Counterexample) {
    let again = scenario.replay(&found.schedule);
    let again = again.unwrap_or_else(|e| panic!("{}: {e}\n{:#?}", found.schedule, found.trace));
    assert!(again.contains(found), "{}: {again:#?} without {found:#?}", found.schedule);
}

fn scenario(
    program: &Program,
    finals: &Arc<StdMutex<BTreeSet<Final>>>,
) -> ScenarioBuilder<Arc<World>> {
    let text = program.clone();
    let mut builder = Scenario::builder("fuzz", move || world(text.clone()));
    builder = builder.identical_threads(program.identical, |me| format!("T{me}"), |w| run(w, 0));
    for me in program.identical..program.started {
        builder = builder.thread(format!("T{me}"), move |world| run(world, me));
    }
    let finals = Arc::clone(finals);
    let finally = move |world: &Arc<World>| {
        finals.lock().unwrap().insert(last(world));
    };
    builder.finally(finally)
}
