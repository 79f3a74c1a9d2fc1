//! What a thread has observed of memory.

use smallvec::SmallVec;

/// A set of small numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Set(SmallVec<[u32; 4]>);

impl Set {
    pub(super) fn contains(&self, number: u32) -> bool {
        self.0.binary_search(&number).is_ok()
    }

    pub(super) fn insert(&mut self, number: u32) {
        if let Err(place) = self.0.binary_search(&number) {
            self.0.insert(place, number);
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        other.iter().for_each(|number| self.insert(number));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        self.0.retain(|number| keep(*number));
    }

    /// Makes room for a new number: it and those above become one greater.
    pub(super) fn make_room(&mut self, new: u32) {
        self.0.iter_mut().filter(|number| **number >= new).for_each(|number| *number += 1);
    }

    /// Removes a number: those above become one less.
    pub(super) fn close_gap(&mut self, old: u32) {
        self.retain(|number| number != old);
        self.0.iter_mut().filter(|number| **number > old).for_each(|number| *number -= 1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.0.len() as u64);
        key.extend(self.iter().map(u64::from));
    }
}

/// A view: for each word, the first store that may still be read, and what happens before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct View {
    /// By word, the rank of the store. Words at the end that are missing have the rank 0.
    ranks: SmallVec<[u16; 8]>,
    /// The sequentially consistent fences that happen before.
    pub(super) fences: Set,
    /// The events that happen before, where each is kept.
    pub(super) events: Set,
    /// The accesses of variables that happen before, of those that a later one could race with.
    pub(super) accesses: Set,
}

impl View {
    pub(super) fn rank(&self, word: usize) -> usize {
        self.ranks.get(word).map_or(0, |rank| usize::from(*rank))
    }

    /// Returns the view of the same stores, without anything else.
    pub(super) fn stores(&self) -> Self {
        Self { ranks: self.ranks.clone(), ..Self::default() }
    }

    pub(super) fn set_rank(&mut self, word: usize, rank: usize) {
        if self.ranks.len() <= word {
            self.ranks.resize(word + 1, 0);
        }
        self.ranks[word] = u16::try_from(rank).expect("fewer than 2^16 stores that matter");
        while self.ranks.last() == Some(&0) {
            self.ranks.pop();
        }
    }

    pub(super) fn raise(&mut self, word: usize, rank: usize) {
        if self.rank(word) < rank {
            self.set_rank(word, rank);
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        for word in 0..other.ranks.len() {
            self.raise(word, other.rank(word));
        }
        self.fences.join(&other.fences);
        self.events.join(&other.events);
        self.accesses.join(&other.accesses);
    }

    /// Returns whether it has observed each store that `other` has.
    pub(super) fn covers(&self, other: &Self) -> bool {
        (0..other.ranks.len()).all(|word| self.rank(word) >= other.rank(word))
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes that a store now has the rank `new`, and those from there on have moved up.
    pub(super) fn make_room(&mut self, word: usize, new: usize) {
        let rank = self.rank(word);
        if rank >= new {
            self.set_rank(word, rank + 1);
        }
    }

    /// Notes that the first `count` stores of a word are gone.
    pub(super) fn forget(&mut self, word: usize, count: usize) {
        if self.rank(word) > 0 {
            self.set_rank(word, self.rank(word).saturating_sub(count));
        }
    }

    pub(super) fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.ranks.len() as u64);
        key.extend(self.ranks.iter().map(|rank| u64::from(*rank)));
        self.fences.encode(key);
        self.events.encode(key);
        self.accesses.encode(key);
    }
}
