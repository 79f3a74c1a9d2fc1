//! Selvedge's own engine: coroutines on one OS thread, explored choice by choice.

mod execution;
mod fiber;
mod intern;

use std::ops::ControlFlow;
use std::rc::Rc;

use crate::explore::{Dpor, Replay, Schedule, SleepSets, Stateful, Strategy, Twice};
use crate::scenario::Scenario;
use crate::verdict::{Certificate, Counterexample, Explored, Findings, Report};

use super::{Engine, Limits, Listener, Progress, ReplayError, Search};
use execution::End;
pub(crate) use execution::{Execution, Handle};
pub(crate) use intern::History;

/// Executions between two words to the listener.
const LISTEN_EVERY: u64 = 256;

const DIVERGED: &str = "the scenario does not do the same twice: a thread depends on something \
                        outside the world";

pub(super) fn verify(scenario: &Scenario, limits: &Limits, listener: &mut Listener<'_>) -> Report {
    let mut exploration = Exploration {
        execution: Execution::new(limits.native_operations),
        scenario,
        limits,
        findings: Findings::default(),
        executions: 0,
    };
    if let Some(reason) = exploration.check_determinism() {
        let certificate = Certificate::default();
        let explored = Explored { executions: 0, certificate, stopped: Some(reason) };
        return Report::new(scenario, Engine::Native, exploration.findings, explored, &[]);
    }
    let mut dpor = Dpor::default();
    let mut explored = match limits.search {
        Search::Stateful | Search::Reduced => exploration.run(&mut Stateful::reduced(), listener),
        Search::Census => exploration.run(&mut Stateful::default(), listener),
        Search::SleepSets => exploration.run(&mut SleepSets::default(), listener),
        Search::Dpor => exploration.run(&mut dpor, listener),
    };
    // Where something is violated, a reduction need not have seen what else is.
    let refuted = !exploration.findings.is_empty() && explored.stopped.is_none();
    if (limits.search == Search::Stateful && refuted) || dpor.stopped_by_a_violation() {
        explored = exploration.run(&mut Stateful::default(), listener);
    }
    let Exploration { execution, findings, .. } = exploration;
    execution.observers(|seen| {
        Report::new(scenario, Engine::Native, findings, explored, seen.lockdep().inversions())
    })
}

/// A scenario under exploration, by one strategy after the other.
struct Exploration<'a> {
    execution: Rc<Execution>,
    scenario: &'a Scenario,
    limits: &'a Limits,
    findings: Findings,
    executions: u64,
}

impl Exploration<'_> {
    /// Runs the program twice the same way, before anything is counted.
    fn check_determinism(&mut self) -> Option<String> {
        let mut twice = Twice::default();
        while twice.begin() {
            if let Some(reason) = self.run_once(&mut twice) {
                return Some(reason);
            }
        }
        self.executions = 0;
        twice.diverged.then(|| DIVERGED.to_owned())
    }

    fn run(&mut self, strategy: &mut dyn Strategy, listener: &mut Listener<'_>) -> Explored {
        let mut over = false;
        let stopped = loop {
            if !strategy.begin() {
                over = true;
                break strategy.unexplored();
            }
            if let Some(reason) = self.run_once(strategy) {
                break Some(reason);
            }
            if self.executions.is_multiple_of(LISTEN_EVERY) {
                let progress = Progress {
                    executions: self.executions,
                    states: strategy.certificate().states,
                    frontier: strategy.frontier(),
                };
                if let ControlFlow::Break(reason) = listener(progress) {
                    break Some(reason);
                }
            }
        };
        let mut certificate = strategy.certificate();
        if over {
            certificate.digest = strategy.digest();
        }
        Explored { executions: self.executions, certificate, stopped }
    }

    /// One execution; the reason if it must be the last.
    fn run_once(&mut self, strategy: &mut dyn Strategy) -> Option<String> {
        let Limits { native_executions, native_operations, .. } = *self.limits;
        if self.executions == native_executions {
            return Some(format!("stopped after {native_executions} executions, the limit"));
        }
        self.executions += 1;
        match self.execution.run(self.scenario.program(), strategy, &mut self.findings) {
            End::Over | End::Cut => None,
            End::Diverged => Some(DIVERGED.to_owned()),
            End::TooLong => {
                Some(format!("an execution has more than {native_operations} operations"))
            }
        }
    }
}

pub(super) fn replay(
    scenario: &Scenario,
    schedule: &Schedule,
) -> Result<Vec<Counterexample>, ReplayError> {
    let mut replay = Replay::new(schedule);
    let mut findings = Findings::default();
    replay.begin();
    let end = Execution::new(usize::MAX).run(scenario.program(), &mut replay, &mut findings);
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
    let mut found: Vec<Counterexample> = findings.0.into_values().collect();
    found.retain(|found| found.schedule.len() == schedule.len());
    match (found.is_empty(), end) {
        (false, _) => Ok(found),
        (true, End::Cut) => Err(ReplayError::TooShort),
        (true, _) => Err(ReplayError::NoViolation),
    }
}
