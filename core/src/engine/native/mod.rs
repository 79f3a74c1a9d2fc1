//! Selvedge's own engine: coroutines on one OS thread, explored choice by choice.

mod automaton;
mod execution;
mod fiber;
mod for_good;
mod graph;
mod intern;
mod lasso;
mod learner;
mod lesson;
mod orderings;
#[cfg(unix)]
mod overflow;
mod replay;
mod starvation;
mod stateful;
mod states;
mod successor;
mod table;
mod walk;
mod ways;

use std::ops::ControlFlow;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::closed::Threads;
use crate::explore::{Lead, Replay, Schedule, Shard, SleepSets, Strategy, Twice};
use crate::observe::Seen;
use crate::op::ThreadId;
use crate::scenario::Scenario;
use crate::verdict::{Certificate, Explored, Findings, Part, Report};
use crate::violation::ViolationKind;

use super::{Engine, Limits, Listener, Progress, Search};
use automaton::ViolatedKey;
use execution::End;
pub(crate) use execution::{Execution, Handle};
use graph::Graph;
pub(crate) use intern::History;
use lesson::Lessons;
use orderings::{Orderings, SavedOrderings};
use replay::run_along;
pub(super) use replay::{follow, replay};
use stateful::{Aim, PAUSED, SavedStates, Stateful};
use states::States;

/// Executions between two words to the listener.
const LISTEN_EVERY: u64 = 256;

/// States after which the default search looks whether there are few orderings. Threads that share
/// locks mostly have fewer.
const MANY_STATES: u64 = 100_000;

/// Executions that it takes for that: some 50 milliseconds, as the states before have taken.
const FEW_EXECUTIONS: u64 = 20_000;

/// Operations after which a search gives up on a program with a loop that no thread seems to leave.
/// What comes of an unlucky look at a flag, and of two, shows long before.
const DEPTH_OF_LOOPS: usize = 200;

pub(super) const DIVERGED: &str = "the scenario does not do the same twice: a thread depends on something \
                        outside the world";

pub(super) fn verify(scenario: &Scenario, limits: &Limits, listener: &mut Listener<'_>) -> Report {
    let mut exploration = Exploration::new(scenario, limits);
    let explored = exploration.explore(listener);
    exploration.report(explored)
}

pub(super) fn resume(
    scenario: &Scenario,
    checkpoint: &Checkpoint,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Result<Report, CheckpointError> {
    if checkpoint.scenario() != scenario.name() {
        let scenario = checkpoint.scenario().to_owned();
        return Err(CheckpointError::OtherScenario { scenario });
    }
    let mut exploration = Exploration::new(scenario, limits);
    // What was executed before the checkpoint was made has been counted.
    exploration.executions_max = u64::MAX;
    let jobs = limits.jobs.get();
    let explored = match checkpoint.open()? {
        // Made before the scenario asked who starves: there is no census to go on with.
        Saved::States(saved) if scenario.nobody_starves() && !saved.is_census() => {
            return Err(CheckpointError::Outdated);
        }
        Saved::Orderings(_) if scenario.nobody_starves() => return Err(CheckpointError::Outdated),
        Saved::States(saved) => {
            let search = Stateful::restore(*saved, jobs, &mut exploration)?;
            exploration.executions_max = limits.native_executions;
            exploration.run_stateful(search, listener)
        }
        Saved::Orderings(saved) => {
            let search = Orderings::restore(saved, jobs, &mut exploration)?;
            exploration.executions_max = limits.native_executions;
            exploration.run_orderings(search, listener)
        }
    };
    Ok(exploration.report(explored))
}

/// A search that has been put aside.
#[derive(Serialize, Deserialize)]
enum Saved {
    States(Box<SavedStates>),
    Orderings(SavedOrderings),
}

/// A scenario under exploration, by one search after the other.
struct Exploration<'a> {
    execution: Rc<Execution>,
    scenario: &'a Scenario,
    limits: &'a Limits,
    findings: Findings,
    executions: u64,
    /// How many there may be.
    executions_max: u64,
}

