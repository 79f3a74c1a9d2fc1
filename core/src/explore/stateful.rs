//! Depth-first search that never enters a state twice for nothing.
//!
//! Threads that share a few locks have few states and astronomically many orderings, so
//! remembering states is what makes a proof of a driver's protocol quick. A program cannot be
//! rewound, so each branch re-runs it from the start along the path to the branch; what counts
//! is how many branches there are.
//!
//! Two reductions, which a proof may use and a census may not:
//!
//! - *Unlock first.* Giving a mutex back disturbs nobody who does not try it, and everybody who
//!   waits for it needs it. So where a thread is about to unlock, nothing else need be tried in
//!   that state. A mutex that somebody may `trylock`, or stop waiting for at a signal, is
//!   excepted. Which those are is learned: if such an operation turns up on a mutex that was
//!   taken for safe, the search starts again and knows better. (None can stay hidden: up to the
//!   first of them the reduction is sound.)
//! - *Sleep sets with state matching* (P. Godefroid, 1996, section 5.3). What was explored from a
//!   state need not be begun with after an operation that is independent of it. A state that is
//!   reached again with fewer operations asleep is entered again for the difference.
//!
//! Both keep every deadlock and every state of a single thread, so they find a violation if there
//! is one. They need not find each *kind*: whoever is stopped by one violation cannot show the
//! order in which another comes first.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use smallvec::SmallVec;

use super::{Decision, Enabled, Point, Strategy, independent};
use crate::op::{ObjectId, OpKind};
use crate::verdict::Certificate;

/// Positions in a state's list of enabled operations.
type Positions = u64;

/// A state on the present path.
#[derive(Debug)]
struct Node {
    enabled: SmallVec<[Enabled; 6]>,
    to_do: Positions,
    /// What slept on arrival, and what has been explored since.
    asleep: Positions,
    taken: usize,
}

/// Explores the transitions of every reachable state.
#[derive(Debug, Default)]
pub(crate) struct Stateful {
    reduced: bool,
    /// The states, each with what was asleep whenever it was entered.
    visited: FxHashMap<Box<[u64]>, Positions>,
    path: Vec<Node>,
    depth: usize,
    begun: bool,
    tried: FxHashSet<ObjectId>,
    /// Mutexes whose unlocks went first.
    trusted: FxHashSet<ObjectId>,
    again: bool,
}

impl Stateful {
    /// A search for a proof.
    pub(crate) fn reduced() -> Self {
        Self { reduced: true, ..Self::default() }
    }

    /// Moves the path on to the next branch that has not been taken.
    fn backtrack(&mut self) -> bool {
        while let Some(node) = self.path.last_mut() {
            node.asleep |= 1 << node.taken;
            if node.to_do != 0 {
                node.taken = node.to_do.trailing_zeros() as usize;
                node.to_do &= node.to_do - 1;
                return true;
            }
            self.path.pop();
        }
        false
    }

    /// Forgets everything but what was learned.
    fn start_again(&mut self) -> bool {
        if !std::mem::take(&mut self.again) {
            return false;
        }
        self.visited.clear();
        self.trusted.clear();
        true
    }

    /// What of `enabled` sleeps here: what slept at the point before and is independent of what
    /// happened since.
    fn asleep_on_arrival(&self, enabled: &[Enabled]) -> Positions {
        let Some(before) = self.path.last().filter(|_| self.reduced) else { return 0 };
        let taken = &before.enabled[before.taken];
        let sleeps = |here: &Enabled| {
            let mut sleepers =
                before.enabled.iter().enumerate().filter(|(i, _)| before.asleep & (1 << i) != 0);
            sleepers.any(|(_, sleeper)| sleeper == here && independent(sleeper, taken))
        };
        let places = enabled.iter().enumerate().filter(|(_, here)| sleeps(here));
        places.fold(0, |asleep, (place, _)| asleep | 1 << place)
    }

    /// What has to be explored in a state: everything, or an unlock that may go first.
    fn branches(&mut self, enabled: &[Enabled]) -> Positions {
        let all = Positions::MAX >> (Positions::BITS as usize - enabled.len());
        if !self.reduced {
            return all;
        }
        for Enabled { object, op, .. } in enabled {
            let sees_holder = matches!(op.kind, OpKind::TryLock | OpKind::LockInterruptible);
            if sees_holder && self.tried.insert(*object) {
                self.again |= self.trusted.contains(object);
            }
        }
        let first = enabled.iter().position(|enabled| {
            enabled.op.kind == OpKind::Unlock && !self.tried.contains(&enabled.object)
        });
        let Some(first) = first else { return all };
        self.trusted.insert(enabled[first].object);
        1 << first
    }

    /// What is left to explore here, given what sleeps. Notes the visit.
    fn left(&mut self, key: Box<[u64]>, branches: Positions, asleep: &mut Positions) -> Positions {
        use std::collections::hash_map::Entry;
        match self.visited.entry(key) {
            Entry::Vacant(state) => {
                state.insert(*asleep);
                branches & !*asleep
            }
            Entry::Occupied(mut state) => {
                let left = branches & state.get() & !*asleep;
                *asleep &= state.get();
                state.insert(*asleep);
                left
            }
        }
    }
}

impl Strategy for Stateful {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        !std::mem::replace(&mut self.begun, true) || self.backtrack() || self.start_again()
    }

    fn forced(&mut self) -> Option<Enabled> {
        let node = self.path.get(self.depth)?;
        self.depth += 1;
        Some(node.enabled[node.taken])
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let enabled = point.enabled();
        assert!(enabled.len() < Positions::BITS as usize, "fewer than 64 operations at a time");
        let branches = if enabled.is_empty() { 0 } else { self.branches(enabled) };
        let mut asleep = self.asleep_on_arrival(enabled);
        let to_do = self.left(point.key(), branches, &mut asleep);
        if to_do == 0 {
            return Decision::Cut;
        }
        let taken = to_do.trailing_zeros() as usize;
        let enabled: SmallVec<[Enabled; 6]> = SmallVec::from_slice(enabled);
        let choice = enabled[taken].choice;
        self.path.push(Node { enabled, to_do: to_do & (to_do - 1), asleep, taken });
        self.depth += 1;
        Decision::Take(choice)
    }

    fn certificate(&self) -> Certificate {
        Certificate { states: Some(self.visited.len() as u64), ..Certificate::default() }
    }

    /// The same for every run of the same program.
    fn digest(&self) -> Option<u64> {
        let mut states: Vec<&[u64]> = self.visited.keys().map(|state| &**state).collect();
        states.sort_unstable();
        let mut hasher = FxHasher::default();
        for state in states {
            hasher.write_usize(state.len());
            state.iter().for_each(|word| hasher.write_u64(*word));
        }
        Some(hasher.finish())
    }

    fn frontier(&self) -> Option<u64> {
        Some(self.path.iter().filter(|node| node.to_do != 0).count() as u64)
    }
}
