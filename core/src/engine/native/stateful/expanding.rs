//! The expansion of the states of one depth, by several threads.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use rustc_hash::FxHashMap;

use crate::incomplete::Incomplete;
use crate::limits::{Limits, Listener};
use crate::op::ThreadId;
use crate::renaming::Renaming;
use crate::schedule::Choice;

use super::{Ended, Exploration, SLICE, Stateful};
use crate::engine::native::automaton::{
    Automaton, ClosedKey, Expanded, Leads, State, Unknown, ViolatedKey,
};
use crate::engine::native::paths::Paths;
use crate::engine::native::states::{Adder, HEADER, Id, Origin, Run, Waiting};
use crate::engine::native::successor::Successor;

/// The results of expanding some states.
#[derive(Default)]
struct Found {
    expanded: u64,
    unexpanded: Vec<Unexpanded>,
    unfinished: Vec<Id>,
    /// States in which threads wait for each other, one for each closed set.
    closed: FxHashMap<ClosedKey, Id>,
    violated: Vec<(Id, ThreadId, u8, ViolatedKey)>,
}

/// A state that could not be expanded, and what is missing.
struct Unexpanded {
    id: Id,
    missing: Unknown,
    /// The state where it is missing: the state itself, or one reached by unlocks after this step.
    at: Vec<u32>,
    after: Option<Choice>,
}

impl Found {
    fn and(mut self, other: Self) -> Self {
        self.expanded += other.expanded;
        self.unexpanded.extend(other.unexpanded);
        self.unfinished.extend(other.unfinished);
        other.closed.into_iter().for_each(|(key, id)| _ = self.closed.entry(key).or_insert(id));
        self.violated.extend(other.violated);
        self
    }
}

/// Words that are reused from state to state.
#[derive(Default)]
pub(super) struct Scratch {
    waiting: Waiting,
    run: Vec<u32>,
    expand: ExpandRoom,
}

/// Memory in which the successors of a state are computed.
#[derive(Default)]
struct ExpandRoom {
    next: Vec<u32>,
    unlocked: Vec<u32>,
}

impl Stateful {
    /// Expands every state of the present depth.
    pub(super) fn expand_level(
        &mut self,
        exploration: &mut Exploration<'_>,
        listener: &mut Listener<'_>,
    ) -> Result<Ended, Incomplete> {
        let runs = self.states.between(&self.level.0, &self.level.1);
        for slice in runs.chunks(SLICE) {
            let found = self.expand(slice, exploration.limits);
            self.classify(found, exploration)?;
            if self.is_outdated() {
                return Ok(Ended::Done);
            }
            exploration.check_comparable()?;
            exploration.check_memory(&self.states)?;
            if self.pause_at.is_some_and(|most| most <= self.states.len()) {
                self.pause_at = None;
                // The states of this depth are expanded again; their successors are known.
                self.expanded.1 = 0;
                return Ok(Ended::Paused);
            }
            if let ControlFlow::Break(reason) = self.tell(None, exploration, listener) {
                return Err(reason);
            }
        }
        let end = self.states.mark();
        self.level = (std::mem::replace(&mut self.level.1, end.clone()), end);
        self.depth += 1;
        self.expanded = (self.expanded.0 + self.expanded.1, 0);
        exploration.check_depth(self.depth)?;
        Ok(Ended::Done)
    }

    /// Expands states, on several threads if there are many.
    fn expand(&self, runs: &[Run], limits: &Limits) -> Found {
        let words: usize = runs.iter().map(Run::words).sum();
        let states = words / (HEADER + self.learner.beginning().len());
        let threads = self.jobs.min(states / limits.states_per_thread).max(1);
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Found::default());
        let work = || {
            let mut mine = Found::default();
            let mut scratch = self.idle().pop().unwrap_or_default();
            let Scratch { waiting, run: words, expand } = &mut scratch;
            let mut adder = self.states.adder(waiting);
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.states.copy(*run, words);
                for (id, state) in run.states(words) {
                    self.expand_state(id, state, &mut adder, expand, &mut mine);
                }
            }
            drop(adder);
            self.idle().push(scratch);
            let mut all = found.lock().expect("no thread panics with the lock held");
            *all = std::mem::take(&mut *all).and(mine);
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        found.into_inner().expect("no thread panics with the lock held")
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Scratch>> {
        self.idle.lock().expect("no thread panics with the lock held")
    }