impl<'a> Exploration<'a> {
    fn new(scenario: &'a Scenario, limits: &'a Limits) -> Self {
        Self {
            execution: Execution::new(limits.native_operations),
            scenario,
            limits,
            findings: Findings::default(),
            executions: 0,
            executions_max: limits.native_executions,
        }
    }

    fn report(self, explored: Explored) -> Report {
        let Self { execution, scenario, findings, .. } = self;
        execution.observers(|seen| {
            Report::new(scenario, Engine::Native, findings, explored, seen.seen())
        })
    }

    fn explore(&mut self, listener: &mut Listener<'_>) -> Explored {
        match self.check_determinism() {
            Ok(()) => self.search(listener),
            Err(reason) => self.stopped(reason),
        }
    }

    fn search(&mut self, listener: &mut Listener<'_>) -> Explored {
        if self.limits.shard != Shard::WHOLE && self.limits.search != Search::Dpor {
            let search = self.limits.search.as_str();
            return self.stopped(format!("a share is of orderings, and {search} explores states"));
        }
        if self.scenario.nobody_starves() {
            return match self.limits.search {
                Search::Stateful | Search::Census => self.by_states(Aim::Census, listener),
                search => {
                    let search = search.as_str();
                    self.stopped(format!("who starves only a census can tell, {search} is none"))
                }
            };
        }
        if self.execution.opaque() && self.limits.search == Search::Stateful {
            return self.by_orderings(listener);
        }
        match self.limits.search {
            Search::Stateful => self.by_states(Aim::Verdict, listener),
            Search::Reduced => self.by_states(Aim::Proof, listener),
            Search::Census => self.by_states(Aim::Census, listener),
            Search::Shortest => self.by_states(Aim::Shortest, listener),
            Search::SleepSets => self.by_sleep_sets(listener),
            Search::Dpor => self.by_orderings(listener),
        }
    }

    /// Runs the program twice the same way, before anything is counted.
    fn check_determinism(&mut self) -> Result<(), String> {
        let mut twice = Twice::default();
        while twice.begin() {
            self.count_execution()?;
            // A program without an end is as long twice; how long an execution may be is for a search.
            let program = self.scenario.program();
            if self.execution.run(program, &mut twice, &mut self.findings) == End::Diverged {
                return Err(DIVERGED.to_owned());
            }
        }
        self.executions = 0;
        if twice.diverged { Err(DIVERGED.to_owned()) } else { Ok(()) }
    }

    /// What there is to say of a search that did not begin.
    fn stopped(&self, reason: String) -> Explored {
        let shard = self.limits.shard;
        let part = Part { shard, parts: 0, program: 0, done: false };
        Explored {
            executions: self.executions,
            certificate: Certificate::default(),
            stopped: Some(reason),
            search: Some(self.limits.search),
            part: (shard != Shard::WHOLE).then_some(part),
            thorough: true,
        }
    }

    fn by_states(&mut self, aim: Aim, listener: &mut Listener<'_>) -> Explored {
        if let Err(reason) = self.check_comparable() {
            return self.stopped(reason);
        }
        let mut search = match Stateful::start(aim, self.limits.jobs.get(), self) {
            Ok(search) => search,
            Err(reason) => return self.stopped(reason),
        };
        // Whoever asks for a search by its name gets that one.
        if aim == Aim::Verdict {
            search.pause_at(MANY_STATES);
        }
        self.run_stateful(search, listener)
    }

    /// Explores orderings for a moment: where threads have little to do with each other, there may be
    /// few of them and any number of states. Nothing, if they do not come to a proof by then.
    fn try_orderings(&self) -> Option<Explored> {
        let mut moment = Exploration::new(self.scenario, self.limits);
        moment.executions_max = FEW_EXECUTIONS;
        let mut search = Orderings::new(self.limits.jobs.get(), Shard::WHOLE);
        let ended = search.run(&mut moment, &mut |_| ControlFlow::Continue(()));
        let proved = ended.is_ok()
            && moment.findings.is_empty()
            && search.unexplored().is_none()
            && !search.stopped_by_a_violation()
            && !moment.execution.opaque();
        proved.then(|| {
            self.execution.absorb(&moment.execution.take_seen());
            Explored {
                executions: self.executions + moment.executions,
                certificate: Certificate { digest: Some(search.digest()), ..search.certificate() },
                stopped: None,
                search: Some(Search::Dpor),
                part: None,
                thorough: true,
            }
        })
    }

