//! One ring of Linux's flush queue.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::{iter, mem};

use crate::request::Pages;

/// Parked pages, and the tables that are freed with them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry<P> {
    /// The pages.
    pub pages: Pages,
    /// The number of flushes that had begun when the pages were unmapped.
    pub counter: u64,
    /// Pages of translation tables that only these pages used.
    pub freelist: Vec<P>,
}

/// A queue of parked pages, each with the number of flushes that had begun when it was added. As
/// soon as more flushes than that have *ended*, one of them must have begun later, and the pages
/// are free.
///
/// The caller has the two counters. They belong to all rings together and change without the lock
/// of any ring.
///
/// Unused slots are normalised, so that rings with the same parked pages are equal, regardless of
/// the slots that they use.
///
/// Source: `struct iova_fq`, `fq_ring_add` and `fq_ring_free` in `drivers/iommu/dma-iommu.c`, v6.7.
///
/// ```
/// use selvedge_iova::{Entry, Pages, Ring};
/// let mut ring: Ring<()> = Ring::new(2);
/// for (pfn, counter) in [(1, 0), (2, 1)] {
///     ring.add(Entry { pages: Pages { pfn, count: 1 }, counter, freelist: vec![] });
/// }
/// assert!(ring.full());
/// // One flush has ended. It may be the flush that had begun before page 2 was unmapped.
/// let freed: Vec<_> = ring.release(1).map(|entry| entry.pages.pfn).collect();
/// assert_eq!(freed, [1]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ring<P> {
    /// All slots, from the head on. The first `len` are in use.
    slots: VecDeque<Entry<P>>,
    len: usize,
}

impl<P> Ring<P> {
    /// Creates an empty ring for `capacity` entries. (A ring of the kernel has room for one entry
    /// less than it has slots: 255 of 256.)
    pub fn new(capacity: usize) -> Self {
        Self { slots: iter::repeat_with(Self::unused).take(capacity + 1).collect(), len: 0 }
    }

    fn unused() -> Entry<P> {
        Entry { pages: Pages { pfn: 0, count: 0 }, counter: 0, freelist: Vec::new() }
    }

    /// Returns the number of parked entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no entry is parked.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns whether adding an entry now would lose all others.
    pub fn full(&self) -> bool {
        self.len + 1 == self.slots.len()
    }

    /// Parks pages.
    ///
    /// In a full ring this takes the last slot, so that the tail meets the head. The ring is then
    /// empty and its entries are lost. The tables of the lost entries stay in their slots and are
    /// freed with the next entry in the slot. The kernel flushes once if the ring is full and adds
    /// without another check. A `while` in place of the `if` would be safe.
    pub fn add(&mut self, mut entry: Entry<P>) {
        let slot = &mut self.slots[self.len];
        slot.pages = entry.pages;
        slot.counter = entry.counter;
        slot.freelist.append(&mut entry.freelist);
        self.len = if self.full() { 0 } else { self.len + 1 };
    }

    /// Takes out the entries that are free after `finished` flushes have ended, from the oldest on,
    /// and stops at the first entry that is not.
    pub fn release(&mut self, finished: u64) -> impl Iterator<Item = Entry<P>> {
        iter::from_fn(move || {
            let head = self.slots.front_mut()?;
            if self.len == 0 || head.counter >= finished {
                return None;
            }
            let entry = mem::replace(head, Self::unused());
            self.slots.rotate_left(1);
            self.len -= 1;
            Some(entry)
        })
    }
}
