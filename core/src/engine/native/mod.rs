//! Selvedge's own engine: coroutines on one OS thread, explored choice by choice.

mod automaton;
mod execution;
mod fiber;
mod intern;
mod lesson;
mod stateful;
mod states;

use std::ops::ControlFlow;
use std::rc::Rc;

use crate::explore::{Lead, Replay, Schedule, SleepSets, Strategy, Twice};
use crate::scenario::Scenario;
use crate::verdict::{Certificate, Counterexample, Explored, Findings, Report};

use super::{Engine, Limits, Listener, Progress, ReplayError, Search};
use execution::End;
pub(crate) use execution::{Execution, Handle};
pub(crate) use intern::History;
use lesson::Lessons;
use stateful::Stateful;

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
    let explored = exploration.explore(listener);
    let Exploration { execution, findings, .. } = exploration;
    execution.observers(|seen| {
        Report::new(scenario, Engine::Native, findings, explored, seen.lockdep().inversions())
    })
}

/// A scenario under exploration, by one search after the other.
struct Exploration<'a> {
    execution: Rc<Execution>,
    scenario: &'a Scenario,
    limits: &'a Limits,
    findings: Findings,
    executions: u64,
}

impl Exploration<'_> {
    fn explore(&mut self, listener: &mut Listener<'_>) -> Explored {
        if let Err(reason) = self.check_determinism() {
            let certificate = Certificate::default();
            return Explored { executions: 0, certificate, stopped: Some(reason) };
        }
        match self.limits.search {
            Search::Stateful => {
                let explored = self.by_states(true, listener);
                if self.findings.is_empty() || explored.stopped.is_some() {
                    return explored;
                }
                self.by_states(false, listener)
            }
            Search::Reduced => self.by_states(true, listener),
            Search::Census => self.by_states(false, listener),
            Search::SleepSets => self.by_orderings(&mut SleepSets::default(), listener),
        }
    }

    /// Runs the program twice the same way, before anything is counted.
    fn check_determinism(&mut self) -> Result<(), String> {
        let mut twice = Twice::default();
        while twice.begin() {
            self.run_once(&mut twice)?;
        }
        self.executions = 0;
        if twice.diverged { Err(DIVERGED.to_owned()) } else { Ok(()) }
    }

    fn by_states(&mut self, reduced: bool, listener: &mut Listener<'_>) -> Explored {
        let mut search = Stateful::new(reduced, self.limits.jobs.get());
        let stopped = search.run(self, listener).err();
        let mut certificate = search.certificate();
        if stopped.is_none() {
            certificate.digest = Some(search.digest());
        }
        Explored { executions: self.executions, certificate, stopped }
    }

    fn by_orderings(
        &mut self,
        strategy: &mut dyn Strategy,
        listener: &mut Listener<'_>,
    ) -> Explored {
        let stopped = self.exhaust(strategy, listener).err();
        let certificate = strategy.certificate();
        Explored { executions: self.executions, certificate, stopped }
    }

    fn exhaust(
        &mut self,
        strategy: &mut dyn Strategy,
        listener: &mut Listener<'_>,
    ) -> Result<(), String> {
        while strategy.begin() {
            self.run_once(strategy)?;
            if self.executions.is_multiple_of(LISTEN_EVERY) {
                let executions = self.executions;
                let progress = Progress { executions, states: None, frontier: strategy.frontier() };
                if let ControlFlow::Break(reason) = listener(progress) {
                    return Err(reason);
                }
            }
        }
        Ok(())
    }

    /// Runs the program along `path` and on to an end, and tells what it has shown.
    fn learn(&mut self, path: &Schedule) -> Result<Lessons, String> {
        let mut lead = Lead::new(path);
        self.count_execution()?;
        let program = self.scenario.program();
        let (end, lessons) = self.execution.learn(program, &mut lead, &mut self.findings);
        match end {
            _ if lead.diverged => Err(DIVERGED.to_owned()),
            End::TooLong if lessons.steps.len() <= path.len() => self.too_long(),
            _ => Ok(lessons),
        }
    }

    /// Runs the program along `path`, and notes what that violates.
    fn show(&mut self, path: &Schedule) -> Result<(), String> {
        let mut replay = Replay::new(path);
        self.run_once(&mut replay)?;
        if replay.followed() < path.len() { Err(DIVERGED.to_owned()) } else { Ok(()) }
    }

    fn check_memory(&self, bytes: u64) -> Result<(), String> {
        let most = self.limits.native_memory;
        if bytes <= most {
            return Ok(());
        }
        Err(format!("stopped at {} MiB of states, the limit is {}", bytes >> 20, most >> 20))
    }

    fn check_depth(&self, depth: usize) -> Result<(), String> {
        if depth < self.limits.native_operations { Ok(()) } else { self.too_long() }
    }

    fn too_long<T>(&self) -> Result<T, String> {
        Err(format!("an execution has more than {} operations", self.limits.native_operations))
    }

    fn count_execution(&mut self) -> Result<(), String> {
        let most = self.limits.native_executions;
        if self.executions == most {
            return Err(format!("stopped after {most} executions, the limit"));
        }
        self.executions += 1;
        Ok(())
    }

    /// One execution; the reason if it must be the last.
    fn run_once(&mut self, strategy: &mut dyn Strategy) -> Result<(), String> {
        self.count_execution()?;
        match self.execution.run(self.scenario.program(), strategy, &mut self.findings) {
            End::Over | End::Cut => Ok(()),
            End::Diverged => Err(DIVERGED.to_owned()),
            End::TooLong => self.too_long(),
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
