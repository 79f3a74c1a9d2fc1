//! A tree of executions in parts, for several searches at once.
//!
//! Every search walks the same first few steps in every order, with sleep sets, and comes to the
//! same points in the same order: each is the root of a *part*, and has a number. Whoever comes
//! to a part that nobody has taken takes it; the others pass it by. Parts have nothing to tell
//! each other. Below its root a part is explored as ever, and no trace is in two of them, so that
//! what the parts count adds up.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shard::Shard;

/// How many steps from the beginning the parts begin, where there is more than one. A prototype
/// had a few hundred parts there, none of them a large share of the whole.
const DEPTH: usize = 8;

/// What several searches share: which parts are taken.
#[derive(Debug)]
pub(crate) struct Subtrees {
    depth: usize,
    shard: Shard,
    /// Everybody comes to the parts in the same order, so those that are taken are the first.
    taken: AtomicU64,
}

impl Subtrees {
    /// The parts for so many searches that are to do `shard`.
    pub(crate) fn new(searches: usize, shard: Shard) -> Self {
        let depth = if searches == 1 && shard == Shard::WHOLE { 0 } else { DEPTH };
        Self::restore(depth, shard, 0)
    }

    pub(crate) fn restore(depth: usize, shard: Shard, taken: u64) -> Self {
        Self { depth, shard, taken: AtomicU64::new(taken) }
    }

    /// How many steps from the beginning the parts begin.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    /// How many parts are taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes part `number`, if it is to be done and nobody else does it.
    pub(super) fn take(&self, number: u64) -> bool {
        let next =
            self.taken.compare_exchange(number, number + 1, Ordering::Relaxed, Ordering::Relaxed);
        next.is_ok() && self.shard.has(number)
    }
}
