//! Breadth-first search that enters no state twice.
//!
//! Threads that share a few locks have few states and astronomically many interleavings, so storing
//! the states makes a proof of a driver's protocol fast. The search runs on the
//! [automaton](super::automaton) of the program. It runs the program itself only for what it has
//! not seen yet, and for every state in which no thread can continue: only the program can show the
//! violation there, and run the final check.
//!
//! The search is breadth-first, because then the first path to a violation is a shortest one,
//! several threads can expand the states of one depth, and the states reached do not depend on
//! which thread expanded them. Neither does the fingerprint.
//!
//! One reduction is valid for a proof, but not for a full search: *unlock first*. Unlocking a mutex
//! affects no thread that does not try it, and every thread that waits for it needs it. Where a
//! thread is about to unlock, nothing else need be tried in that state, which need not be kept
//! either. The search continues in the state in which no thread is about to unlock. The exception
//! is a mutex that a thread may `trylock`, or stop waiting for at a signal. These mutexes are
//! learned with the program: as soon as such an operation is found the search starts again without
//! the reduction for its mutex. (None can stay hidden: up to the first of them the reduction is
//! sound.) It keeps every deadlock, every final state and every state of a single thread, so it
//! finds a violation if there is one. It need not find each *kind*: a thread that one violation
//! stops cannot show the order in which another comes first.

mod expanding;

use std::ops::ControlFlow;
use std::sync::Mutex;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::cycles::Threads;
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::limits::{Listener, Progress};
use crate::op::ThreadId;
use crate::schedule::{Choice, Schedule};
use crate::search::{Engine, Search};

use super::automaton::{Automaton, ClosedKey, State, ViolatedKey};
use super::graph::Graph;
use super::learner::{Learner, SavedLearner};
use super::states::{Mark, Origin, States, Waiting};
use super::successor::Successor;
use super::{Exploration, Saved, for_good, starvation};
use crate::engine::native::paths::Paths;
use expanding::Scratch;

/// The number of runs of states that are expanded between two reports to the listener: some 100,000
/// states.
const SLICE: usize = 128;

/// The reason of a search that was asked to pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// At its end.
    Done,
    /// At the number of states at which it was to pause. It can be run on.
    Paused,
}

/// The aim of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Aim {
    /// A proof, or else a full search.
    Verdict,
    /// A proof, or some violation.
    Proof,
    /// Every state.
    Full,
    /// Every state, but one of those that differ in the names of identical threads.
    Symmetric,
    /// The shortest path to a violation.
    Shortest,
}

impl Aim {
    /// Returns whether every kind of violation is found.
    pub(super) fn is_thorough(self) -> bool {
        matches!(self, Self::Verdict | Self::Full | Self::Symmetric)
    }

    pub(super) fn search(self) -> Search {
        match self {
            Self::Verdict => Search::Auto,
            Self::Proof => Search::Reduced,
            Self::Full => Search::Full,
            Self::Symmetric => Search::Symmetric,
            Self::Shortest => Search::Shortest,
        }
    }
}

/// A search in progress.
pub(super) struct Stateful {
    aim: Aim,
    reduced: bool,
    /// The number of threads that expand states.
    jobs: usize,
    learner: Learner,
    states: States,
    /// The marks between which the states of the present depth lie.
    level: (Mark, Mark),
    depth: usize,
    /// The number of states that have been expanded: of earlier depths, and of the present one.
    expanded: (u64, u64),
    /// The number of states at which to pause.
    pause_at: Option<u64>,
    /// The number of objects that a thread may try, as far as this search takes them into account.
    tried: usize,
    /// The violations that have been shown. A later path to one is not shorter.
    shown: FxHashSet<ViolatedKey>,
    /// The closed sets of threads that have been shown.
    shown_closed: FxHashSet<ClosedKey>,
    /// The scratch memory of threads that do not expand states at the moment.
    idle: Mutex<Vec<Scratch>>,
}

