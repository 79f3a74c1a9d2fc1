//! Small numbers of threads, explored to learn what a thread does after each observation.

use std::ops::ControlFlow;

use rustc_hash::FxHashSet;

use crate::engine::native::automaton::{Automaton, Leads, Unknown};
use crate::engine::native::exploration::Exploration;
use crate::engine::native::learner::Learner;
use crate::engine::native::paths::Path;
use crate::incomplete::Incomplete;
use crate::limits::{Listener, Progress};
use crate::op::{ObjectId, ThreadId};
use crate::schedule::{Choice, Schedule};

use super::Open;

/// The number of states between two reports to the listener.
const LISTEN_EVERY: usize = 10_000;

/// The program with some threads for each client, most of which are not shown at a time, and what
/// has been learned of it.
pub(super) struct Instances<'i, 'e> {
    learner: &'i mut Learner,
    exploration: &'i mut Exploration<'e>,
    groups: &'i [Vec<ThreadId>],
    /// For each group, the local state of a thread that is not shown.
    absent: Vec<u32>,
}

/// A thread that is shown, without those that have a name of their own.
pub(super) struct Shown {
    pub(super) thread: ThreadId,
    pub(super) group: usize,
    pub(super) local: u32,
}

/// A step, and the state to which it leads.
type Successor = (Choice, Box<[u32]>);

/// A state of an instance, and the step that led to it.
struct Reached {
    state: Box<[u32]>,
    from: usize,
    choice: Choice,
}

/// Returns every way in which `threads` threads can run so many functions, as the number for each.
pub(super) fn counts(threads: usize, functions: usize) -> Vec<Vec<usize>> {
    if functions <= 1 {
        return vec![vec![threads]];
    }
    let rest = |first: usize| {
        let rest = counts(threads - first, functions - 1).into_iter();
        rest.map(move |rest| std::iter::once(first).chain(rest).collect())
    };
    (0..=threads).rev().flat_map(rest).collect()
}

impl<'i, 'e> Instances<'i, 'e> {
    pub(super) fn new(
        learner: &'i mut Learner,
        exploration: &'i mut Exploration<'e>,
        groups: &'i [Vec<ThreadId>],
    ) -> Result<Self, Open> {
        let mut absent = Vec::new();
        for group in groups {
            absent.push(learner.absent(group[0])?);
        }
        Ok(Self { learner, exploration, groups, absent })
    }

    pub(super) fn automaton(&self) -> &Automaton {
        self.learner.automaton()
    }

    /// Returns the states of the objects.
    pub(super) fn objects(&self, state: &[u32]) -> Vec<u32> {
        self.automaton().objects(state).to_vec()
    }

    /// Shows `thread` in `state` no longer.
    pub(super) fn hide(&self, state: &mut [u32], thread: ThreadId) {
        let group = self.groups.iter().position(|group| group.contains(&thread));
        let absent = self.absent[group.expect("only a thread of a group is hidden")];
        self.automaton().set_local(state, thread, absent);
    }

