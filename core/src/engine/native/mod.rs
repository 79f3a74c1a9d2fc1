//! Selvedge's own engine: coroutines on one OS thread, explored choice by choice.

mod execution;
mod fiber;
mod intern;

use std::ops::ControlFlow;

use crate::explore::{Replay, Schedule, SleepSets, Stateful, Strategy};
use crate::scenario::Scenario;
use crate::verdict::{Counterexample, Explored, Findings, Report};

use super::{Engine, Limits, Listener, Progress, ReplayError, Search};
use execution::End;
pub(crate) use execution::{Execution, Handle};
pub(crate) use intern::History;

/// Executions between two words to the listener.
const LISTEN_EVERY: u64 = 256;

const DIVERGED: &str = "the scenario does not do the same twice: a thread depends on something \
                        outside the world";

pub(super) fn verify(scenario: &Scenario, limits: &Limits, listener: &mut Listener<'_>) -> Report {
    let mut strategy: Box<dyn Strategy> = match limits.search {
        Search::Stateful => Box::new(Stateful::default()),
        Search::SleepSets => Box::new(SleepSets::default()),
    };
    let execution = Execution::new(limits.native_operations);
    let mut findings = Findings::default();
    let mut executions = 0;
    let stopped = loop {
        if !strategy.begin() {
            break None;
        }
        if executions == limits.native_executions {
            break Some(format!("stopped after {executions} executions, the limit"));
        }
        executions += 1;
        match execution.run(scenario.program(), &mut *strategy, &mut findings) {
            End::Over | End::Cut => {}
            End::Diverged => break Some(DIVERGED.to_owned()),
            End::TooLong => {
                let operations = limits.native_operations;
                break Some(format!("an execution has more than {operations} operations"));
            }
        }
        if executions.is_multiple_of(LISTEN_EVERY) {
            let (states, frontier) = (strategy.certificate().states, strategy.frontier());
            if let ControlFlow::Break(reason) = listener(Progress { executions, states, frontier })
            {
                break Some(reason);
            }
        }
    };
    let mut certificate = strategy.certificate();
    if stopped.is_none() {
        certificate.digest = strategy.digest();
    }
    let explored = Explored { executions, certificate, stopped };
    execution.observers(|seen| {
        Report::new(scenario, Engine::Native, findings, explored, seen.lockdep().inversions())
    })
}

pub(super) fn replay(
    scenario: &Scenario,
    schedule: &Schedule,
) -> Result<Counterexample, ReplayError> {
    let mut replay = Replay::new(schedule);
    let mut findings = Findings::default();
    replay.begin();
    let end = Execution::new(usize::MAX).run(scenario.program(), &mut replay, &mut findings);
    if let Some((step, possible)) = replay.stopped_at {
        let name =
            |thread: usize| scenario.threads().nth(thread).unwrap_or("a spawned thread").to_owned();
        let possible =
            possible.iter().map(|c| format!("{} ({})", Schedule(vec![*c]), name(c.thread.index())));
        return Err(ReplayError::Impossible { step, possible: possible.collect() });
    }
    if replay.followed() < schedule.len() {
        return Err(ReplayError::TooLong { followed: replay.followed() });
    }
    let last = findings.0.into_values().max_by_key(|found| found.schedule.len());
    last.ok_or(if end == End::Cut { ReplayError::TooShort } else { ReplayError::NoViolation })
}
