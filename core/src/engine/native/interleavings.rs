//! Source-DPOR by several threads, in rounds.
//!
//! Each walker explores the [parts](Subtrees) that it takes, on executions of its own. No walker
//! runs between two rounds. Then the listener is notified of their progress, the limits are
//! checked, and a checkpoint of the search can be written, which has the walkers' paths.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::explore::{Dpor, SavedDpor, Strategy, Subtrees};
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::limits::{Listener, Progress};
use crate::observe::Seen;
use crate::observe::findings::Findings;
use crate::report::ShardResult;
use crate::schedule::{Choice, Schedule};
use crate::shard::Shard;

use crate::engine::native::walk::Walk;
use crate::engine::native::{Exploration, Saved};

/// The number of executions of a walker in one round, with one walker and with several: starting a
/// thread costs as much as a few dozen executions.
const ROUND: (u64, u64) = (256, 4_096);

/// A search in progress.
pub(super) struct Orderings {
    subtrees: Arc<Subtrees>,
    walkers: Vec<Walker>,
}

struct Walker {
    search: Dpor,
    /// The automaton of the program, on which the search runs. `None` if it runs on the program
    /// itself, because there are values that cannot be compared.
    walk: Option<Walk>,
    /// Whether nothing is left for it to take.
    done: bool,
}

/// A search that was stopped.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedOrderings {
    depth: usize,
    /// The number of the shard, and of how many.
    shard: (u32, u32),
    taken: u64,
    executions: u64,
    walkers: Vec<(SavedDpor, bool)>,
    /// The counterexamples, each with its violation: where all other threads only repeat rounds,
    /// the schedule alone does not show it.
    counterexamples: Vec<(Vec<Choice>, String)>,
}

/// The work of a walker in a round on a thread of its own.
struct RoundWork {
    executions: u64,
    findings: Findings,
    seen: Seen,
    opaque: bool,
    ended: Result<bool, Incomplete>,
}

impl Orderings {
    pub(super) fn new(jobs: usize, shard: Shard) -> Self {
        let subtrees = Arc::new(Subtrees::new(jobs, shard));
        let walkers = (0..jobs).map(|_| Walker::new(&subtrees)).collect();
        Self { subtrees, walkers }
    }

    /// Restores the saved search. If there are more threads than it had walkers, it gets more, if
    /// there are parts left to take; if there are fewer, they take turns.
    pub(super) fn restore(
        saved: SavedOrderings,
        jobs: usize,
        exploration: &mut Exploration<'_>,
    ) -> Result<Self, CheckpointError> {
        let SavedOrderings { depth, shard, taken, executions, walkers, counterexamples } = saved;
        let shard = Shard::new(shard.0, shard.1).ok_or(CheckpointError::Damaged)?;
        let subtrees = Arc::new(Subtrees::restore(depth, shard, taken));
        let mut restored = Vec::new();
        for (search, done) in walkers {
            let prefix = |search: &mut dyn Strategy| exploration.run_once(search).is_ok();
            let search = Dpor::restore(search, Arc::clone(&subtrees), prefix);
            let search = search.ok_or(CheckpointError::Outdated)?;
            restored.push(Walker { search, walk: None, done });
        }
        while depth > 0 && restored.len() < jobs {
            restored.push(Walker::new(&subtrees));
        }
        for (path, what) in counterexamples {
            exploration
                .show_again(&Schedule(path), &what)
                .map_err(|_| CheckpointError::Outdated)?;
        }
        exploration.executions = executions;
        Ok(Self { subtrees, walkers: restored })
    }

    fn save(&self, exploration: &Exploration<'_>) -> SavedOrderings {
        let walker = |walker: &Walker| (walker.search.save(), walker.done);
        let shard = self.subtrees.shard();
        let each = exploration.findings.each();
        SavedOrderings {
            depth: self.subtrees.depth(),
            shard: (shard.number(), shard.of()),
            taken: self.subtrees.taken(),
            executions: exploration.executions,
            walkers: self.walkers.iter().map(walker).collect(),
            counterexamples: each.map(|(schedule, what)| (schedule.0, what)).collect(),
        }
    }

