//! The states of a search and the guaranteed steps between them, once a search has reached all.
//!
//! An execution that never ends goes round a cycle of this graph. The properties of endless
//! programs are therefore those of its shape: which threads [wait for good](super::for_good), and
//! which [starve](super::starvation). Optional outcomes are not steps here, since no thread may
//! rely on them.

use rustc_hash::FxHashMap;

use crate::cycles::{Threads, bit};
use crate::incomplete::Incomplete;
use crate::op::ThreadId;
use crate::renaming::Renaming;
use crate::schedule::Choice;

use super::automaton::{Automaton, Leads, Unknown};
use super::states::{Id, States};

/// The states of a search and the guaranteed steps between them.
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    pub(super) id: Id,
    /// The threads that have something left to do.
    pub(super) pending: Threads,
    /// The threads whose next operation has a guaranteed outcome.
    pub(super) possible: Threads,
    /// The threads whose next step is one of polling.
    pub(super) polls: Threads,
    /// The threads that continue in a state that was skipped on the way to a next one.
    pub(super) passes: Threads,
    /// Whether a step violates something, which is an end of its own.
    pub(super) violates: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) choice: Choice,
    pub(super) to: u32,
    /// The names that the threads have there.
    renaming: Renaming,
}

impl Step {
    /// Returns the threads that have these names where the step leads, by their names before it.
    pub(super) fn threads_before(&self, named: Threads) -> Threads {
        if self.renaming == Renaming::NONE {
            return named;
        }
        let threads = (0..THREADS_MAX).map(ThreadId::new);
        let is_named = |thread: &ThreadId| named & bit(self.renaming.of(*thread)) != 0;
        threads.filter(is_named).fold(0, |all, thread| all | bit(thread))
    }
}

impl Node {
    /// Returns the threads that wait here, or poll, and so make no progress.
    pub(super) fn waits(&self) -> Threads {
        self.pending & (!self.possible | self.polls)
    }
}

/// The limit on the number of threads.
const THREADS_MAX: usize = Threads::BITS as usize;

impl Graph {
    /// The approximate size in bytes of a state and its steps: it has about three, each of which is
    /// kept in both directions for the question of which threads wait for good.
    pub(super) const BYTES_PER_STATE: u64 = 256;

    /// Builds the graph of a search that has expanded every one of its `states`, with the unlocks
    /// first if `reduced`.
    ///
    /// Fails, with a reason, for more threads than it can distinguish.
    pub(super) fn new(
        states: &States,
        automaton: &Automaton,
        reduced: bool,
    ) -> Result<Self, Incomplete> {
        let mut nodes = Vec::new();
        let mut numbers = FxHashMap::default();
        states.for_each(|id, _| {
            numbers.insert(id, nodes.len() as u32);
            nodes.push(Node::new(id));
        });
        let (mut scratch, mut next) = (Vec::new(), Vec::new());
        for node in &mut nodes {
            let state = states.get(node.id);
            let mut guaranteed = Vec::new();
            let known = automaton.each_pending(&state, |thread, _, ready| {
                let polls = automaton.polls(&state, thread);
                guaranteed.resize(thread.index() + 1, 0);
                guaranteed[thread.index()] = ready.guaranteed;
                node.pending |= bit(thread);
                node.polls |= if polls { bit(thread) } else { 0 };
                node.possible |= if ready.guaranteed > 0 { bit(thread) } else { 0 };
            });
            known.unwrap_or_else(unexpanded);
            if guaranteed.len() > THREADS_MAX {
                return Err(Incomplete::Threads { limit: THREADS_MAX });
            }
            let leads = |thread: ThreadId, outcome, leads: Leads<'_>| {
                if outcome >= guaranteed[thread.index()] {
                    return;
                }
                let Leads::To(successor) = leads else {
                    node.violates = true;
                    return;
                };
                successor.write_to(&mut next);
                if reduced {
                    let passes = |thread, polls| node.passes |= if polls { 0 } else { bit(thread) };
                    automaton.unlock_all(&mut next, passes).unwrap_or_else(unexpanded);
                }
                let renaming = automaton.sort(&mut next).unwrap_or_else(unexpanded);
                let id = states.find(&next).expect("the search reaches every state");
                let choice = Choice { thread, outcome };
                node.steps.push(Step { choice, to: numbers[&id], renaming });
            };
            automaton.expand(&state, reduced, &mut scratch, leads).unwrap_or_else(unexpanded);
        }
        Ok(Self { nodes })
    }
}

