//! A tree of executions in parts, for several searches at once.
//!
//! Every search walks the same first few steps in every order, with sleep sets, and reaches the
//! same points in the same order. Each of them is the root of a *part*, and has a number. A search
//! that reaches a part which no search has taken takes it; the others skip it. Parts are
//! independent of each other. Below its root a part is explored as usual, and no trace is in two
//! parts, so the counts of the parts can be added.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shard::Shard;

/// The depth at which the parts begin, if there is more than one. A prototype had a few hundred
/// parts there, none of them a large share of the whole.
const DEPTH: usize = 8;

/// The state that several searches share: the parts that are taken.
#[derive(Debug)]
pub(crate) struct Subtrees {
    depth: usize,
    shard: Shard,
    /// The number of parts taken. Every search reaches the parts in the same order, so these are
    /// the first.
    taken: AtomicU64,
}

impl Subtrees {
    /// Creates the parts for a number of searches that explore `shard`.
    pub(crate) fn new(searches: usize, shard: Shard) -> Self {
        let depth = if searches == 1 && shard == Shard::WHOLE { 0 } else { DEPTH };
        Self::restore(depth, shard, 0)
    }

    pub(crate) fn restore(depth: usize, shard: Shard, taken: u64) -> Self {
        Self { depth, shard, taken: AtomicU64::new(taken) }
    }

    /// Returns the depth at which the parts begin.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    /// Returns the number of parts taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes part `number`, if it belongs to this shard and no other search has taken it.
    pub(super) fn take(&self, number: u64) -> bool {
        let next =
            self.taken.compare_exchange(number, number + 1, Ordering::Relaxed, Ordering::Relaxed);
        next.is_ok() && self.shard.has(number)
    }
}
