//! Selvedge's own engine: coroutines on one OS thread, explored choice by choice.

mod any_number;
mod automaton;
mod certificate;
pub(crate) mod exploration;
mod for_good;
mod graph;
mod interleavings;
mod lasso;
mod learner;
mod longest_wait;
mod obstacle;
mod paths;
pub(super) mod readable;
mod replay;
mod starvation;
mod stateful;
mod states;
mod successor;
mod table;
mod walk;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::explore::{Alone, DeterminismCheck, SleepSets, Strategy};
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::report::{Explored, Report, ShardResult};
use crate::scenario::Scenario;
use crate::shard::Shard;

use crate::limits::{Limits, Listener, Progress};
use crate::observe::findings::Findings;
use crate::op::ThreadId;
use crate::runtime::native::End;
use crate::search::Search;
pub(crate) use certificate::certificate;
use exploration::Exploration;
use interleavings::{Orderings, SavedOrderings};
pub(crate) use longest_wait::longest_waits;
pub(crate) use obstacle::obstacles;
pub use replay::ReplayError;
pub(crate) use replay::{follow, replay};
use stateful::{Aim, Ended, SavedStates, Stateful};

/// Executions between two words to the listener.
const LISTEN_EVERY: u64 = 256;

/// States after which the default search looks whether there are few orderings. Threads that share
/// locks mostly have fewer.
const MANY_STATES: u64 = 100_000;

/// Executions that it takes for that: some 50 milliseconds, as the states before have taken.
const FEW_EXECUTIONS: u64 = 20_000;

/// The most threads that are followed alone before a search.
const LOOKED_AT: usize = 16;

pub(super) fn verify(scenario: &Scenario, limits: &Limits, listener: &mut Listener<'_>) -> Report {
    if let Some(clients) = scenario.clients() {
        return any_number::verify(scenario, clients, limits, listener);
    }
    let mut exploration = Exploration::new(scenario, limits);
    let explored = exploration.explore(listener);
    exploration.report(explored)
}

pub(crate) fn resume(
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
    // A program that has become nondeterministic is found below.
    let _ = exploration.check_determinism();
    // What was executed before the checkpoint was made has been counted.
    exploration.executions_max = u64::MAX;
    let jobs = limits.jobs.get();
    let explored = match checkpoint.open()? {
        // Made before the scenario asked for starvation: it has no full search to resume.
        Saved::States(saved) if scenario.starvation_free() && !saved.is_full() => {
            return Err(CheckpointError::Outdated);
        }
        Saved::Orderings(_) if scenario.starvation_free() => return Err(CheckpointError::Outdated),
        Saved::States(saved) => {
            let search = Stateful::restore(*saved, jobs, &mut exploration)?;
            exploration.executions_max = limits.native_executions();
            exploration.run_stateful(search, listener)
        }
        Saved::Orderings(saved) => {
            let search = Orderings::restore(saved, jobs, &mut exploration)?;
            exploration.executions_max = limits.native_executions();
            exploration.run_orderings(search, listener)
        }
    };
    Ok(exploration.report(explored))
}

/// A search in a checkpoint.
#[derive(Serialize, Deserialize)]
enum Saved {
    States(Box<SavedStates>),
    Orderings(SavedOrderings),
}

impl<'a> Exploration<'a> {
    fn explore(&mut self, listener: &mut Listener<'_>) -> Explored {
        match self.check_determinism() {
            Ok(()) => {
                self.look_for_loops();
                self.search(listener)
            }
            Err(reason) => self.stopped(reason),
        }
    }

    fn search(&mut self, listener: &mut Listener<'_>) -> Explored {
        if self.limits.shard != Shard::WHOLE && self.limits.search != Search::Dpor {
            return self.stopped(Incomplete::NoShards { search: self.limits.search });
        }
        if self.scenario.starvation_free() {
            return match self.limits.search {
                Search::Auto | Search::Full => self.by_states(Aim::Full, listener),
                search => self.stopped(Incomplete::StarvationBySearch { search }),
            };
        }
        if self.execution.opaque() && self.limits.search == Search::Auto {
            return self.by_orderings(listener);
        }
        match self.limits.search {
            Search::Auto => self.by_states(Aim::Verdict, listener),
            Search::Reduced => self.by_states(Aim::Proof, listener),
            Search::Full => self.by_states(Aim::Full, listener),
            Search::Symmetric => self.by_states(Aim::Symmetric, listener),
            Search::Shortest => self.by_states(Aim::Shortest, listener),
            Search::SleepSets => self.by_sleep_sets(listener),
            Search::Dpor => self.by_orderings(listener),
        }
    }

    /// Runs the program twice the same way, before anything is counted.
    fn check_determinism(&mut self) -> Result<(), Incomplete> {
        let mut check = DeterminismCheck::default();
        while check.begin() {
            self.count_execution()?;
            // A program without an end is as long twice; how long an execution may be is for a
            // search.
            let program = self.scenario.program();
            if self.execution.run(program, &mut check, &mut self.findings) == End::Diverged {
                return Err(Incomplete::Nondeterministic);
            }
        }
        self.executions = 0;
        let used = self.execution.memory_use();
        self.execution.assume_memory(used);
        if used.words {
            // The steps of the search are others.
            self.findings = Findings::default();
        }
        if check.diverged { Err(Incomplete::Nondeterministic) } else { Ok(()) }
    }

