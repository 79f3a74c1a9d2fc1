//! Runs a program on selvedge's primitives, under the native engine and under shuttle.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex as StdMutex};

use selvedge_core::{
    Checkpoint, Counterexample, Engine, Fingerprint, Limits, Progress, Report, Scenario,
    ScenarioBuilder, Search, Shard, Verdict, ViolationKind,
};

use super::program::{Final, Outcome, Program};
use super::world::{World, last, run, world};

/// How the native engine searches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) search: Search,
    /// Executions at most.
    pub(crate) executions: u64,
    pub(crate) jobs: usize,
    /// Whether it is stopped, put aside and gone on with.
    pub(crate) stopped: bool,
}

/// How many operations an ordering may have: a longer one has no end. No fewer than the engine runs to
/// see whether a program does the same twice.
const OPERATIONS_MAX: usize = 1_100;

/// What one share of the orderings shows.
pub(crate) fn explore_share(program: &Program, executions: u64, shard: Shard) -> Found {
    let mut limits = Limits::default();
    (limits.search, limits.shard) = (Search::Dpor, shard);
    (limits.native_executions, limits.native_operations) = (executions, OPERATIONS_MAX);
    explore_on(program, Engine::Native, &limits)
}

/// What the native engine finds, and what it has counted. Every counterexample is replayed.
pub(crate) fn explore(program: &Program, how: How) -> Found {
    let limits = limits(how);
    find(program, |scenario| match how.stopped {
        false => scenario.verify_with(Engine::Native, &limits, &mut |_| ControlFlow::Continue(())),
        true => in_pieces(scenario, &limits),
    })
}

fn limits(how: How) -> Limits {
    let mut limits = Limits::default();
    (limits.search, limits.native_executions) = (how.search, how.executions);
    (limits.jobs, limits.states_per_thread) = (NonZero::new(how.jobs).unwrap(), 16);
    limits.native_memory = 1 << 28;
    if matches!(how.search, Search::Dpor | Search::SleepSets) {
        limits.native_operations = OPERATIONS_MAX;
    }
    limits
}

/// What shuttle finds, which stops at the first deadlock.
pub(crate) fn explore_on_shuttle(program: &Program, executions: u64) -> Found {
    let mut limits = Limits::default();
    limits.shuttle_executions = executions;
    explore_on(program, Engine::Shuttle, &limits)
}

/// What loom finds, which stops at the first violation.
pub(crate) fn explore_on_loom(program: &Program, executions: u64) -> Found {
    let mut limits = Limits::default();
    limits.loom_executions = Some(executions);
    explore_on(program, Engine::Loom, &limits)
}

fn explore_on(program: &Program, engine: Engine, limits: &Limits) -> Found {
    find(program, |scenario| {
        scenario.verify_with(engine, limits, &mut |_| ControlFlow::Continue(()))
    })
}

/// Whether what this search finds fits the claim that these violations are there, and that these
/// inversions are predicted.
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
    let limits = limits(how);
    let go_on = &mut |_: Progress<'_>| ControlFlow::Continue(());
    scenario.verify_with(Engine::Native, &limits, go_on).as_expected()
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
        stopped: report.stopped,
        executions: report.executions,
        fingerprint: report.fingerprint,
    }
}

/// Stops the search again and again, after ever longer pieces, and goes on with what was put aside.
fn in_pieces(scenario: &Scenario, limits: &Limits) -> Report {
    let mut aside: Option<Checkpoint> = None;
    let mut piece = 1;
    loop {
        let from = aside.take();
        let mut heard = 0;
        let mut stop = |progress: Progress<'_>| {
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
            None => scenario.verify_with(Engine::Native, limits, &mut stop),
            Some(from) => {
                let from = Checkpoint::from_bytes(&from.to_bytes()).expect("just written");
                scenario.resume(&from, limits, &mut stop).expect("of this scenario")
            }
        };
        if report.stopped.as_deref() != Some("enough") {
            return report;
        }
        piece *= 2;
    }
}

pub(crate) struct Found {
    pub(crate) outcome: Outcome,
    /// What is violated.
    pub(crate) kinds: Vec<ViolationKind>,
    /// The lock-order inversions that are predicted, by their classes.
    pub(crate) inversions: Vec<Vec<String>>,
    /// Whether that is all.
    pub(crate) complete: bool,
    /// Why not, if not.
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
    for me in 0..program.started {
        builder = builder.thread(&format!("T{me}"), move |world| run(world, me));
    }
    let finals = Arc::clone(finals);
    let finally = move |world: &Arc<World>| {
        finals.lock().unwrap().insert(last(world));
    };
    builder.finally(finally)
}
