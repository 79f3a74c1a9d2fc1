//! A scenario under exploration: what every search of it does the same.

use std::rc::Rc;
use std::sync::Arc;

use crate::cycles::Threads;
use crate::explore::{PrefixReplay, Replay, Strategy};
use crate::incomplete::Incomplete;
use crate::limits::Limits;
use crate::observe::Seen;
use crate::observe::findings::Findings;
use crate::op::ThreadId;
use crate::report::{Explored, Report};
use crate::runtime::native::{End, Execution, Recording};
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::search::Engine;
use crate::violation::ViolationKind;

use super::automaton::{ViolatedKey, interchangeable};
use super::graph::Graph;
use super::readable;
use super::replay::run_along;
use super::states::States;

/// Operations after which a search gives up on a program with a loop that no thread seems to leave.
/// What comes of an unlucky look at a flag, and of two, shows long before. The states of several
/// such threads grow with a power of it.
const DEPTH_OF_LOOPS: usize = 64;

/// A scenario under exploration, by one search after the other.
pub(super) struct Exploration<'a> {
    pub(super) execution: Rc<Execution>,
    pub(super) scenario: &'a Scenario,
    pub(super) limits: &'a Limits,
    pub(super) findings: Findings,
    pub(super) executions: u64,
    /// How many there may be.
    pub(super) executions_max: u64,
}

impl<'a> Exploration<'a> {
    pub(super) fn new(scenario: &'a Scenario, limits: &'a Limits) -> Self {
        Self {
            execution: Execution::new(limits.operations),
            scenario,
            limits,
            findings: Findings::default(),
            executions: 0,
            executions_max: limits.native_executions(),
        }
    }

    /// Treats threads that do the same as the same from now on, or no longer.
    pub(super) fn treat_alike(&self, alike: bool) {
        // Its views name threads.
        let alike = alike && !self.execution.assumed_memory().words;
        let threads = if alike { interchangeable(self.scenario.alike()) } else { &[] };
        self.execution.treat_alike(threads.into());
    }

    /// Returns, for each thread, the number of the first that is treated as the same.
    pub(super) fn alike(&self) -> Arc<[usize]> {
        self.execution.alike()
    }

    pub(super) fn report(self, explored: Explored) -> Report {
        let Self { execution, scenario, mut findings, .. } = self;
        readable::rearrange(scenario, &mut findings);
        execution.observers(|seen| {
            Report::new(scenario, Engine::Native, findings, explored, seen.seen())
        })
    }

    /// Takes over what executions on another thread have shown.
    pub(super) fn absorb(&mut self, executions: u64, findings: Findings, seen: &Seen) {
        self.executions += executions;
        self.findings.absorb(findings);
        self.execution.absorb(seen);
    }

    /// Runs the program along `path` and on to an end, and tells what it has shown.
    pub(super) fn learn(&mut self, path: &Schedule) -> Result<Recording, Incomplete> {
        let mut prefix = PrefixReplay::new(path);
        self.count_execution()?;
        let program = self.scenario.program();
        let (end, recording) = self.execution.learn(program, &mut prefix, &mut self.findings);
        match end {
            _ if prefix.diverged => Err(Incomplete::Nondeterministic),
            End::TooLong if recording.steps.len() <= path.len() => self.too_long(),
            _ => Ok(recording),
        }
    }

    /// Runs the program along `path`, and notes what that violates.
    pub(super) fn show(&mut self, path: &Schedule) -> Result<(), Incomplete> {
        self.show_waiting(path, 0)
    }

    /// As [`show`](Self::show), and insists that the last step violates what it has violated
    /// before.
    pub(super) fn show_violation(
        &mut self,
        path: &Schedule,
        what: &ViolatedKey,
    ) -> Result<(), Incomplete> {
        let shown = self.show_apart(path)?;
        let again = |kind: &ViolationKind| match what {
            // A rule of an object follows from its state.
            (Some(_), _) => true,
            (None, violated) => kind.to_string() == *violated,
        };
        if !shown.0.keys().any(again) {
            return Err(Incomplete::Nondeterministic);
        }
        self.findings.absorb(shown);
        Ok(())
    }

    /// Runs the program along `path`, and insists that it violates what an earlier search has said:
    /// that of an execution that ends where others would only go round.
    pub(super) fn show_again(&mut self, path: &Schedule, what: &str) -> Result<(), Incomplete> {
        let is = |kind: &ViolationKind| kind.to_string() == *what;
        let mut shown = self.show_apart(path)?;
        if !shown.0.keys().any(is) {
            let replay = Replay::new(path).at_whose_end_others_go_round();
            shown = self.apart(|exploration| exploration.run_replay(replay, path))?;
        }
        shown.0.retain(|kind, _| is(kind));
        if shown.is_empty() {
            return Err(Incomplete::Nondeterministic);
        }
        self.findings.absorb(shown);
        Ok(())
    }

