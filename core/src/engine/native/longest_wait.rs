//! The longest wait of each thread, in operations of other threads.
//!
//! Two lengths are of interest. What the thread has to wait for, whatever the scheduler does, is
//! the shortest path out of each state in which it waits. What may happen meanwhile is the longest.
//! Where the states in which a thread waits have a cycle with a step of another thread, there is
//! none. Elsewhere it is found from the end: Tarjan's algorithm returns a component after those
//! that it leads to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::cycles::{Threads, bit};
use crate::incomplete::Incomplete;
use crate::limits::{Limits, Listener};
use crate::op::ThreadId;
use crate::scenario::Scenario;
use crate::wait::{Length, LongestWait};

use super::exploration::Exploration;
use super::for_good;
use super::graph::{Graph, Partition, Step};
use super::stateful::{Aim, Stateful};

/// Explores every state of a scenario, and returns the longest wait of each of its threads.
pub(crate) fn longest_waits(
    scenario: &Scenario,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Result<Vec<LongestWait>, Incomplete> {
    let mut exploration = Exploration::new(scenario, limits);
    exploration.check_determinism()?;
    let mut search = Stateful::start(Aim::Full, limits.jobs.get(), &mut exploration)?;
    search.run(&mut exploration, listener)?;
    let graph = search.graph(&exploration)?;
    let for_good = for_good::waiting(&graph);
    let longest = |name: &str| {
        let thread = exploration.execution.observers(|seen| seen.thread_named(name));
        let none = Length::Bounded { required: 0, possible: Some(0) };
        let length = thread.map_or(none, |id| graph.longest_wait(id, &for_good));
        LongestWait { thread: name.to_owned(), length }
    };
    Ok(scenario.threads().map(longest).collect())
}

impl Graph {
    fn longest_wait(&self, thread: ThreadId, for_good: &[Threads]) -> Length {
        let mut states: Vec<u32> = (0..self.nodes.len() as u32).collect();
        states.retain(|state| self.waits(thread, *state));
        if states.iter().any(|state| for_good[*state as usize] & bit(thread) != 0) {
            return Length::ForGood;
        }
        let required = self.shortest_ways_out(thread, &states);
        Length::Bounded { required, possible: self.longest_path(thread, &states) }
    }

    fn waits(&self, thread: ThreadId, state: u32) -> bool {
        self.nodes[state as usize].waits() & bit(thread) != 0
    }

    /// Returns the length of the longest path through `states`, in which `thread` waits. Nothing,
    /// if there is a longer one than any.
    fn longest_path(&self, thread: ThreadId, states: &[u32]) -> Option<u64> {
        let mut partition = Partition::new(self);
        let mut longest: FxHashMap<u32, u64> = FxHashMap::default();
        for part in partition.strongly_connected(states) {
            let here = partition.part_of(part[0]);
            let mut length = 0;
            for step in part.iter().flat_map(|state| &self.nodes[*state as usize].steps) {
                let one = weight(step, thread);
                if !self.waits(thread, step.to) {
                    length = length.max(one);
                } else if partition.part_of(step.to) != here {
                    length = length.max(one + longest[&step.to]);
                } else if one > 0 {
                    return None;
                }
            }
            longest.extend(part.into_iter().map(|state| (state, length)));
        }
        Some(longest.into_values().max().unwrap_or(0))
    }

    /// Returns the length of the shortest path out of `states`, in which `thread` waits, from the
    /// state that is furthest from a way out.
    fn shortest_ways_out(&self, thread: ThreadId, states: &[u32]) -> u64 {
        let mut before: FxHashMap<u32, Vec<(u32, u64)>> = FxHashMap::default();
        let mut to_do = BinaryHeap::new();
        for from in states {
            for step in &self.nodes[*from as usize].steps {
                match self.waits(thread, step.to) {
                    true => {
                        before.entry(step.to).or_default().push((*from, weight(step, thread)));
                    }
                    false => to_do.push(Reverse((weight(step, thread), *from))),
                }
            }
        }
        let mut shortest: FxHashMap<u32, u64> = FxHashMap::default();
        while let Some(Reverse((length, state))) = to_do.pop() {
            if shortest.contains_key(&state) {
                continue;
            }
            shortest.insert(state, length);
            for (from, one) in before.get(&state).into_iter().flatten() {
                to_do.push(Reverse((length + one, *from)));
            }
        }
        shortest.into_values().max().unwrap_or(0)
    }
}

/// Returns how much a step adds to the wait of `thread`, whose own steps are those of polling.
fn weight(step: &Step, thread: ThreadId) -> u64 {
    u64::from(step.choice.thread != thread)
}
