//! Threads that wait for good.
//!
//! A thread waits for good where no guaranteed step of any thread leads to a state in which it
//! continues. From there every execution reaches a bottom strongly connected component of the graph
//! of states, which no guaranteed step leaves, and in every state of which the thread waits. A
//! deadlock of all threads is the component of one state without a step.
//!
//! A thread that polls and does not see what it polls for waits, whatever steps it takes. No
//! fairness is assumed: no scheduler helps a thread that waits for good. That distinguishes it from
//! one that [starves](super::starvation).
//!
//! The question can be asked of a search that unlocks mutexes first. Such an unlock is possible
//! until it happens and disables no step of another thread. A thread that waits in all states that
//! are kept therefore also waits in those that were skipped. Only a thread that unlocks, and did
//! not poll as it did, has continued there ([`Node::passes`](super::graph::Node)). Every execution
//! of the program reaches a kept state by unlocks alone, so a bottom component is reached by both
//! searches or by none.

use crate::cycles::Threads;

use super::graph::{Graph, Partition};

/// Returns, for each state, the threads that wait for good in it.
pub(super) fn waiting(graph: &Graph) -> Vec<Threads> {
    let mut before = vec![Vec::new(); graph.nodes.len()];
    for (from, node) in graph.nodes.iter().enumerate() {
        node.steps.iter().for_each(|step| before[step.to as usize].push((from as u32, *step)));
    }
    // The threads that continue at some time from here, on some path. A violation is an end, not a
    // wait.
    let continues = |node: &super::graph::Node| match node.violates {
        true => Threads::MAX,
        false => !node.waits() | node.passes,
    };
    let mut continuing: Vec<Threads> = graph.nodes.iter().map(continues).collect();
    let mut to_do: Vec<u32> = (0..graph.nodes.len() as u32).collect();
    while let Some(state) = to_do.pop() {
        let here = continuing[state as usize];
        for (earlier, step) in &before[state as usize] {
            let there = &mut continuing[*earlier as usize];
            let here = step.threads_before(here);
            if *there | here != *there {
                *there |= here;
                to_do.push(*earlier);
            }
        }
    }
    continuing.into_iter().map(|threads| !threads).collect()
}

/// Returns the bottom components in which threads wait for good while others continue: a state of
/// each, and the waiting threads.
pub(super) fn components(graph: &Graph, waiting: &[Threads]) -> Vec<(u32, Threads)> {
    let mut states: Vec<u32> = (0..graph.nodes.len() as u32).collect();
    states.retain(|state| waiting[*state as usize] != 0);
    let mut partition = Partition::new(graph);
    let mut found = Vec::new();
    for part in partition.strongly_connected(&states) {
        let here = partition.part_of(part[0]);
        let mut steps =
            part.iter().flat_map(|state| &graph.nodes[*state as usize].steps).peekable();
        if steps.peek().is_some() && steps.all(|step| partition.part_of(step.to) == here) {
            let first = part.iter().min().expect("a part has a state");
            found.push((*first, waiting[*first as usize]));
        }
    }
    found.sort_unstable();
    found
}
