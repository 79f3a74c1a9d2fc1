//! Depth-first search that never enters a state twice.
//!
//! Threads that share a few locks have few states and astronomically many orderings, so
//! remembering states is what makes a proof of a driver's protocol quick. A program cannot be
//! rewound, so each branch re-runs it from the start along the path to the branch.

use std::hash::Hasher;

use rustc_hash::{FxHashSet, FxHasher};
use smallvec::SmallVec;

use super::{Decision, Enabled, Point, Strategy};
use crate::verdict::Certificate;

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

    fn certificate(&self) -> Certificate {
        Certificate { states: Some(self.visited.len() as u64), ..Certificate::default() }
    }

    /// The same for every run of the same program.
    fn digest(&self) -> Option<u64> {
        let mut states: Vec<&[u64]> = self.visited.iter().map(|state| &**state).collect();
        states.sort_unstable();
        let mut hasher = FxHasher::default();
        for state in states {
            hasher.write_usize(state.len());
            state.iter().for_each(|word| hasher.write_u64(*word));
        }
        Some(hasher.finish())
    }

    fn frontier(&self) -> Option<u64> {
        let open = self.path.iter().filter(|node| node.taken + 1 < node.enabled.len());
        Some(open.count() as u64)
    }
}