    /// Returns the threads of each group that are shown in `state`.
    pub(super) fn shown(&self, state: &[u32]) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (group, threads) in self.groups.iter().enumerate() {
            let local = |thread| self.automaton().local(state, thread);
            let threads = threads.iter().map(|thread| (*thread, local(*thread)));
            let threads = threads.filter(|(_, local)| *local != self.absent[group]);
            shown.extend(threads.map(|(thread, local)| Shown { thread, group, local }));
        }
        shown
    }

    /// Returns the role of a thread in an object, if the object names it.
    pub(super) fn role(&mut self, object: u32, thread: ThreadId) -> Option<u32> {
        self.learner.role(object, thread)
    }

    /// Returns the state in which so many threads of each group begin, and no other is shown.
    pub(super) fn beginning(&self, counts: &[usize]) -> Vec<u32> {
        let mut state = self.learner.beginning().to_vec();
        for ((group, absent), count) in self.groups.iter().zip(&self.absent).zip(counts) {
            for thread in &group[*count..] {
                self.automaton().set_local(&mut state, *thread, *absent);
            }
        }
        state
    }

    /// Returns what `ask` returns, after everything that it needs has been learned. A step that no
    /// instance has shown cannot be.
    pub(super) fn know<T>(
        &mut self,
        state: &[u32],
        ask: impl Fn(&Automaton) -> Result<T, Unknown>,
    ) -> Result<T, Open> {
        loop {
            let missing = match ask(self.learner.automaton()) {
                Ok(answer) => return Ok(answer),
                Err(Unknown::Step(thread, _)) => return Err(self.unseen(state, thread)),
                Err(missing) => missing,
            };
            self.learn_missing(missing, &[], |_| unreachable!("no step is missing"))?;
        }
    }

    /// Returns the reason why the step of a thread in `state` is not known.
    fn unseen(&self, state: &[u32], thread: ThreadId) -> Open {
        let local = self.automaton().local(state, thread);
        let (object, op) = self.automaton().pending(local).expect("it has taken a step");
        let name = self.name(object);
        Open::Cannot(format!(
            "`{}` of `{name}` finds a value that no small number of threads leaves there: what \
             `{name}` holds depends on how many threads there are",
            op.kind
        ))
    }

    fn learn_missing(
        &mut self,
        missing: Unknown,
        state: &[u32],
        path: impl FnOnce(&Automaton) -> Path,
    ) -> Result<(), Open> {
        let object = match missing {
            Unknown::Renamed(object, _) | Unknown::Exposed(object, ..) => Some(object),
            _ => None,
        };
        let learned = self.learner.learn(missing, state, path, self.exploration);
        if !self.automaton().is_symmetric() {
            return Err(Open::Cannot("an object cannot tell who is who".to_owned()));
        }
        match (learned, object) {
            (Err(Incomplete::Nondeterministic), Some(object)) => {
                let object = self.name(self.automaton().id_of(object));
                Err(Open::Cannot(format!("`{object}` cannot be seen by a few of many threads")))
            }
            (learned, _) => Ok(learned?),
        }
    }

    /// Returns the class of an object.
    pub(super) fn name(&self, object: ObjectId) -> String {
        self.exploration.execution.observers(|seen| seen.object_name(object))
    }

    /// Explores the instance with so many threads of each group, and learns every step of it.
    pub(super) fn learn(
        &mut self,
        counts: &[usize],
        listener: &mut Listener<'_>,
    ) -> Result<(), Open> {
        let beginning: Box<[u32]> = self.beginning(counts).into();
        let choice = Choice { thread: ThreadId::SETUP, outcome: 0 };
        let mut known = FxHashSet::from_iter([beginning.clone()]);
        let mut reached = vec![Reached { state: beginning, from: 0, choice }];
        let mut at = 0;
        while at < reached.len() {
            let (next, missing) = successors(self.automaton(), &reached[at].state);
            if let Some(missing) = missing {
                let state = reached[at].state.clone();
                self.learn_missing(missing, &state, |automaton| path_to(&reached, at, automaton))?;
                continue;
            }
            for (choice, state) in next {
                if known.insert(state.clone()) {
                    reached.push(Reached { state, from: at, choice });
                }
            }
            at += 1;
            if at % LISTEN_EVERY == 0 {
                self.listen(reached.len(), listener)?;
            }
        }
        Ok(())
    }

    /// Reports so many states or views to the listener, which may stop the search.
    pub(super) fn listen(&self, states: usize, listener: &mut Listener<'_>) -> Result<(), Open> {
        let progress = Progress {
            executions: self.exploration.executions,
            states: Some(states as u64),
            ..Progress::default()
        };
        match listener(progress) {
            ControlFlow::Break(reason) => Err(Open::Stopped(reason)),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

/// Returns the successors of a state, each with the step that leads there, or what is missing.
/// What violates something leads nowhere.
fn successors(automaton: &Automaton, state: &[u32]) -> (Vec<Successor>, Option<Unknown>) {
    let (mut next, mut missing, mut scratch) = (Vec::new(), None, Vec::new());
    let leads = |thread, outcome, leads: Leads<'_>| {
        let Leads::To(successor) = leads else { return };
        let mut state = Vec::new();
        successor.write_to(&mut state);
        match automaton.sort(&mut state) {
            Ok(_) => next.push((Choice { thread, outcome }, state.into())),
            Err(unknown) => missing = Some(unknown),
        }
    };
    let expanded = automaton.expand(state, false, &mut scratch, leads);
    (next, expanded.err().or(missing))
}

fn path_to(reached: &[Reached], at: usize, automaton: &Automaton) -> Path {
    let mut steps = Vec::new();
    let mut here = at;
    while here != 0 {
        steps.push(&reached[here]);
        here = reached[here].from;
    }
    let mut path = Path::new(Schedule::default());
    for Reached { from, choice, .. } in steps.into_iter().rev() {
        let mut next = Vec::new();
        let step = automaton.step(&reached[*from].state, *choice, &mut next);
        assert!(matches!(step, Ok((_, Ok(())))), "the step was taken before");
        path.step(*choice);
        path.rename(automaton.sort(&mut next).expect("the state was sorted before"));
    }
    path
}
