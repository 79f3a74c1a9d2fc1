//! A hash table of places, which compares a part of the hash.
//!
//! A search of millions of states waits for memory more than for anything else, and looks up most
//! states that it reaches more than once. A slot is therefore one word, which a look-up reads from
//! one place, and which can be [prefetched](Table::prefetch): many look-ups then wait about as long
//! as one. The slots are in the order of the hashes, so that the table grows from one end to the
//! other.

use std::hint::black_box;
use std::mem::size_of;

/// Places, by a part of the hash of what is there.
#[derive(Default)]
pub(super) struct Table {
    /// The slots, none or a power of two of them. Each has the hash and the place plus one; zero is
    /// empty.
    slots: Box<[u64]>,
    len: usize,
}

/// An empty slot, returned by a look-up that found nothing.
pub(super) struct Vacant(usize);

impl Table {
    /// The smallest number of slots, once there are any.
    const SLOTS: usize = 64;

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns its size in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<u64>() * self.slots.len()
    }

    /// Prefetches the slot of `hash`, without waiting for it.
    pub(super) fn prefetch(&self, hash: u32) {
        black_box(self.slots[self.home(hash)]);
    }

    /// Returns the place with this hash for which `same` holds, or the slot where it may be
    /// inserted. There must be [room](Self::reserve).
    pub(super) fn find(&self, hash: u32, mut same: impl FnMut(u32) -> bool) -> Result<u32, Vacant> {
        let mut slot = self.home(hash);
        loop {
            let word = self.slots[slot];
            if word == 0 {
                return Err(Vacant(slot));
            }
            let place = word as u32 - 1;
            if (word >> 32) as u32 == hash && same(place) {
                return Ok(place);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// Inserts a place, which must not be the largest number, where [`find`](Self::find) has found
    /// nothing.
    pub(super) fn insert(&mut self, vacant: Vacant, hash: u32, place: u32) {
        self.slots[vacant.0] = u64::from(hash) << 32 | u64::from(place + 1);
        self.len += 1;
    }

    /// Inserts a place that is not in the table. There must be [room](Self::reserve).
    pub(super) fn put_new(&mut self, hash: u32, place: u32) {
        if let Err(vacant) = self.find(hash, |_| false) {
            self.insert(vacant, hash, place);
        }
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        // A quarter stays empty, so that the way from a home to an empty slot is short.
        let slots = ((self.len + more) * 4 / 3 + 1).next_power_of_two().max(Self::SLOTS);
        if slots <= self.slots.len() {
            return;
        }
        let full = std::mem::replace(&mut self.slots, vec![0; slots].into());
        self.len = 0;
        for word in full.into_iter().filter(|word| *word != 0) {
            self.put_new((word >> 32) as u32, word as u32 - 1);
        }
    }

    /// Returns the slot at which the search for a hash begins, by its highest bits.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &mut Table, hash: u32, place: u32) {
        table.reserve(1);
        match table.find(hash, |known| known == place) {
            Ok(found) => assert_eq!(found, place),
            Err(vacant) => table.insert(vacant, hash, place),
        }
    }

    #[test]
    fn finds_what_was_put_though_hashes_are_equal_or_the_highest() {
        let mut table = Table::default();
        let hash = |place: u32| match place % 3 {
            0 => u32::MAX,
            1 => 7,
            _ => place.wrapping_mul(0x9E37_79B9),
        };
        for place in 0..1_000 {
            add(&mut table, hash(place), place);
            add(&mut table, hash(place / 2), place / 2);
        }
        assert_eq!(table.len(), 1_000);
        for place in 0..1_000 {
            assert_eq!(table.find(hash(place), |known| known == place).ok(), Some(place));
            assert!(table.find(hash(place), |known| known == 1_000).is_err());
        }
    }

    #[test]
    fn a_quarter_stays_empty() {
        let mut table = Table::default();
        for place in 0..10_000_u32 {
            add(&mut table, place.wrapping_mul(0x9E37_79B9), place);
            assert!(table.len() * 4 <= table.memory() / size_of::<u64>() * 3);
        }
    }
}