impl Node {
    fn new(id: Id) -> Self {
        Self {
            id,
            pending: 0,
            possible: 0,
            polls: 0,
            passes: 0,
            violates: false,
            steps: Vec::new(),
        }
    }
}

fn unexpanded<T>(_: Unknown) -> T {
    unreachable!("the search has expanded every state")
}

/// A graph that is cut into smaller and smaller parts.
pub(super) struct Partition<'a> {
    graph: &'a Graph,
    /// The part that each state was assigned to last.
    part_of: Vec<u32>,
    made: u32,
}

impl<'a> Partition<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Self { graph, part_of: vec![0; graph.nodes.len()], made: 0 }
    }

    fn make(&mut self, states: &[u32]) -> u32 {
        self.made += 1;
        states.iter().for_each(|state| self.part_of[*state as usize] = self.made);
        self.made
    }

    /// Returns the part that `state` was assigned to last.
    pub(super) fn part_of(&self, state: u32) -> u32 {
        self.part_of[state as usize]
    }

    /// Cuts `states` into strongly connected parts, by Tarjan's algorithm without recursion.
    pub(super) fn strongly_connected(&mut self, states: &[u32]) -> Vec<Vec<u32>> {
        let whole = self.make(states);
        // For each state, the time when it was visited, and the earliest state that it leads back
        // to.
        let mut times: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        let mut open: Vec<u32> = Vec::new();
        let mut parts = Vec::new();
        for root in states {
            if times.contains_key(root) {
                continue;
            }
            let mut path = vec![(*root, 0)];
            while let Some((state, next)) = path.last_mut() {
                let state = *state;
                if *next == 0 {
                    let now = times.len() as u32;
                    times.insert(state, (now, now));
                    open.push(state);
                }
                let steps = &self.graph.nodes[state as usize].steps;
                if let Some(step) = steps.get(*next) {
                    *next += 1;
                    // A state that was assigned to a part of its own is no longer in the whole.
                    if self.part_of[step.to as usize] == whole {
                        match times.get(&step.to) {
                            None => path.push((step.to, 0)),
                            Some(&(time, _)) => lead_back(&mut times, state, time),
                        }
                    }
                    continue;
                }
                path.pop();
                let (time, earliest) = times[&state];
                if let Some((before, _)) = path.last() {
                    lead_back(&mut times, *before, earliest);
                }
                if time == earliest {
                    let place = open.iter().rposition(|s| *s == state).expect("it is open");
                    let part = open.split_off(place);
                    self.make(&part);
                    parts.push(part);
                }
            }
        }
        parts
    }

    /// Returns the threads that can take a step somewhere in `part`, and those that take one that
    /// does not leave it.
    pub(super) fn possible_and_steps(&self, part: &[u32]) -> (Threads, Threads) {
        let here = self.part_of(part[0]);
        let (mut possible, mut steps) = (0, 0);
        for state in part {
            let node = &self.graph.nodes[*state as usize];
            possible |= node.possible;
            let stay = node.steps.iter().filter(|step| self.part_of(step.to) == here);
            steps |= stay.fold(0, |all, step| all | bit(step.choice.thread));
        }
        (possible, steps)
    }
}

fn lead_back(times: &mut FxHashMap<u32, (u32, u32)>, state: u32, time: u32) {
    let earliest = &mut times.get_mut(&state).expect("the state was visited").1;
    *earliest = time.min(*earliest);
}