    /// Searches to the end. Returns the reason if it did not reach it.
    pub(super) fn run(
        &mut self,
        exploration: &mut Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> Result<(), Incomplete> {
        while self.walkers.iter().any(|walker| !walker.done) {
            let mut ended = self.round(exploration);
            if self.confuses_values(exploration) {
                ended = ended.and_then(|()| exploration.check_comparable());
            }
            if ended.is_ok() {
                if let ControlFlow::Break(reason) = self.tell(None, exploration, listener) {
                    ended = Err(reason);
                }
            }
            if let Err(reason) = &ended {
                // The search stops whether or not the listener asks for it.
                let _ = self.tell(Some(reason), exploration, listener);
                return ended;
            }
        }
        Ok(())
    }

    /// Lets every walker continue for one round.
    fn round(&mut self, exploration: &mut Exploration<'_>) -> Result<(), Incomplete> {
        let jobs = exploration.limits.jobs.get();
        let opaque = exploration.execution.opaque();
        let mut active: Vec<&mut Walker> =
            self.walkers.iter_mut().filter(|walker| !walker.done).take(jobs).collect();
        if let [walker] = active.as_mut_slice() {
            walker.done = walker.walk(exploration, opaque, ROUND.0)?;
            return Ok(());
        }
        let left = exploration.executions_left()?;
        let most = ROUND.1.min(left.div_ceil(active.len() as u64));
        let (scenario, limits) = (exploration.scenario, exploration.limits);
        let memory = exploration.execution.assumed_memory();
        let walk = |walker: &mut Walker| {
            let mut exploration = Exploration::new(scenario, limits);
            exploration.execution.assume_memory(memory);
            let ended = walker.walk(&mut exploration, opaque, most);
            exploration.into_round(ended)
        };
        let rounds: Vec<RoundWork> = thread::scope(|scope| {
            let threads: Vec<_> =
                active.iter_mut().map(|walker| scope.spawn(|| walk(walker))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, RoundWork>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        let mut result = Ok(());
        for (walker, round) in active.iter_mut().zip(rounds) {
            exploration.absorb(round.executions, round.findings, &round.seen);
            if round.opaque {
                exploration.execution.note_opaque();
            }
            match round.ended {
                Ok(done) => walker.done = done,
                Err(reason) => result = Err(reason),
            }
        }
        result
    }

    fn tell(
        &self,
        stopping: Option<&Incomplete>,
        exploration: &Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> ControlFlow<Incomplete> {
        let checkpoint = || {
            let saved = Saved::Orderings(self.save(exploration));
            Checkpoint::new(exploration.scenario.name(), &saved)
        };
        let active = self.walkers.iter().filter(|walker| !walker.done);
        let walked: Vec<(usize, u64, f64)> = active.map(|w| w.search.progress()).collect();
        listener(Progress {
            executions: exploration.executions,
            frontier: Some(walked.iter().map(|(_, frontier, _)| frontier).sum()),
            depth: walked.iter().map(|(depth, ..)| *depth).max(),
            // A walker that is behind skips what the others have taken.
            explored: walked.iter().map(|(.., explored)| *explored).reduce(f64::min),
            stopping,
            checkpoint: if self.confuses_values(exploration) { None } else { Some(&checkpoint) },
            ..Progress::default()
        })
    }

    /// Returns whether a walker runs on the automaton, and not on the program, though there are
    /// values that cannot be compared.
    pub(super) fn confuses_values(&self, exploration: &Exploration<'_>) -> bool {
        exploration.execution.opaque() && self.walkers.iter().any(|walker| walker.walk.is_some())
    }

    /// Returns whether executions were stopped that might have shown other interleavings.
    pub(super) fn stopped_by_a_violation(&self) -> bool {
        self.walkers.iter().any(|walker| walker.search.stopped_by_a_violation())
    }

    /// Returns why the search is not a proof, though it has completed.
    pub(super) fn unexplored(&self) -> Option<Incomplete> {
        let mut tried = FxHashSet::default();
        self.walkers.iter().for_each(|walker| tried.extend(walker.search.tried()));
        self.walkers.iter().find_map(|walker| walker.search.unexplored_beside(&tried))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let traces = self.walkers.iter().filter_map(|w| w.search.fingerprint().traces).sum();
        Fingerprint { traces: Some(traces), ..Fingerprint::default() }
    }

    /// Returns a digest of the traces, the same for every run of the same program.
    pub(super) fn digest(&self) -> u64 {
        let digests = self.walkers.iter().filter_map(|walker| walker.search.digest());
        digests.fold(0, u64::wrapping_add)
    }

    /// Returns whether this search explores only a part of the tree.
    pub(super) fn is_share(&self) -> bool {
        self.subtrees.shard() != Shard::WHOLE
    }

    /// Returns the part that this search explores, if it is a shard. `ended` is whether the search
    /// has completed.
    pub(super) fn part(&self, ended: bool) -> Option<ShardResult> {
        let (subtrees, first) = self.walkers.iter().map(|walker| walker.search.seen()).max()?;
        let done = ended && (self.stopped_by_a_violation() || self.unexplored().is_none());
        let (shard, program) = (self.subtrees.shard(), first.unwrap_or(0));
        self.is_share().then_some(ShardResult { shard, subtrees, program, done })
    }
}

impl Walker {
    fn new(subtrees: &Arc<Subtrees>) -> Self {
        Self { search: Dpor::new(Arc::clone(subtrees)), walk: None, done: false }
    }

    /// Walks on for at most so many executions. Returns whether it has completed.
    fn walk(
        &mut self,
        exploration: &mut Exploration<'_>,
        opaque: bool,
        most: u64,
    ) -> Result<bool, Incomplete> {
        for _ in 0..most {
            if !self.search.begin() {
                return Ok(true);
            }
            match &mut self.walk {
                Some(walk) => walk.run(&mut self.search, exploration)?,
                None if opaque => exploration.run_once(&mut self.search)?,
                none => none.insert(Walk::new(exploration)?).run(&mut self.search, exploration)?,
            }
        }
        Ok(false)
    }
}

impl Exploration<'_> {
    fn into_round(self, ended: Result<bool, Incomplete>) -> RoundWork {
        let Self { execution, findings, executions, .. } = self;
        let (seen, opaque) = (execution.take_seen(), execution.opaque());
        RoundWork { executions, findings, seen, opaque, ended }
    }
}
