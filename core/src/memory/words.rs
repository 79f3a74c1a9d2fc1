//! A word: its stores in modification order, and what an access of it can do.

use smallvec::SmallVec;

use crate::op::Op;
use crate::operations::OpKind;

use super::view::View;

/// A store that some thread may still read.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) value: u64,
    /// The view that a thread gets that acquires it.
    pub(super) view: View,
    /// Whether it belongs to a read-modify-write, which has read the store before. Nothing comes
    /// between the two.
    pub(super) update: bool,
    /// Its event, where each is kept.
    pub(super) event: u32,
}

/// A word of a world.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// The number of its object.
    pub(super) object: u32,
    /// In modification order. The place of a store is its *rank*.
    pub(super) stores: SmallVec<[Store; 2]>,
}

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// It reads the store of this rank.
    Read(usize),
    /// Its store gets this rank.
    Write(usize),
    /// It reads the store of this rank, and its own store gets the next one.
    Update(usize),
}

impl Access {
    /// Returns the rank of the store that it comes right after in coherence order.
    pub(super) fn base(self) -> usize {
        match self {
            Self::Read(rank) | Self::Update(rank) => rank,
            Self::Write(rank) => rank - 1,
        }
    }
}

impl Word {
    pub(super) fn last(&self) -> usize {
        self.stores.len() - 1
    }

    /// Returns what `op` can do for a thread that may not read the stores before the rank `first`.
    /// What a sequentially consistent memory would do comes first.
    pub(super) fn accesses(&self, op: Op, first: usize) -> SmallVec<[Access; 4]> {
        let ranks = (first..=self.last()).rev();
        let ends = |rank: &usize| self.stores.get(rank + 1).is_none_or(|next| !next.update);
        match op.kind {
            OpKind::Load => ranks.map(Access::Read).collect(),
            OpKind::Store => ranks.filter(ends).map(|rank| Access::Write(rank + 1)).collect(),
            OpKind::CompareExchange => {
                let access = |rank: usize| match self.stores[rank].value == op.a {
                    true => ends(&rank).then_some(Access::Update(rank)),
                    false => Some(Access::Read(rank)),
                };
                ranks.filter_map(access).collect()
            }
            _ => ranks.filter(ends).map(Access::Update).collect(),
        }
    }
}