    fn by_orderings(&mut self, listener: &mut Listener<'_>) -> Explored {
        let (jobs, shard) = (self.limits.jobs.get(), self.limits.shard);
        self.run_orderings(Orderings::new(jobs, shard), listener)
    }

    fn run_stateful(&mut self, mut search: Stateful, listener: &mut Listener<'_>) -> Explored {
        let mut ended = search.run(self, listener);
        if ended.as_ref().is_err_and(|reason| reason == PAUSED) {
            if let Some(proof) = self.try_orderings() {
                return proof;
            }
            ended = search.run(self, listener);
        }
        if self.execution.opaque() {
            // A value has turned up that may have been taken for another.
            return self.search(listener);
        }
        let stopped = ended.err();
        let mut certificate = search.certificate();
        if stopped.is_none() {
            certificate.digest = Some(search.digest());
        }
        Explored {
            executions: self.executions,
            certificate,
            stopped,
            search: Some(search.aim().search()),
            part: None,
            thorough: search.aim().is_thorough(),
        }
    }

    fn run_orderings(&mut self, mut search: Orderings, listener: &mut Listener<'_>) -> Explored {
        let ended = search.run(self, listener);
        if search.confuses_values(self) {
            // As above; from here on it walks on executions of the program.
            return self.by_orderings(listener);
        }
        if ended.is_ok() && search.stopped_by_a_violation() && !search.is_share() {
            // What else is violated only a search can tell that a violation does not stop.
            let explored = self.by_states(Aim::Census, listener);
            if explored.stopped.is_none() {
                return explored;
            }
        }
        let mut certificate = search.certificate();
        if ended.is_ok() {
            certificate.digest = Some(search.digest());
        }
        let thorough = !search.stopped_by_a_violation();
        let part = search.part(ended.is_ok());
        Explored {
            executions: self.executions,
            certificate,
            stopped: ended.err().or_else(|| search.unexplored()).or_else(|| {
                part.map(|part| format!("this is share {} of the orderings", part.shard))
            }),
            search: Some(Search::Dpor),
            part,
            thorough,
        }
    }

    fn by_sleep_sets(&mut self, listener: &mut Listener<'_>) -> Explored {
        let mut search = SleepSets::default();
        let ended = self.exhaust(&mut search, listener);
        let mut certificate = search.certificate();
        if ended.is_ok() {
            certificate.digest = search.digest();
        }
        Explored {
            executions: self.executions,
            certificate,
            stopped: ended.err().or_else(|| search.unexplored()),
            search: Some(Search::SleepSets),
            part: None,
            thorough: !search.stopped_by_a_violation(),
        }
    }

