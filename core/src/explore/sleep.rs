//! Sleep sets: every Mazurkiewicz trace once, nothing remembered.
//!
//! Two orderings that differ only in the order of operations on different objects lead to the
//! same end; they are one *trace*. After a branch has been explored its operation is put to
//! sleep: other branches need not begin with it, until something that depends on it happens
//! (P. Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996). An
//! execution in which everybody sleeps is cut. Those that are not cut are exactly one for each
//! trace.
//!
//! It needs no state to compare and so makes an independent second prover. Where threads share
//! locks there are far more traces than states; it is for small programs.

use smallvec::SmallVec;

use super::{Decision, Enabled, Point, Strategy, independent};
use crate::verdict::Certificate;

type Operations = SmallVec<[Enabled; 6]>;

/// A point on the present path.
#[derive(Debug)]
struct Node {
    enabled: Operations,
    /// What need not be begun with here: what slept on arrival, and what has been explored.
    asleep: Operations,
    taken: Enabled,
}

/// Explores every trace once.
#[derive(Debug, Default)]
pub(crate) struct SleepSets {
    path: Vec<Node>,
    depth: usize,
    begun: bool,
    /// Traces that have been explored to their end.
    traces: u64,
}

impl SleepSets {
    fn asleep_on_arrival(&self) -> Operations {
        let Some(before) = self.path.last() else { return Operations::new() };
        before.asleep.iter().filter(|other| independent(other, &before.taken)).copied().collect()
    }
}

impl Strategy for SleepSets {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        if !std::mem::replace(&mut self.begun, true) {
            return true;
        }
        while let Some(node) = self.path.last_mut() {
            node.asleep.push(node.taken);
            if let Some(next) = node.enabled.iter().find(|next| !node.asleep.contains(next)) {
                node.taken = *next;
                return true;
            }
            self.path.pop();
        }
        false
    }

    fn forced(&mut self) -> Option<Enabled> {
        let node = self.path.get(self.depth)?;
        self.depth += 1;
        Some(node.taken)
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        if point.enabled().is_empty() {
            self.traces += 1;
            return Decision::Cut;
        }
        let asleep = self.asleep_on_arrival();
        let awake = point.enabled().iter().find(|enabled| !asleep.contains(enabled));
        let Some(taken) = awake.copied() else { return Decision::Cut };
        self.path.push(Node { enabled: SmallVec::from_slice(point.enabled()), asleep, taken });
        self.depth += 1;
        Decision::Take(taken.choice)
    }

    fn certificate(&self) -> Certificate {
        Certificate { traces: Some(self.traces), ..Certificate::default() }
    }
}
