//! Breadth-first search that enters no state twice.
//!
//! Threads that share a few locks have few states and astronomically many orderings, so
//! remembering states is what makes a proof of a driver's protocol quick. The search runs on the
//! [automaton](super::automaton) of the program and goes back to the program itself only for
//! what it has not seen yet, and for every state in which nobody can go on: what is wrong there,
//! and what the final check says, only the program can tell.
//!
//! Breadth first, because then the first way to a violation is a shortest one, the states of one
//! depth can be expanded by several threads at once, and what has been done is a set of states
//! that does not depend on who did it. So the certificate does not either.
//!
//! One reduction, which a proof may use and a census may not: *unlock first*. Giving a mutex back
//! disturbs nobody who does not try it, and everybody who waits for it needs it. So where a
//! thread is about to unlock, nothing else need be tried in that state. A mutex that somebody may
//! `trylock`, or stop waiting for at a signal, is excepted. Which those are is learned with the
//! program: if such an operation turns up on a mutex that was taken for safe, the search starts
//! again and knows better. (None can stay hidden: up to the first of them the reduction is
//! sound.) It keeps every deadlock, every final state and every state of a single thread, so it
//! finds a violation if there is one. It need not find each *kind*: whoever is stopped by one
//! violation cannot show the order in which another comes first.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustc_hash::FxHashSet;

use crate::engine::{Listener, Progress};
use crate::explore::Schedule;
use crate::op::{ObjectId, ThreadId};
use crate::verdict::Certificate;

use super::automaton::{Automaton, Diverged, Expanded, Leads, Missing, State, Violated};
use super::states::{Id, Mark, Origin, Run, States};
use super::{DIVERGED, Exploration};

/// Runs of states that are expanded between two words to the listener: some 100,000 states.
const SLICE: usize = 128;

/// Runs for which it pays to start another thread.
const RUNS_PER_THREAD: usize = 4;

/// A search in progress.
pub(super) struct Stateful {
    reduced: bool,
    /// How many threads expand states.
    jobs: usize,
    automaton: Automaton,
    states: States,
    /// The states of the present depth begin here and end there.
    level: (Mark, Mark),
    depth: usize,
    /// How many transitions have been taken.
    transitions: u64,
    /// Mutexes that were given back first.
    trusted: BTreeSet<ObjectId>,
    /// Violations that have been shown. A later way to one is no shorter.
    shown: FxHashSet<Owned>,
}

/// As [`Violated`], to be kept.
type Owned = (Option<ObjectId>, String);

/// What came of expanding some states.
#[derive(Default)]
struct Found {
    transitions: u64,
    /// States that could not be expanded, and what for.
    unexpanded: Vec<(Id, Missing)>,
    stuck: Vec<Id>,
    violated: Vec<(Id, ThreadId, u8, Owned)>,
    trusted: BTreeSet<ObjectId>,
}

impl Found {
    fn and(mut self, other: Self) -> Self {
        self.transitions += other.transitions;
        self.unexpanded.extend(other.unexpanded);
        self.stuck.extend(other.stuck);
        self.violated.extend(other.violated);
        self.trusted.extend(other.trusted);
        self
    }
}

/// Words that are used again from state to state.
#[derive(Default)]
struct Scratch {
    run: Vec<u32>,
    state: Vec<u32>,
}

impl Stateful {
    pub(super) fn new(reduced: bool, jobs: usize) -> Self {
        let states = States::new(jobs);
        let level = (states.start(), states.start());
        Self {
            reduced,
            jobs,
            automaton: Automaton::default(),
            states,
            level,
            depth: 0,
            transitions: 0,
            trusted: BTreeSet::new(),
            shown: FxHashSet::default(),
        }
    }