    fn exhaust(
        &mut self,
        strategy: &mut dyn Strategy,
        listener: &mut Listener<'_>,
    ) -> Result<(), String> {
        while strategy.begin() {
            self.run_once(strategy)?;
            if self.executions.is_multiple_of(LISTEN_EVERY)
                && let ControlFlow::Break(reason) = listener(Progress::executions(self.executions))
            {
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Takes over what executions on another thread have shown.
    fn absorb(&mut self, executions: u64, findings: Findings, seen: &Seen) {
        self.executions += executions;
        self.findings.absorb(findings);
        self.execution.absorb(seen);
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
        self.show_waiting(path, 0)
    }

    /// As [`show`](Self::show), and insists that the last step violates what it has violated before.
    fn show_violation(&mut self, path: &Schedule, what: &ViolatedKey) -> Result<(), String> {
        let shown = self.show_apart(path)?;
        let again = |kind: &ViolationKind| match what {
            // A rule of an object follows from its state.
            (Some(_), _) => true,
            (None, violated) => kind.to_string() == *violated,
        };
        if !shown.0.keys().any(again) {
            return Err(DIVERGED.to_owned());
        }
        self.findings.absorb(shown);
        Ok(())
    }

    /// Runs the program along `path`, and insists that it violates what an earlier search has said:
    /// that of an execution that ends where others would only go round.
    fn show_again(&mut self, path: &Schedule, what: &str) -> Result<(), String> {
        let is = |kind: &ViolationKind| kind.to_string() == *what;
        let mut shown = self.show_apart(path)?;
        if !shown.0.keys().any(is) {
            let before = std::mem::take(&mut self.findings);
            let result = self.run_replay(Replay::new(path).at_whose_end_others_go_round(), path);
            shown = std::mem::replace(&mut self.findings, before);
            result?;
        }
        shown.0.retain(|kind, _| is(kind));
        if shown.is_empty() {
            return Err(DIVERGED.to_owned());
        }
        self.findings.absorb(shown);
        Ok(())
    }

    /// Runs the program along `path`: what that violates.
    fn show_apart(&mut self, path: &Schedule) -> Result<Findings, String> {
        let before = std::mem::take(&mut self.findings);
        let result = self.show(path);
        let shown = std::mem::replace(&mut self.findings, before);
        result.map(|()| shown)
    }

    /// As [`show`](Self::show), and notes that `threads` wait for good at its end.
    fn show_waiting(&mut self, path: &Schedule, threads: Threads) -> Result<(), String> {
        self.run_replay(Replay::new(path).at_whose_end_wait(threads), path)
    }

    fn run_replay(&mut self, replay: Replay<'_>, path: &Schedule) -> Result<(), String> {
        self.count_execution()?;
        let (end, replay) = run_along(replay, self.scenario, &self.execution, &mut self.findings);
        match end {
            End::TooLong => self.too_long(),
            _ if replay.followed() < path.len() => Err(DIVERGED.to_owned()),
            _ => Ok(()),
        }
    }

    /// Runs the program along `lasso`, and notes that `thread` starves.
    fn show_starvation(&mut self, thread: ThreadId, lasso: &Schedule) -> Result<(), String> {
        let mut shown = self.show_apart(lasso)?;
        // Others may wait on the same cycle, and for good.
        let name = self.execution.observers(|seen| seen.name(thread));
        shown.0.retain(|kind, _| match kind {
            ViolationKind::Starvation { thread, .. } => *thread == name,
            _ => false,
        });
        if shown.is_empty() {
            return Err(DIVERGED.to_owned());
        }
        self.findings.absorb(shown);
        Ok(())
    }

    /// Whether equal identities still mean equal values.
    fn check_comparable(&self) -> Result<(), String> {
        match self.execution.opaque() {
            true => Err("the world has values that cannot be compared".to_owned()),
            false => Ok(()),
        }
    }

    fn check_memory(&self, states: &States) -> Result<(), String> {
        let bytes = states.memory();
        let most = self.limits.native_memory.min(states.memory_max());
        if bytes <= most {
            return Ok(());
        }
        Err(format!("stopped at {bytes} bytes of states, the limit is {most}"))
    }

    /// Whether there is room for the steps between the states.
    fn check_graph(&self, states: &States) -> Result<(), String> {
        let bytes = states.memory() + states.len() * Graph::BYTES_PER_STATE;
        if bytes <= self.limits.native_memory {
            return Ok(());
        }
        let most = self.limits.native_memory;
        Err(format!("who waits for good takes {bytes} bytes to tell, the limit is {most}"))
    }

    fn check_depth(&self, depth: usize) -> Result<(), String> {
        let spins = depth >= DEPTH_OF_LOOPS && self.execution.spins().is_some();
        if depth < self.limits.native_operations && !spins { Ok(()) } else { self.too_long() }
    }

    fn too_long<T>(&self) -> Result<T, String> {
        if let Some(spins) = self.execution.spins() {
            return Err(spins);
        }
        Err(format!("an execution has more than {} operations", self.limits.native_operations))
    }

    fn executions_left(&self) -> Result<u64, String> {
        let most = self.executions_max;
        match most.saturating_sub(self.executions) {
            0 => Err(format!("stopped after {most} executions, the limit")),
            left => Ok(left),
        }
    }

    fn count_execution(&mut self) -> Result<(), String> {
        self.executions_left()?;
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