    /// Runs the program along `path`: what that violates.
    pub(super) fn show_apart(&mut self, path: &Schedule) -> Result<Findings, Incomplete> {
        self.apart(|exploration| exploration.show(path))
    }

    /// Runs the program by `run`, and returns what that violates apart from the other findings.
    fn apart(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<(), Incomplete>,
    ) -> Result<Findings, Incomplete> {
        let before = std::mem::take(&mut self.findings);
        let result = run(self);
        let shown = std::mem::replace(&mut self.findings, before);
        result.map(|()| shown)
    }

    /// As [`show`](Self::show), and notes that `threads` wait for good at its end.
    pub(super) fn show_waiting(
        &mut self,
        path: &Schedule,
        threads: Threads,
    ) -> Result<(), Incomplete> {
        self.run_replay(Replay::new(path).at_whose_end_wait(threads), path)
    }

    pub(super) fn run_replay(
        &mut self,
        replay: Replay<'_>,
        path: &Schedule,
    ) -> Result<(), Incomplete> {
        self.count_execution()?;
        let (end, replay) = run_along(replay, self.scenario, &self.execution, &mut self.findings);
        match end {
            End::TooLong => self.too_long(),
            _ if replay.followed() < path.len() => Err(Incomplete::Nondeterministic),
            _ => Ok(()),
        }
    }

    /// Runs the program along `lasso`, and notes that `thread` starves.
    pub(super) fn show_starvation(
        &mut self,
        thread: ThreadId,
        lasso: &Schedule,
    ) -> Result<(), Incomplete> {
        let mut shown = self.show_apart(lasso)?;
        // Others may wait on the same cycle, and for good.
        let name = self.execution.observers(|seen| seen.name(thread));
        shown.0.retain(|kind, _| match kind {
            ViolationKind::Starvation { thread, .. } => *thread == name,
            _ => false,
        });
        if shown.is_empty() {
            return Err(Incomplete::Nondeterministic);
        }
        self.findings.absorb(shown);
        Ok(())
    }

    /// Whether equal identities still mean equal values.
    pub(super) fn check_comparable(&self) -> Result<(), Incomplete> {
        match self.execution.opaque() {
            true => Err(Incomplete::Incomparable),
            false => Ok(()),
        }
    }

    pub(super) fn check_memory(&self, states: &States) -> Result<(), Incomplete> {
        let bytes = states.memory();
        let most = self.limits.memory.min(states.memory_max());
        if bytes <= most {
            return Ok(());
        }
        Err(Incomplete::Memory { bytes, limit: most })
    }

    /// Whether there is room for the steps between the states.
    pub(super) fn check_graph(&self, states: &States) -> Result<(), Incomplete> {
        let bytes = states.memory() + states.len() * Graph::BYTES_PER_STATE;
        if bytes <= self.limits.memory {
            return Ok(());
        }
        let most = self.limits.memory;
        Err(Incomplete::Memory { bytes, limit: most })
    }

    pub(super) fn check_depth(&self, depth: usize) -> Result<(), Incomplete> {
        let spins = depth >= DEPTH_OF_LOOPS && self.execution.spins().is_some();
        if depth < self.limits.operations && !spins { Ok(()) } else { self.too_long() }
    }

    pub(super) fn too_long<T>(&self) -> Result<T, Incomplete> {
        if let Some(spins) = self.execution.spins() {
            return Err(Incomplete::EndlessLoop(spins));
        }
        if self.execution.crowded() {
            return Err(Incomplete::Crowded);
        }
        Err(Incomplete::Operations { limit: self.limits.operations })
    }

    pub(super) fn executions_left(&self) -> Result<u64, Incomplete> {
        let most = self.executions_max;
        match most.saturating_sub(self.executions) {
            0 => Err(Incomplete::Executions { limit: most }),
            left => Ok(left),
        }
    }

    pub(super) fn count_execution(&mut self) -> Result<(), Incomplete> {
        self.executions_left()?;
        self.executions += 1;
        Ok(())
    }

    /// One execution; the reason if it must be the last.
    pub(super) fn run_once(&mut self, strategy: &mut dyn Strategy) -> Result<(), Incomplete> {
        self.count_execution()?;
        match self.execution.run(self.scenario.program(), strategy, &mut self.findings) {
            End::Over | End::Cut => Ok(()),
            End::Diverged => Err(Incomplete::Nondeterministic),
            End::TooLong => self.too_long(),
        }
    }
}
