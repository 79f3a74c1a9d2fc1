//! Who waits for ever, although everybody else is treated fairly.
//!
//! Threads that never end have executions that never end. In a finite graph of states such an
//! execution goes round in a cycle, so that a thread starves is a shape in the graph, a *lasso*: a
//! way to a cycle on which the thread waits all the time. That alone would be too easy, since a
//! scheduler that never runs anybody else can starve everybody. So the cycle has to be *fair*: a
//! thread that can go on somewhere on it takes a step on it. This is strong fairness; the kernel's
//! scheduler and its locks give it, because whoever waits for a lock that is free again and again
//! gets it some time. A thread that starves all the same is kept waiting by the rules of the
//! objects, as a writer is by a lock that prefers readers. If there is no such cycle, nobody
//! starves.
//!
//! Whoever polls is no better off than whoever waits: it takes steps, and each round leads back to
//! where it was. So as long as a thread looks and does not see what it looks for, it counts as
//! waiting, whatever steps it takes.
//!
//! Luck is no way out and no excuse: whoever could go on by luck alone waits, and a step that needs
//! luck is on no cycle, because nobody is lucky for ever.
//!
//! The search for fair cycles is the classical one: where a strongly connected component has a
//! thread that could go on and never does, the states in which it could are taken out, and what is
//! left is looked at again. It needs every state and every transition, so it comes after a census.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::cycles::{Threads, bit};
use crate::op::ThreadId;
use crate::schedule::Schedule;

use super::automaton::Automaton;
use super::graph::{Graph, Step, Subtrees};
use super::states::States;

/// Each thread that starves, for each place where it does: the way to a cycle and once around it.
/// Where a thread waits `for_good` it does not starve.
pub(super) fn starvations(
    graph: &Graph,
    for_good: &[Threads],
    states: &States,
    automaton: &Automaton,
) -> Vec<(ThreadId, Schedule)> {
    let everybody = graph.nodes.iter().fold(0, |all, node| all | node.pending);
    let threads = (0..Threads::BITS as usize).map(ThreadId::new);
    let mut found = Vec::new();
    for thread in threads.filter(|thread| everybody & bit(*thread) != 0) {
        let mut kept_from = FxHashSet::default();
        for part in graph.starving(thread, for_good) {
            let start = *part.iter().min().expect("a part has a state");
            let state = states.get(graph.nodes[start as usize].id);
            // A thread that waits is at the same operation all around.
            if kept_from.insert(automaton.interaction_of(&state, thread).0) {
                found.push((thread, graph.lasso(states, &part, start)));
            }
        }
    }
    found
}

impl Graph {
    /// Parts of the graph in which everybody is treated fairly and `thread` waits or polls: each is
    /// strongly connected and has a step. Where it waits `for_good`, it takes no unfairness.
    fn starving(&self, thread: ThreadId, for_good: &[Threads]) -> Vec<Vec<u32>> {
        let waits = |s: &u32| {
            let waits = self.nodes[*s as usize].waits() & !for_good[*s as usize];
            waits & bit(thread) != 0
        };
        let states = (0..self.nodes.len() as u32).filter(waits);
        let mut subtrees = Subtrees::new(self);
        let mut to_do = vec![states.collect::<Vec<u32>>()];
        let mut starving = Vec::new();
        while let Some(states) = to_do.pop() {
            for part in subtrees.strongly_connected(&states) {
                let (possible, steps) = subtrees.possible_and_steps(&part);
                let denied = possible & !steps;
                if denied != 0 {
                    let fair = |s: &u32| self.nodes[*s as usize].possible & denied == 0;
                    to_do.push(part.into_iter().filter(fair).collect());
                } else if steps != 0 {
                    starving.push(part);
                }
            }
        }
        starving.sort_unstable_by_key(|part| part.iter().min().copied());
        starving
    }

    /// The way to `start`, and a cycle through `part` on which everybody who can take a step does.
    fn lasso(&self, states: &States, part: &[u32], start: u32) -> Schedule {
        let inside: FxHashSet<u32> = part.iter().copied().collect();
        let outcome = states.outcome(self.nodes[start as usize].id);
        let mut schedule = Schedule(outcome.into_iter().map(|(_, choice)| choice).collect());
        let steps = part.iter().flat_map(|state| &self.nodes[*state as usize].steps);
        let steps = steps.filter(|step| inside.contains(&step.to));
        let mut owed = steps.fold(0, |all, step| all | bit(step.choice.thread));
        let mut here = start;
        while owed != 0 || here != start {
            let arrived = |step: &Step| match owed {
                0 => step.to == start,
                owed => owed & bit(step.choice.thread) != 0,
            };
            for step in self.shortest(here, &inside, arrived) {
                owed &= !bit(step.choice.thread);
                schedule.0.push(step.choice);
                here = step.to;
            }
        }
        schedule
    }

    /// The shortest way from `from` whose last step has `arrived`, without leaving `inside`.
    fn shortest(
        &self,
        from: u32,
        inside: &FxHashSet<u32>,
        arrived: impl Fn(&Step) -> bool,
    ) -> Vec<Step> {
        let mut before: FxHashMap<u32, (u32, Step)> = FxHashMap::default();
        let mut queue = VecDeque::from([from]);
        while let Some(state) = queue.pop_front() {
            for step in &self.nodes[state as usize].steps {
                if arrived(step) && inside.contains(&step.to) {
                    let mut outcome = vec![*step];
                    let mut state = state;
                    while state != from {
                        let (earlier, step) = before[&state];
                        outcome.push(step);
                        state = earlier;
                    }
                    outcome.reverse();
                    return outcome;
                }
                if step.to != from && inside.contains(&step.to) && !before.contains_key(&step.to) {
                    before.insert(step.to, (state, *step));
                    queue.push_back(step.to);
                }
            }
        }
        unreachable!("the part is strongly connected")
    }
}