/// A search that was stopped.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedStates {
    aim: Aim,
    reduced: bool,
    /// Whether threads that do the same are treated as the same.
    symmetric: bool,
    executions: u64,
    learner: SavedLearner,
    states: Vec<Vec<Vec<u32>>>,
    level: (Mark, Mark),
    depth: usize,
    expanded: u64,
    shown: FxHashSet<ViolatedKey>,
    /// The schedules of the counterexamples.
    counterexamples: Vec<Vec<Choice>>,
}

impl SavedStates {
    pub(super) fn is_full(&self) -> bool {
        self.aim == Aim::Full
    }
}

impl Stateful {
    /// Starts a search, which learns how the program begins.
    pub(super) fn start(
        aim: Aim,
        jobs: usize,
        exploration: &mut Exploration<'_>,
    ) -> Result<Self, Incomplete> {
        exploration.treat_alike(aim != Aim::Full);
        let mut search = Self::new(aim, jobs, Learner::new(exploration)?);
        if !search.learner.automaton().is_symmetric() {
            search.tell_apart(exploration)?;
        }
        search.begin();
        Ok(search)
    }

    /// Treats no two threads as the same any more, since an object tells them apart, or they do not
    /// do the same. What was learned is forgotten.
    fn tell_apart(&mut self, exploration: &mut Exploration<'_>) -> Result<(), Incomplete> {
        exploration.treat_alike(false);
        self.learner = Learner::new(exploration)?;
        Ok(())
    }

    fn new(aim: Aim, jobs: usize, learner: Learner) -> Self {
        let states = States::new(jobs);
        let level = (states.start(), states.start());
        Self {
            aim,
            reduced: matches!(aim, Aim::Verdict | Aim::Proof),
            jobs,
            learner,
            states,
            level,
            depth: 0,
            expanded: (0, 0),
            pause_at: None,
            tried: 0,
            shown: FxHashSet::default(),
            shown_closed: FxHashSet::default(),
            idle: Mutex::default(),
        }
    }

    /// Restores a search where `saved` was stopped.
    pub(super) fn restore(
        saved: SavedStates,
        jobs: usize,
        exploration: &mut Exploration<'_>,
    ) -> Result<Self, CheckpointError> {
        let outdated = |_| CheckpointError::Outdated;
        exploration.treat_alike(saved.symmetric);
        let learner = Learner::restore(saved.learner, exploration).map_err(outdated)?;
        let mut search = Self::new(saved.aim, jobs, learner);
        for path in saved.counterexamples {
            exploration.show(&Schedule(path)).map_err(outdated)?;
        }
        exploration.executions = saved.executions;
        search.reduced = saved.reduced;
        search.states = States::restore(saved.states);
        search.level = saved.level;
        search.depth = saved.depth;
        search.expanded = (saved.expanded, 0);
        search.tried = search.learner.automaton().count_tried();
        search.shown = saved.shown;
        Ok(search)
    }

    fn save(&self, exploration: &Exploration<'_>) -> SavedStates {
        SavedStates {
            aim: self.aim,
            reduced: self.reduced,
            symmetric: !exploration.alike().is_empty(),
            executions: exploration.executions,
            learner: self.learner.save(),
            states: self.states.save(),
            level: self.level.clone(),
            depth: self.depth,
            expanded: self.expanded.0,
            shown: self.shown.clone(),
            counterexamples: exploration
                .findings
                .schedules()
                .map(|schedule| schedule.0.clone())
                .collect(),
        }
    }

    /// Stops the search, once, when it has reached so many states.
    pub(super) fn pause_at(&mut self, states: u64) {
        self.pause_at = Some(states);
    }

