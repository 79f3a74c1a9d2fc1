//! Executions along a schedule that is given.

use std::rc::Rc;

use crate::engine::ReplayError;
use crate::explore::{Replay, Schedule};
use crate::observe::{Observers, Trace};
use crate::scenario::Scenario;
use crate::verdict::{Counterexample, Findings};

use super::execution::{End, Execution};
use super::lasso::Lasso;

/// Runs a scenario along `schedule`, and notes what that violates.
pub(super) fn run_along<'a>(
    schedule: &'a Schedule,
    scenario: &Scenario,
    execution: &Rc<Execution>,
    findings: &mut Findings,
) -> (End, Replay<'a>) {
    let mut replay = Replay::new(schedule);
    if !scenario.nobody_starves() {
        return (execution.run(scenario.program(), &mut replay, findings), replay);
    }
    let mut lasso = Lasso::new(replay, execution);
    let end = execution.run(scenario.program(), &mut lasso, findings);
    (end, lasso.note(findings))
}

/// As [`run_along`], with a schedule that may be none of the scenario's.
fn run_along_checked(
    schedule: &Schedule,
    scenario: &Scenario,
    execution: &Rc<Execution>,
    findings: &mut Findings,
) -> Result<End, ReplayError> {
    let (end, replay) = run_along(schedule, scenario, execution, findings);
    if let Some((step, possible)) = replay.impossible() {
        let name =
            |thread: usize| scenario.threads().nth(thread).unwrap_or("a spawned thread").to_owned();
        let possible =
            possible.iter().map(|c| format!("{} ({})", Schedule(vec![*c]), name(c.thread.index())));
        return Err(ReplayError::Impossible { step, possible: possible.collect() });
    }
    if replay.followed() < schedule.len() {
        return Err(ReplayError::TooLong { followed: replay.followed() });
    }
    Ok(end)
}

pub(crate) fn replay(
    scenario: &Scenario,
    schedule: &Schedule,
) -> Result<Vec<Counterexample>, ReplayError> {
    let mut findings = Findings::default();
    let execution = Execution::new(usize::MAX);
    let end = run_along_checked(schedule, scenario, &execution, &mut findings)?;
    let mut found: Vec<Counterexample> = findings.0.into_values().collect();
    found.retain(|found| found.schedule.len() == schedule.len());
    match (found.is_empty(), end) {
        (false, _) => Ok(found),
        (true, End::Cut) => Err(ReplayError::TooShort),
        (true, _) => Err(ReplayError::NoViolation),
    }
}

pub(crate) fn follow(scenario: &Scenario, schedule: &Schedule) -> Result<Trace, ReplayError> {
    let execution = Execution::new(usize::MAX);
    run_along_checked(schedule, scenario, &execution, &mut Findings::default())?;
    Ok(execution.observers(Observers::trace))
}