    fn expand_state(
        &self,
        id: Id,
        state: &State,
        adder: &mut Adder<'_>,
        room: &mut ExpandRoom,
        found: &mut Found,
    ) {
        let automaton = self.learner.automaton();
        let ExpandRoom { next: scratch, unlocked } = room;
        let Found { expanded, unexpanded, unfinished, closed, violated } = found;
        let mut unknown = None;
        let interchanges = automaton.interchanges();
        let reach = |thread, outcome, leads: Leads<'_>| match leads {
            Leads::To(next) if self.reduced || interchanges => {
                next.write_to(unlocked);
                match self.keep(unlocked) {
                    Ok(changed) => {
                        let next = if changed { Successor::whole(unlocked) } else { next };
                        adder.reach(next, Origin::new(id, thread, outcome));
                    }
                    Err(missing) => {
                        let after = Some(Choice { thread, outcome });
                        unknown = Some(Unexpanded { id, missing, at: unlocked.clone(), after });
                    }
                }
            }
            Leads::To(next) => adder.reach(next, Origin::new(id, thread, outcome)),
            Leads::Violates(what) => violated.push((id, thread, outcome, what.key())),
        };
        match automaton.expand(state, self.reduced, scratch, reach) {
            Err(missing) => {
                unknown = Some(Unexpanded { id, missing, at: state.to_vec(), after: None });
            }
            Ok(Expanded::Terminal) => unfinished.push(id),
            Ok(Expanded::Closed(threads)) => {
                closed.entry(automaton.closed_key(state, threads)).or_insert(id);
            }
            Ok(Expanded::Continues) => {}
        }
        match unknown {
            None => *expanded += 1,
            Some(unknown) => unexpanded.push(unknown),
        }
    }

    /// Replaces `state` by the state that is kept for it, and returns whether that is another one.
    fn keep(&self, state: &mut Vec<u32>) -> Result<bool, Unknown> {
        let automaton = self.learner.automaton();
        let mut unlocks = false;
        if self.reduced {
            automaton.unlock_all(state, |_, _| unlocks = true)?;
        }
        Ok(automaton.sort(state)? != Renaming::NONE || unlocks)
    }

    /// Learns what was missing and shows what was found.
    fn classify(
        &mut self,
        mut found: Found,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), Incomplete> {
        let (mut waiting, mut room) = (Waiting::default(), ExpandRoom::default());
        while !found.unexpanded.is_empty() {
            for Unexpanded { id, missing, at, after } in std::mem::take(&mut found.unexpanded) {
                let Self { states, reduced, .. } = self;
                let path = |automaton: &Automaton| {
                    Paths { automaton, states, reduced: *reduced }.beyond(id, after)
                };
                self.learner.learn(missing, &at, path, exploration)?;
                if self.is_outdated() {
                    return Ok(());
                }
                let mut adder = self.states.adder(&mut waiting);
                let state = self.states.get(id);
                self.expand_state(id, &state, &mut adder, &mut room, &mut found);
            }
        }
        self.expanded.1 += found.expanded;
        for id in found.unfinished {
            exploration.show(&self.paths().to(id).steps())?;
        }
        for (key, id) in found.closed {
            if self.shown_closed.insert(key) {
                exploration.show(&self.paths().to(id).steps())?;
            }
        }
        for (id, thread, outcome, what) in found.violated {
            if self.shown.insert(what.clone()) {
                let path = self.paths().to(id).then(Choice { thread, outcome });
                exploration.show_violation(&path, &what)?;
            }
        }
        Ok(())
    }
}
