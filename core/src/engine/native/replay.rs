//! Executions along a given schedule.

use std::rc::Rc;

use crate::limits::Limits;
use std::fmt;

use crate::explore::{DeterminismCheck, Replay, Strategy};
use crate::observe::Trace;
use crate::observe::findings::{Counterexample, Findings};
use crate::scenario::Scenario;
use crate::schedule::Schedule;

use super::exploration::Exploration;
use super::lasso::Lasso;
use super::readable;
use super::stateful::{Aim, Stateful};
use crate::runtime::native::{End, Execution};

/// Returns an execution in which the steps of the scenario are those of a search: of its words it
/// assumes what the first execution of a search shows.
pub(super) fn execution_of(scenario: &Scenario) -> Rc<Execution> {
    let execution = Execution::new(usize::MAX);
    let mut first = DeterminismCheck::default();
    first.begin();
    execution.run(scenario.program(), &mut first, &mut Findings::default());
    execution.assume_memory(execution.memory_use());
    execution
}

/// Runs a scenario along a schedule, and records its violations.
pub(super) fn run_along<'a>(
    mut replay: Replay<'a>,
    scenario: &Scenario,
    execution: &Rc<Execution>,
    findings: &mut Findings,
) -> (End, Replay<'a>) {
    if !scenario.starvation_free() {
        return (execution.run(scenario.program(), &mut replay, findings), replay);
    }
    let mut lasso = Lasso::new(replay, execution);
    let end = execution.run(scenario.program(), &mut lasso, findings);
    (end, lasso.note(findings))
}

/// As [`run_along`], with a schedule that may be impossible.
fn run_along_checked(
    schedule: &Schedule,
    scenario: &Scenario,
    execution: &Rc<Execution>,
    findings: &mut Findings,
) -> Result<End, ReplayError> {
    let (end, replay) = run_along(Replay::new(schedule), scenario, execution, findings);
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
    let execution = execution_of(scenario);
    let end = run_along_checked(schedule, scenario, &execution, &mut findings)?;
    let mut found: Vec<Counterexample> = findings.0.into_values().collect();
    found.retain(|found| found.schedule.len() == schedule.len());
    if found.is_empty() {
        found = match end {
            End::Cut => waiting_for_good(scenario, schedule)?,
            _ => return Err(ReplayError::NoViolation),
        };
    }
    found.iter_mut().for_each(|found| readable::annotate(scenario, found));
    Ok(found)
}

/// Returns the threads that wait for good at the end of `schedule`, which takes a whole search to
/// find.
fn waiting_for_good(
    scenario: &Scenario,
    schedule: &Schedule,
) -> Result<Vec<Counterexample>, ReplayError> {
    let limits = Limits::default();
    let mut exploration = Exploration::new(scenario, &limits);
    let waiting = Stateful::start(Aim::Full, 1, &mut exploration)
        .and_then(|mut search| search.waiting_after(schedule, &mut exploration));
    let Ok(Some(threads)) = waiting else { return Err(ReplayError::TooShort) };
    exploration.findings = Findings::default();
    let shown = exploration.show_waiting(schedule, threads);
    shown.map_err(|_| ReplayError::TooShort)?;
    Ok(exploration.findings.0.into_values().collect())
}

pub(crate) fn follow(scenario: &Scenario, schedule: &Schedule) -> Result<Trace, ReplayError> {
    let execution = execution_of(scenario);
    run_along_checked(schedule, scenario, &execution, &mut Findings::default())?;
    Ok(readable::follow(scenario, schedule))
}

/// The reason why a schedule shows no counterexample.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplayError {
    /// A step that is not possible: its position from 0, and the possible threads.
    Impossible {
        /// The position of the step, from 0.
        step: usize,
        /// The threads that could have moved there.
        possible: Vec<String>,
    },
    /// The schedule ends before the execution does, without a violation.
    TooShort,
    /// The execution ends before the schedule does.
    TooLong {
        /// The number of steps of the schedule that happened.
        followed: usize,
    },
    /// The execution ended without a violation.
    NoViolation,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Impossible { step, possible } => {
                let step = step + 1;
                write!(f, "step {step} of the schedule is not possible there; possible would be ")?;
                f.write_str(&possible.join(" or "))
            }
            Self::TooShort => f.write_str("the schedule ends before anything is violated"),
            Self::TooLong { followed } => {
                write!(f, "the execution is over after {followed} steps, the schedule is longer")
            }
            Self::NoViolation => f.write_str("the schedule violates nothing"),
        }
    }
}

impl std::error::Error for ReplayError {}
