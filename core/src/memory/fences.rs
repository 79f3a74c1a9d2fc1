//! The sequentially consistent fences, as RC11's axiom `acyclic(psc)` has them.
//!
//! A fence precedes another if the other happens after it, or if an access after the one comes, in
//! the coherence order of its word, before an access before the other: `hb; eco; hb`. An access
//! that would close a cycle cannot happen. The order in which fences happen in an execution here
//! does not matter.

use smallvec::SmallVec;

use super::view::{Set, View};

/// A fence that some later access could still put before another.
#[derive(Clone, Debug)]
pub(super) struct Fence {
    /// The number of its thread.
    pub(super) thread: usize,
    /// The stores that it has observed.
    pub(super) view: View,
    /// The earliest access after it of each word, in coherence order: twice the rank for a store,
    /// and one more than that of the store that was read for a load. [`NONE`] if there is none.
    first: SmallVec<[u32; 4]>,
    /// The fences that precede it, directly or not.
    before: Set,
}

const NONE: u32 = u32::MAX;

impl Fence {
    fn first(&self, word: usize) -> u32 {
        self.first.get(word).copied().unwrap_or(NONE)
    }

    fn lower(&mut self, word: usize, access: u32) {
        if self.first.len() <= word {
            self.first.resize(word + 1, NONE);
        }
        self.first[word] = self.first[word].min(access);
    }

    /// Returns whether an access after it comes before one that a thread with this view has made.
    fn precedes(&self, view: &View) -> bool {
        (0..self.first.len()).any(|word| 2 * view.rank(word) as u32 >= self.first(word))
    }

    pub(super) fn make_room(&mut self, word: usize, new: usize) {
        if self.first(word) != NONE && self.first(word) >= 2 * new as u32 {
            self.first[word] += 2;
        }
    }

    pub(super) fn forget(&mut self, word: usize, count: usize) {
        if self.first(word) != NONE {
            self.first[word] = self.first[word].saturating_sub(2 * count as u32);
        }
    }

    pub(super) fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.thread as u64, self.first.len() as u64]);
        key.extend(self.first.iter().map(|first| u64::from(*first)));
        self.view.encode(key);
        self.before.encode(key);
    }
}

/// The fences, by thread and in the order of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Fences(pub(super) Vec<Fence>);

impl Fences {
    /// Returns whether an access of `word` right after the store of rank `base` in coherence order,
    /// by a thread after the fences `after`, leaves the order of the fences acyclic.
    pub(super) fn allow(&self, after: &Set, word: usize, base: usize) -> bool {
        let later = |fence: &Fence| fence.view.rank(word) > base;
        let numbered = || (0..).zip(&self.0);
        !after.iter().any(|fence| {
            let before = &self.0[fence as usize].before;
            numbered().any(|(number, other)| later(other) && before.contains(number))
        })
    }

    /// Notes an access that is allowed; `access` is its place as [`Fence::first`] has it.
    pub(super) fn access(&mut self, after: &Set, word: usize, access: u32) {
        let later = |fence: &Fence| 2 * fence.view.rank(word) as u32 > access;
        let later: Set = {
            let mut set = Set::default();
            let numbered = (0..).zip(&self.0);
            numbered.filter(|(_, fence)| later(fence)).for_each(|(number, _)| set.insert(number));
            set
        };
        for fence in after.iter() {
            self.0[fence as usize].lower(word, access);
            later.iter().for_each(|other| self.precede(fence, other));
        }
    }

    fn precede(&mut self, one: u32, other: u32) {
        let mut new = self.0[one as usize].before.clone();
        new.insert(one);
        for (number, fence) in (0..).zip(&mut self.0) {
            if number == other || fence.before.contains(other) {
                fence.before.join(&new);
            }
        }
    }

    /// Adds a fence of a thread with this view. Returns its number, or nothing if one before has
    /// the same effect.
    pub(super) fn add(&mut self, thread: usize, view: &View) -> Option<u32> {
        let mut direct = view.fences.clone();
        for (number, fence) in (0..).zip(&self.0) {
            if fence.precedes(view) {
                direct.insert(number);
            }
        }
        let same = view.fences.iter().any(|number| {
            let fence = &self.0[number as usize];
            let known = |other| other == number || fence.before.contains(other);
            fence.view.covers(view) && view.covers(&fence.view) && direct.iter().all(known)
        });
        if same {
            return None;
        }
        let mut before = direct.clone();
        direct.iter().for_each(|number| before.join(&self.0[number as usize].before));
        let number = self.0.partition_point(|fence| fence.thread <= thread);
        let new = Fence { thread, view: view.stores(), first: SmallVec::new(), before };
        self.0.insert(number, new);
        let new = number as u32;
        self.0.iter_mut().for_each(|fence| fence.before.make_room(new));
        Some(new)
    }

    /// Removes a fence that is on no cycle, now or later, and returns its number: nothing precedes
    /// it, and each of the `threads` has observed what it had.
    pub(super) fn remove_one<'a>(
        &mut self,
        threads: impl Iterator<Item = &'a View> + Clone,
    ) -> Option<u32> {
        let over = |fence: &Fence| {
            fence.before.is_empty() && threads.clone().all(|view| view.covers(&fence.view))
        };
        let number = self.0.iter().position(over)?;
        self.0.remove(number);
        self.0.iter_mut().for_each(|fence| fence.before.close_gap(number as u32));
        Some(number as u32)
    }
}