    /// Follows each thread alone, which shows a loop that waits and is written by hand. A search
    /// would see it only once a thread has gone round many times, beside all that the others do
    /// meanwhile.
    fn look_for_loops(&mut self) {
        let (mut thread, mut threads) = (0, 1);
        while thread < threads.min(LOOKED_AT) && self.execution.spins().is_none() {
            let mut alone = Alone::new(ThreadId::new(thread));
            // What it violates is found by the search.
            let mut findings = Findings::default();
            while alone.begin() {
                _ = self.execution.run(self.scenario.program(), &mut alone, &mut findings);
            }
            threads = threads.max(alone.threads);
            thread += 1;
        }
    }

    /// What there is to say of a search that did not begin.
    fn stopped(&self, reason: Incomplete) -> Explored {
        let shard = self.limits.shard;
        let part = ShardResult { shard, subtrees: 0, program: 0, done: false };
        Explored {
            executions: self.executions,
            fingerprint: Fingerprint::default(),
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
        // A search that was asked for by its name is not replaced.
        if aim == Aim::Verdict {
            search.pause_at(MANY_STATES);
        }
        self.run_stateful(search, listener)
    }

    /// Explores orderings for a moment: where threads have little to do with each other, there may
    /// be few of them and any number of states. Nothing, if they do not come to a proof by then.
    fn try_orderings(&self) -> Option<Explored> {
        let mut moment = Exploration::new(self.scenario, self.limits);
        moment.execution.assume_memory(self.execution.assumed_memory());
        moment.executions_max = FEW_EXECUTIONS;
        let mut search = Orderings::new(self.limits.jobs.get(), Shard::WHOLE);
        let ended = search.run(&mut moment, &mut |_| ControlFlow::Continue(()));
        let proved = ended.is_ok()
            && moment.findings.is_empty()
            && search.unexplored().is_none()
            && !search.stopped_by_a_violation()
            && !moment.execution.opaque()
            && moment.execution.memory_use() == self.execution.assumed_memory();
        proved.then(|| {
            self.execution.absorb(&moment.execution.take_seen());
            Explored {
                executions: self.executions + moment.executions,
                fingerprint: Fingerprint { digest: Some(search.digest()), ..search.fingerprint() },
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

    /// Begins anew if the memory has been used otherwise than the search has assumed.
    fn search_again(&mut self, listener: &mut Listener<'_>) -> Option<Explored> {
        let used = self.execution.memory_use();
        (used != self.execution.assumed_memory()).then(|| {
            self.execution.assume_memory(used);
            self.findings = Findings::default();
            self.search(listener)
        })
    }

    fn run_stateful(&mut self, mut search: Stateful, listener: &mut Listener<'_>) -> Explored {
        let mut ended = search.run(self, listener);
        if matches!(ended, Ok(Ended::Paused)) {
            if let Some(proof) = self.try_orderings() {
                return proof;
            }
            ended = search.run(self, listener);
        }
        if self.execution.opaque() {
            // A value has turned up that may have been taken for another.
            return self.search(listener);
        }
        if let Some(explored) = self.search_again(listener) {
            return explored;
        }
        let stopped = ended.err();
        let mut fingerprint = search.fingerprint();
        if stopped.is_none() {
            fingerprint.digest = Some(search.digest());
        }
        Explored {
            executions: self.executions,
            fingerprint,
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
        if let Some(explored) = self.search_again(listener) {
            return explored;
        }
        if ended.is_ok() && search.stopped_by_a_violation() && !search.is_share() {
            // What else is violated only a search can tell that a violation does not stop.
            let explored = self.by_states(Aim::Full, listener);
            if explored.stopped.is_none() {
                return explored;
            }
        }
        let mut fingerprint = search.fingerprint();
        if ended.is_ok() {
            fingerprint.digest = Some(search.digest());
        }
        let thorough = !search.stopped_by_a_violation();
        let part = search.part(ended.is_ok());
        Explored {
            executions: self.executions,
            fingerprint,
            stopped: ended
                .err()
                .or_else(|| search.unexplored())
                .or_else(|| part.map(|part| Incomplete::Shard(part.shard))),
            search: Some(Search::Dpor),
            part,
            thorough,
        }
    }

    fn by_sleep_sets(&mut self, listener: &mut Listener<'_>) -> Explored {
        let mut search = SleepSets::default();
        let ended = self.exhaust(&mut search, listener);
        if let Some(explored) = self.search_again(listener) {
            return explored;
        }
        let mut fingerprint = search.fingerprint();
        if ended.is_ok() {
            fingerprint.digest = search.digest();
        }
        Explored {
            executions: self.executions,
            fingerprint,
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
    ) -> Result<(), Incomplete> {
        while strategy.begin() {
            self.run_once(strategy)?;
            if self.executions % LISTEN_EVERY == 0 {
                let progress = Progress::executions(self.executions);
                if let ControlFlow::Break(reason) = listener(progress) {
                    return Err(reason);
                }
            }
        }
        Ok(())
    }
}
