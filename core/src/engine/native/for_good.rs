//! Who comes to wait for good.
//!
//! A thread waits for good where no guaranteed step of anybody leads to a state in which it goes on.
//! From there every execution comes to a bottom strongly connected component of the graph of states,
//! one that no guaranteed step leaves, in every state of which the thread waits. That nobody can go on
//! at all, a deadlock, is the component of one state without a step.
//!
//! A thread that polls and does not see what it polls for waits, whatever steps it takes. No fairness
//! is assumed: no scheduler helps a thread that waits for good. That is what tells it from one that
//! [starves](super::starvation).
//!
//! The question can be put to a search that gives mutexes back first. Such an unlock is possible
//! until it happens and keeps nobody from anything, so that whoever waits in all states that are kept
//! waits in those that were stepped over; only a thread that unlocks, and did not poll as it did, has
//! gone on there ([`Node::passes`](super::graph::Node)). And every execution of the program comes to
//! a kept state by unlocks alone, so that a bottom component is reached by both searches or by none.

use crate::cycles::Threads;

use super::graph::{Graph, Subtrees};

/// By state: who waits for good in it.
pub(super) fn waiting(graph: &Graph) -> Vec<Threads> {
    let mut before = vec![Vec::new(); graph.nodes.len()];
    for (from, node) in graph.nodes.iter().enumerate() {
        node.steps.iter().for_each(|step| before[step.to as usize].push(from as u32));
    }
    // Who goes on from here some time, on some way. A violation is an end, and no wait.
    let goes_on = |node: &super::graph::Node| match node.violates {
        true => Threads::MAX,
        false => !node.waits() | node.passes,
    };
    let mut go_on: Vec<Threads> = graph.nodes.iter().map(goes_on).collect();
    let mut to_do: Vec<u32> = (0..graph.nodes.len() as u32).collect();
    while let Some(state) = to_do.pop() {
        let here = go_on[state as usize];
        for earlier in &before[state as usize] {
            let there = &mut go_on[*earlier as usize];
            if *there | here != *there {
                *there |= here;
                to_do.push(*earlier);
            }
        }
    }
    go_on.into_iter().map(|threads| !threads).collect()
}

/// The bottom components in which threads wait for good while others go on: a state of each, and
/// who waits.
pub(super) fn components(graph: &Graph, waiting: &[Threads]) -> Vec<(u32, Threads)> {
    let mut states: Vec<u32> = (0..graph.nodes.len() as u32).collect();
    states.retain(|state| waiting[*state as usize] != 0);
    let mut subtrees = Subtrees::new(graph);
    let mut found = Vec::new();
    for part in subtrees.strongly_connected(&states) {
        let here = subtrees.part_of(part[0]);
        let mut steps =
            part.iter().flat_map(|state| &graph.nodes[*state as usize].steps).peekable();
        if steps.peek().is_some() && steps.all(|step| subtrees.part_of(step.to) == here) {
            let first = part.iter().min().expect("a part has a state");
            found.push((*first, waiting[*first as usize]));
        }
    }
    found.sort_unstable();
    found
}