    /// Searches to the end; the reason if it did not get there.
    pub(super) fn run(
        &mut self,
        exploration: &mut Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> Result<(), String> {
        let lessons = exploration.learn(&Schedule::default())?;
        if lessons.threads.is_empty() && lessons.machines.is_empty() {
            return Ok(());
        }
        let beginning = self.automaton.begin(&lessons);
        self.automaton.learn(&lessons).map_err(diverged)?;
        loop {
            self.begin(&beginning);
            while self.level.0 != self.level.1 {
                self.expand_level(exploration, listener)?;
            }
            // A mutex that was given back first turned out to be tried.
            if !self.trusted.iter().any(|object| self.automaton.tried(*object)) {
                return Ok(());
            }
        }
    }

    fn begin(&mut self, beginning: &State) {
        self.states = States::new(self.jobs);
        self.trusted.clear();
        self.depth = 0;
        let start = self.states.start();
        self.states.reach(beginning, Origin::BEGINNING);
        self.level = (start, self.states.mark());
    }

    /// Expands every state of the present depth.
    fn expand_level(
        &mut self,
        exploration: &mut Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> Result<(), String> {
        let runs = self.states.between(&self.level.0, &self.level.1);
        for slice in runs.chunks(SLICE) {
            let found = self.expand(slice);
            self.settle(found, exploration)?;
            exploration.check_memory(self.states.memory())?;
            if let ControlFlow::Break(reason) = listener(self.progress(exploration.executions)) {
                return Err(reason);
            }
        }
        let end = self.states.mark();
        self.level = (std::mem::replace(&mut self.level.1, end.clone()), end);
        self.depth += 1;
        exploration.check_depth(self.depth)
    }

    /// Expands states, on several threads if there are many.
    fn expand(&self, runs: &[Run]) -> Found {
        let threads = self.jobs.min(runs.len() / RUNS_PER_THREAD).max(1);
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Found::default());
        let work = || {
            let mut mine = Found::default();
            let mut scratch = Scratch::default();
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.expand_run(*run, &mut scratch, &mut mine);
            }
            let mut all = found.lock().expect("nobody panics with it");
            *all = std::mem::take(&mut *all).and(mine);
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        found.into_inner().expect("nobody panicked with it")
    }

    fn expand_run(&self, run: Run, scratch: &mut Scratch, found: &mut Found) {
        self.states.copy(run, &mut scratch.run);
        for (id, state) in run.states(&scratch.run) {
            self.expand_state(id, state, &mut scratch.state, found);
        }
    }

    fn expand_state(&self, id: Id, state: &State, scratch: &mut Vec<u32>, found: &mut Found) {
        let Found { transitions, unexpanded, stuck, violated, trusted } = found;
        let expanded =
            self.automaton.expand(state, self.reduced, scratch, |thread, way, leads| {
                *transitions += 1;
                match leads {
                    Leads::To(next) => {
                        self.states.reach(next, Origin::new(id, thread, way));
                    }
                    Leads::Violates(what) => violated.push((id, thread, way, owned(&what))),
                }
            });
        match expanded {
            Err(missing) => unexpanded.push((id, missing)),
            Ok(Expanded::Stuck) => stuck.push(id),
            Ok(Expanded::UnlockedFirst(object)) => {
                trusted.insert(object);
            }
            Ok(Expanded::Goes) => {}
        }
    }

    /// Learns what was missing and shows what was found.
    fn settle(
        &mut self,
        mut found: Found,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), String> {
        let mut scratch = Vec::new();
        while !found.unexpanded.is_empty() {
            for (id, missing) in std::mem::take(&mut found.unexpanded) {
                self.learn(id, missing, exploration)?;
                self.expand_state(id, &self.states.get(id), &mut scratch, &mut found);
            }
        }
        self.transitions += found.transitions;
        self.trusted.extend(found.trusted);
        for id in found.stuck {
            exploration.show(&self.states.path(id))?;
        }
        for (id, thread, way, what) in found.violated {
            if self.shown.insert(what) {
                exploration.show(&self.states.path(id).then(thread, way))?;
            }
        }
        Ok(())
    }

    fn learn(
        &mut self,
        id: Id,
        missing: Missing,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), String> {
        match missing {
            Missing::Meeting(thread, object) => self.automaton.meet(thread, object),
            Missing::Setting(object, value) => self.automaton.set(object, value),
            Missing::Step(thread, way) => {
                let meets = self.automaton.meeting_of(&self.states.get(id), thread);
                let path = self.states.path(id).then(thread, way);
                let lessons = exploration.learn(&path)?;
                self.automaton.learn(&lessons).map_err(diverged)?;
                self.automaton.meet(meets.0, meets.1);
            }
        }
        Ok(())
    }

    fn progress(&self, executions: u64) -> Progress {
        Progress { executions, states: Some(self.states.len()), frontier: None }
    }

    /// What has been counted.
    pub(super) fn certificate(&self) -> Certificate {
        Certificate { states: Some(self.states.len()), ..Certificate::default() }
    }

    /// A digest of the states, the same for every run of the same program.
    pub(super) fn digest(&self) -> u64 {
        let mut digest = 0_u64;
        self.states.for_each(|state| digest = digest.wrapping_add(self.automaton.digest(state)));
        digest
    }
}

fn owned(what: &Violated<'_>) -> Owned {
    match what {
        Violated::Rule(object, fault) => (Some(*object), format!("{fault:?}")),
        Violated::Other(kind) => (None, kind.to_string()),
    }
}

fn diverged(_: Diverged) -> String {
    DIVERGED.to_owned()
}
