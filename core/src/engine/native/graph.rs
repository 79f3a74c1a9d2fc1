//! The states of a search and the guaranteed steps between them, once a search has reached all.
//!
//! An execution that never ends goes round in this graph, so what can be said of endless programs is
//! said of its shape: who [waits for good](super::for_good), and who [starves](super::starvation).
//! Optional outcomes are no steps here. Nobody may rely on them.

use rustc_hash::FxHashMap;

use crate::cycles::{Threads, bit};
use crate::incomplete::Incomplete;
use crate::schedule::Choice;

use super::automaton::{Automaton, Leads, Unknown};
use super::states::{Id, States};

/// The states of a search and the guaranteed steps between them.
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    pub(super) id: Id,
    /// Who has something left to do.
    pub(super) pending: Threads,
    /// Who can do it, whatever happens.
    pub(super) possible: Threads,
    /// Whose next step is one of polling.
    pub(super) polls: Threads,
    /// Who goes on in a state that was stepped over on the way to a next one.
    pub(super) passes: Threads,
    /// Whether a step violates something, which is an end of its own.
    pub(super) violates: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) choice: Choice,
    pub(super) to: u32,
}

impl Node {
    /// Who waits here, or polls, and so is no better off.
    pub(super) fn waits(&self) -> Threads {
        self.pending & (!self.possible | self.polls)
    }
}

/// More threads than anybody can wait for.
const THREADS_MAX: usize = Threads::BITS as usize;

impl Graph {
    /// Bytes that a state and its steps take here, roughly: it has about three, and each is kept
    /// in both directions while it is asked who waits for good.
    pub(super) const BYTES_PER_STATE: u64 = 256;

    /// The graph of a search that has expanded every one of its `states`, with the unlocks first if
    /// `reduced`.
    ///
    /// Fails, with a reason, for more threads than it can tell apart.
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
            let leads = |thread: crate::op::ThreadId, outcome, leads: Leads<'_>| {
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
                let id = states.find(&next).expect("the search reaches every state");
                node.steps.push(Step { choice: Choice { thread, outcome }, to: numbers[&id] });
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

/// A graph, cut into smaller and smaller parts.
pub(super) struct Subtrees<'a> {
    graph: &'a Graph,
    /// The part that each state was put into last.
    part_of: Vec<u32>,
    made: u32,
}

impl<'a> Subtrees<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Self { graph, part_of: vec![0; graph.nodes.len()], made: 0 }
    }

    fn make(&mut self, states: &[u32]) -> u32 {
        self.made += 1;
        states.iter().for_each(|state| self.part_of[*state as usize] = self.made);
        self.made
    }

    /// The part that `state` was put into last.
    pub(super) fn part_of(&self, state: u32) -> u32 {
        self.part_of[state as usize]
    }

    /// Cuts `states` into strongly connected parts: Tarjan's algorithm, with its recursion spelled
    /// out.
    pub(super) fn strongly_connected(&mut self, states: &[u32]) -> Vec<Vec<u32>> {
        let whole = self.make(states);
        // By state: when it was come to, and the earliest state that it leads back to.
        let mut times: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        let mut open: Vec<u32> = Vec::new();
        let mut subtrees = Vec::new();
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
                    // Whatever has been put into a part of its own is not in the whole any more.
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
                    subtrees.push(part);
                }
            }
        }
        subtrees
    }

    /// Who can take a step somewhere in `part`, and who takes one that does not leave it.
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
    let earliest = &mut times.get_mut(&state).expect("it was come to").1;
    *earliest = time.min(*earliest);
}
