//! Threads that wait for ever, although every other thread is treated fairly.
//!
//! Threads that never end have executions that never end. In a finite graph of states such an
//! execution goes round a cycle, so a starvation is a shape in the graph, a *lasso*: a path to a
//! cycle on which the thread waits all the time. That alone would be too weak, since a scheduler
//! that never runs any other thread can starve all of them. The cycle therefore has to be *fair*: a
//! thread that can continue somewhere on it takes a step on it. This is strong fairness. The
//! kernel's scheduler and its locks provide it, because a thread that waits for a lock which is
//! repeatedly free takes it at some time. A thread that starves nevertheless is kept waiting by the
//! rules of the objects, as a writer is by a lock that prefers readers. If there is no such cycle,
//! no thread starves.
//!
//! A thread that polls makes no more progress than one that waits: it takes steps, and each round
//! leads back to its earlier local state. As long as a thread looks and does not see what it looks
//! for, it counts as waiting, whatever steps it takes.
//!
//! Optional outcomes neither prevent nor cause a starvation. A thread with only an optional outcome
//! waits, and no cycle has a step that is an optional outcome, because it cannot be expected to
//! happen for ever.
//!
//! The search for fair cycles is the classical one. Where a strongly connected component has a
//! thread that can continue in some state and never does, the states in which it can are removed,
//! and the rest is searched again. This needs every state and every transition, so it comes after a
//! full search.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::cycles::{Threads, bit};
use crate::op::ThreadId;
use crate::schedule::Schedule;

use super::automaton::Automaton;
use super::graph::{Graph, Partition, Step};
use super::states::States;

/// Returns, for each thread that starves and each place where it does, the path to a cycle and once
/// around it. A thread does not starve where it waits `for_good`.
pub(super) fn starvations(
    graph: &Graph,
    for_good: &[Threads],
    states: &States,
    automaton: &Automaton,
) -> Vec<(ThreadId, Schedule)> {
    let pending = graph.nodes.iter().fold(0, |all, node| all | node.pending);
    let threads = (0..Threads::BITS as usize).map(ThreadId::new);
    let mut found = Vec::new();
    for thread in threads.filter(|thread| pending & bit(*thread) != 0) {
        let mut kept_from = FxHashSet::default();
        for part in graph.starving(thread, for_good) {
            let start = *part.iter().min().expect("a part has a state");
            let state = states.get(graph.nodes[start as usize].id);
            // A thread that waits is at the same operation in the whole cycle.
            if kept_from.insert(automaton.interaction_of(&state, thread).0) {
                found.push((thread, graph.lasso(states, &part, start)));
            }
        }
    }
    found
}

impl Graph {
    /// Returns parts of the graph in which every thread is treated fairly and `thread` waits or
    /// polls: each is strongly connected and has a step. Where it waits `for_good`, it does not
    /// starve.
    fn starving(&self, thread: ThreadId, for_good: &[Threads]) -> Vec<Vec<u32>> {
        let waits = |s: &u32| {
            let waits = self.nodes[*s as usize].waits() & !for_good[*s as usize];
            waits & bit(thread) != 0
        };
        let states = (0..self.nodes.len() as u32).filter(waits);
        let mut partition = Partition::new(self);
        let mut to_do = vec![states.collect::<Vec<u32>>()];
        let mut starving = Vec::new();
        while let Some(states) = to_do.pop() {
            for part in partition.strongly_connected(&states) {
                let (possible, steps) = partition.possible_and_steps(&part);
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

    /// Returns the path to `start`, and a cycle through `part` on which every thread that can take
    /// a step does.
    fn lasso(&self, states: &States, part: &[u32], start: u32) -> Schedule {
        let inside: FxHashSet<u32> = part.iter().copied().collect();
        let path = states.path_to(self.nodes[start as usize].id);
        let mut schedule = Schedule(path.into_iter().map(|(_, choice)| choice).collect());
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

    /// Returns the shortest path from `from` whose last step has `arrived`, without leaving
    /// `inside`.
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
