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

use crate::explore::{Choice, Schedule};
use crate::op::ThreadId;

use super::automaton::{Automaton, Missing};
use super::states::{Id, States};

/// Threads of the graph, one bit each.
type Threads = u64;

/// More threads than anybody can wait for.
const THREADS_MAX: usize = Threads::BITS as usize;

fn bit(thread: usize) -> Threads {
    1 << thread
}

/// The states of a census and the sure steps between them.
struct Graph {
    nodes: Vec<Node>,
}

struct Node {
    id: Id,
    /// Who has something left to do.
    pending: Threads,
    /// Who can do it without luck.
    possible: Threads,
    /// Whose next step is one of polling.
    polls: Threads,
    steps: Vec<Step>,
}

#[derive(Clone, Copy)]
struct Step {
    choice: Choice,
    to: u32,
}

/// For each thread that starves, and each place where it does, the way to a cycle and once around
/// it.
pub(super) fn starvations(states: &States, automaton: &Automaton) -> Result<Vec<Schedule>, String> {
    let graph = Graph::new(states, automaton)?;
    let everybody = graph.nodes.iter().fold(0, |all, node| all | node.pending);
    let mut found = Vec::new();
    for thread in (0..THREADS_MAX).filter(|thread| everybody & bit(*thread) != 0) {
        let mut kept_from = FxHashSet::default();
        for part in graph.starving(thread) {
            let start = *part.iter().min().expect("a part has a state");
            let state = states.get(graph.nodes[start as usize].id);
            // A thread that waits is at the same operation all around.
            if kept_from.insert(automaton.meeting_of(&state, ThreadId::new(thread)).0) {
                found.push(graph.lasso(states, &part, start));
            }
        }
    }
    Ok(found)
}

impl Graph {
    fn new(states: &States, automaton: &Automaton) -> Result<Self, String> {
        let mut nodes = Vec::new();
        let mut numbers = FxHashMap::default();
        states.for_each(|id, _| {
            numbers.insert(id, nodes.len() as u32);
            nodes.push(Node { id, pending: 0, possible: 0, polls: 0, steps: Vec::new() });
        });
        let mut next = Vec::new();
        for node in &mut nodes {
            let state = states.get(node.id);
            let mut sure = Vec::new();
            let mut threads = 0;
            let known = automaton.each_pending(&state, |thread, _, ready| {
                threads = thread.index() + 1;
                if threads <= THREADS_MAX {
                    node.pending |= bit(thread.index());
                    node.polls |= u64::from(automaton.polls(&state, thread)) << thread.index();
                    sure.extend((0..ready.sure).map(|way| Choice { thread, way }));
                }
            });
            known.unwrap_or_else(unexpanded);
            if threads > THREADS_MAX {
                return Err(format!(
                    "who starves cannot be told of more than {THREADS_MAX} threads"
                ));
            }
            for choice in sure {
                node.possible |= bit(choice.thread.index());
                let (_, violated) =
                    automaton.step(&state, choice, &mut next).unwrap_or_else(unexpanded);
                // A violation leads nowhere.
                if violated.is_ok() {
                    let id = states.find(&next).expect("a census reaches every state");
                    node.steps.push(Step { choice, to: numbers[&id] });
                }
            }
        }
        Ok(Self { nodes })
    }

    /// Parts of the graph in which everybody is treated fairly and `thread` waits or polls: each is
    /// strongly connected and has a step.
    fn starving(&self, thread: usize) -> Vec<Vec<u32>> {
        let waits = |node: &Node| {
            let waits = node.pending & (!node.possible | node.polls);
            waits & bit(thread) != 0
        };
        let states = (0..self.nodes.len() as u32).filter(|s| waits(&self.nodes[*s as usize]));
        let mut parts = Parts { graph: self, part_of: vec![0; self.nodes.len()], made: 0 };
        let mut to_do = vec![states.collect::<Vec<u32>>()];
        let mut starving = Vec::new();
        while let Some(states) = to_do.pop() {
            for part in parts.strongly_connected(&states) {
                let (possible, steps) = parts.possible_and_steps(&part);
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
        let way = states.way(self.nodes[start as usize].id);
        let mut schedule = Schedule(way.into_iter().map(|(_, choice)| choice).collect());
        let steps = part.iter().flat_map(|state| &self.nodes[*state as usize].steps);
        let steps = steps.filter(|step| inside.contains(&step.to));
        let mut owed = steps.fold(0, |all, step| all | bit(step.choice.thread.index()));
        let mut here = start;
        while owed != 0 || here != start {
            let arrived = |step: &Step| match owed {
                0 => step.to == start,
                owed => owed & bit(step.choice.thread.index()) != 0,
            };
            for step in self.shortest(here, &inside, arrived) {
                owed &= !bit(step.choice.thread.index());
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
                    let mut way = vec![*step];
                    let mut state = state;
                    while state != from {
                        let (earlier, step) = before[&state];
                        way.push(step);
                        state = earlier;
                    }
                    way.reverse();
                    return way;
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

fn unexpanded<T>(_: Missing) -> T {
    unreachable!("a census expands every state")
}

/// A graph, cut into smaller and smaller parts.
struct Parts<'a> {
    graph: &'a Graph,
    /// The part that each state was put into last.
    part_of: Vec<u32>,
    made: u32,
}

impl Parts<'_> {
    fn make(&mut self, states: &[u32]) -> u32 {
        self.made += 1;
        states.iter().for_each(|state| self.part_of[*state as usize] = self.made);
        self.made
    }

    /// Cuts `states` into strongly connected parts: Tarjan's algorithm, with its recursion spelled
    /// out.
    fn strongly_connected(&mut self, states: &[u32]) -> Vec<Vec<u32>> {
        let whole = self.make(states);
        // By state: when it was come to, and the earliest state that it leads back to.
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
                    parts.push(part);
                }
            }
        }
        parts
    }

    /// Who can take a step somewhere in `part`, and who takes one that does not leave it.
    fn possible_and_steps(&self, part: &[u32]) -> (Threads, Threads) {
        let here = self.part_of[part[0] as usize];
        let (mut possible, mut steps) = (0, 0);
        for state in part {
            let node = &self.graph.nodes[*state as usize];
            possible |= node.possible;
            let stay = node.steps.iter().filter(|step| self.part_of[step.to as usize] == here);
            steps |= stay.fold(0, |all, step| all | bit(step.choice.thread.index()));
        }
        (possible, steps)
    }
}

fn lead_back(times: &mut FxHashMap<u32, (u32, u32)>, state: u32, time: u32) {
    let earliest = &mut times.get_mut(&state).expect("it was come to").1;
    *earliest = time.min(*earliest);
}
