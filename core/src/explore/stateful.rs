//! Depth-first search that never enters a state twice.
//!
//! Threads that share a few locks have few states and astronomically many orderings, so
//! remembering states is what makes a proof of a driver's protocol quick. A program cannot be
//! rewound, so each branch re-runs it from the start along the path to the branch.

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::{Decision, Enabled, Point, Strategy};

/// A state on the present path, with what can happen in it.
#[derive(Debug)]
struct Node {
    enabled: SmallVec<[Enabled; 6]>,
    /// The branch that is being explored.
    taken: usize,
}

/// Explores every transition of every reachable state once.
#[derive(Debug, Default)]
pub(crate) struct Stateful {
    visited: FxHashSet<Box<[u64]>>,
    path: Vec<Node>,
    depth: usize,
    begun: bool,
}

impl Stateful {
    /// How many states were reached.
    pub(crate) fn states(&self) -> u64 {
        self.visited.len() as u64
    }

    /// How many states the present path has that have branches left.
    pub(crate) fn frontier(&self) -> u64 {
        self.path.iter().filter(|node| node.taken + 1 < node.enabled.len()).count() as u64
    }

    /// A digest of the set of states, the same for every run of the same program.
    pub(crate) fn digest(&self) -> u64 {
        use std::hash::Hasher;
        let mut states: Vec<&[u64]> = self.visited.iter().map(|state| &**state).collect();
        states.sort_unstable();
        let mut hasher = rustc_hash::FxHasher::default();
        for state in states {
            hasher.write_usize(state.len());
            state.iter().for_each(|word| hasher.write_u64(*word));
        }
        hasher.finish()
    }

    /// Moves the path on to the next branch that has not been taken.
    fn backtrack(&mut self) -> bool {
        while let Some(node) = self.path.last_mut() {
            node.taken += 1;
            if node.taken < node.enabled.len() {
                return true;
            }
            self.path.pop();
        }
        false
    }
}

impl Strategy for Stateful {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        !std::mem::replace(&mut self.begun, true) || self.backtrack()
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        if let Some(node) = self.path.get(self.depth) {
            if node.enabled.as_slice() != point.enabled() {
                return Decision::Diverged;
            }
            self.depth += 1;
            return Decision::Take(node.enabled[node.taken].choice);
        }
        if !self.visited.insert(point.key()) || point.enabled().is_empty() {
            return Decision::Cut;
        }
        self.path.push(Node { enabled: SmallVec::from_slice(point.enabled()), taken: 0 });
        self.depth += 1;
        Decision::Take(point.enabled()[0].choice)
    }
}