    /// Searches to the end. Returns the reason if it did not reach it.
    pub(super) fn run(
        &mut self,
        exploration: &mut Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> Result<Ended, Incomplete> {
        let result = self.search(exploration, listener);
        if let Err(reason) = &result {
            // Whether the listener would stop too is of no interest any more.
            let _ = self.tell(Some(reason), exploration, listener);
        }
        result
    }

    fn search(
        &mut self,
        exploration: &mut Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> Result<Ended, Incomplete> {
        loop {
            while self.level.0 != self.level.1 && !self.needs_full_search(exploration) {
                match self.expand_level(exploration, listener) {
                    Ok(Ended::Paused) => return Ok(Ended::Paused),
                    Err(Incomplete::Nondeterministic) if !exploration.alike().is_empty() => {
                        self.tell_apart(exploration)?;
                        self.begin();
                    }
                    Err(reason) => return Err(reason),
                    Ok(Ended::Done) if !self.learner.automaton().is_symmetric() => {
                        self.tell_apart(exploration)?;
                        self.begin();
                    }
                    Ok(Ended::Done) if self.is_outdated() => self.begin(),
                    Ok(Ended::Done) => {}
                }
                self.check_aim(exploration)?;
            }
            if !self.needs_full_search(exploration) {
                self.show_waiting(exploration)?;
            }
            if !self.needs_full_search(exploration) {
                return Ok(Ended::Done);
            }
            self.reduced = false;
            self.begin();
        }
    }

    /// Returns whether there is no proof any more, and every kind of violation is required.
    fn needs_full_search(&self, exploration: &Exploration<'_>) -> bool {
        self.aim == Aim::Verdict && self.reduced && !exploration.findings.is_empty()
    }

    /// Shows the threads that wait for good while others continue, once every state has been
    /// reached. If starvation is checked, too, the same graph is used.
    fn show_waiting(&self, exploration: &mut Exploration<'_>) -> Result<(), Incomplete> {
        let automaton = self.learner.automaton();
        if !automaton.may_be_endless() {
            // Every execution ends, so a thread waits for good only where no thread can continue.
            return Ok(());
        }
        let graph = self.graph(exploration)?;
        let waiting = for_good::waiting(&graph);
        if exploration.scenario.starvation_free() {
            let found = starvation::starvations(&graph, &waiting, &self.states, automaton);
            for (thread, lasso) in found {
                exploration.show_starvation(thread, &lasso)?;
            }
        }
        let mut shown = FxHashSet::default();
        for (state, threads) in for_good::components(&graph, &waiting) {
            let id = graph.nodes[state as usize].id;
            if shown.insert(automaton.closed_key(&self.states.get(id), threads)) {
                let path = self.paths().to(id);
                let threads = path.threads(threads);
                exploration.show_waiting(&path.steps(), threads)?;
            }
        }
        Ok(())
    }

    /// Returns the graph of the states, once every one has been reached.
    pub(super) fn graph(&self, exploration: &Exploration<'_>) -> Result<Graph, Incomplete> {
        // If the search has confused two states, the graph may have steps that do not exist.
        exploration.check_comparable()?;
        exploration.check_graph(&self.states)?;
        Graph::new(&self.states, self.learner.automaton(), self.reduced)
    }

    /// Returns whether the search has to begin again: a mutex that was unlocked first may be tried,
    /// or threads were interchanged that an object tells apart.
    fn is_outdated(&self) -> bool {
        let automaton = self.learner.automaton();
        !automaton.is_symmetric() || self.reduced && self.tried != automaton.count_tried()
    }

    /// Stops a search for a shortest counterexample when no shorter one is possible.
    fn check_aim(&self, exploration: &Exploration<'_>) -> Result<(), Incomplete> {
        let shortest = exploration.findings.shortest();
        if self.aim == Aim::Shortest && shortest.is_some_and(|shortest| shortest <= self.depth) {
            return Err(Incomplete::FirstCounterexample { engine: Engine::Native });
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.states = States::new(self.jobs);
        self.tried = self.learner.automaton().count_tried();
        self.shown.clear();
        self.shown_closed.clear();
        (self.depth, self.expanded) = (0, (0, 0));
        let start = self.states.start();
        if !self.learner.beginning().is_empty() {
            let beginning = Successor::whole(self.learner.beginning());
            self.states.adder(&mut Waiting::default()).reach(beginning, Origin::BEGINNING);
        }
        self.level = (start, self.states.mark());
    }

    fn paths(&self) -> Paths<'_> {
        let automaton = self.learner.automaton();
        Paths { automaton, states: &self.states, reduced: self.reduced }
    }

    pub(super) fn automaton(&self) -> &Automaton {
        self.learner.automaton()
    }

    pub(super) fn beginning(&self) -> &State {
        self.learner.beginning()
    }

    /// Visits every state, with the path to it.
    pub(super) fn each_state(&self, mut visit: impl FnMut(&dyn Fn() -> Schedule, &State)) {
        self.states.for_each(|id, state| visit(&|| self.paths().to(id).steps(), state));
    }

    /// Returns the threads that cannot continue in a state.
    pub(super) fn blocked(&self, state: &State) -> Vec<ThreadId> {
        let blocked = self.learner.automaton().blocked(state);
        blocked.into_iter().map(|(thread, ..)| thread).collect()
    }

    /// Returns the threads that wait for good in the state to which `schedule` leads, if there are
    /// any.
    pub(super) fn waiting_after(
        &mut self,
        schedule: &Schedule,
        exploration: &mut Exploration<'_>,
    ) -> Result<Option<Threads>, Incomplete> {
        self.search(exploration, &mut |_| ControlFlow::Continue(()))?;
        let automaton = self.learner.automaton();
        let graph = self.graph(exploration)?;
        let waiting = for_good::waiting(&graph);
        let (mut state, mut next) = (self.learner.beginning().to_vec(), Vec::new());
        for choice in &schedule.0 {
            match automaton.step(&state, *choice, &mut next) {
                Ok((_, Ok(()))) => std::mem::swap(&mut state, &mut next),
                _ => return Ok(None),
            }
        }
        let id = self.states.find(&state);
        let place = graph.nodes.iter().position(|node| Some(node.id) == id);
        Ok(place.map(|place| waiting[place]).filter(|threads| *threads != 0))
    }

    /// Reports the progress of the search to the listener.
    fn tell(
        &self,
        stopping: Option<&Incomplete>,
        exploration: &Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> ControlFlow<Incomplete> {
        let states = self.states.len();
        let expanded = self.expanded.0 + self.expanded.1;
        let checkpoint = || {
            let saved = Saved::States(Box::new(self.save(exploration)));
            Checkpoint::new(exploration.scenario.name(), &saved)
        };
        listener(Progress {
            executions: exploration.executions,
            states: Some(states),
            frontier: Some(states - expanded),
            depth: Some(self.depth),
            explored: Some(expanded as f64 / states as f64),
            memory: Some(self.states.memory()),
            stopping,
            checkpoint: if exploration.execution.opaque() { None } else { Some(&checkpoint) },
        })
    }

    pub(super) fn aim(&self) -> Aim {
        self.aim
    }

    /// Returns the counts.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            states: Some(self.states.len()),
            unreduced_states: self.unreduced_states(),
            ..Fingerprint::default()
        }
    }

    /// Returns the number of states that a search without symmetry would have reached, if this one
    /// interchanges threads and reduces nothing else.
    fn unreduced_states(&self) -> Option<u64> {
        let automaton = self.learner.automaton();
        if self.reduced || !automaton.interchanges() {
            return None;
        }
        let mut states = 0;
        self.states.for_each(|_, state| states += automaton.orbit(state));
        Some(states)
    }

    /// Returns a digest of the states, the same for every run of the same program.
    pub(super) fn digest(&self) -> u64 {
        let automaton = self.learner.automaton();
        let mut digest = 0_u64;
        self.states.for_each(|_, state| digest = digest.wrapping_add(automaton.digest(state)));
        digest
    }
}
