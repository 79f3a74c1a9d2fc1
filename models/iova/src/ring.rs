//! One ring of Linux's flush queue.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::{iter, mem};

use crate::request::Pages;

/// Pages that are parked, and what is freed with them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry<P> {
    /// The pages.
    pub pages: Pages,
    /// How many flushes had begun when they were unmapped.
    pub counter: u64,
    /// Pages of translation tables that only these needed.
    pub freelist: Vec<P>,
}

/// Parked pages in the order in which they came, each with the number of flushes that had begun
/// by then. As soon as more flushes than that have *ended*, one of them must have begun later, and
/// the pages are free.
///
/// The two counters are the caller's: they belong to all rings together and change without the
/// lock of any.
///
/// What is not in use is normalised, so that rings in which the same is parked are equal wherever
/// in memory they have come to.
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
/// // One flush has ended. It may have been the one that had begun before page 2 was unmapped.
/// let freed: Vec<_> = ring.release(1).map(|entry| entry.pages.pfn).collect();
/// assert_eq!(freed, [1]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ring<P> {
    /// All slots, from the head on; the first `len` are in use.
    slots: VecDeque<Entry<P>>,
    len: usize,
}

impl<P> Ring<P> {
    /// An empty ring for `capacity` entries. (A ring of the kernel's has room for one entry less
    /// than it has slots: 255 of 256.)
    pub fn new(capacity: usize) -> Self {
        Self { slots: iter::repeat_with(Self::unused).take(capacity + 1).collect(), len: 0 }
    }

    fn unused() -> Entry<P> {
        Entry { pages: Pages { pfn: 0, count: 0 }, counter: 0, freelist: Vec::new() }
    }

    /// How many entries are parked.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is parked.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an entry that is added now would cost all others.
    pub fn full(&self) -> bool {
        self.len + 1 == self.slots.len()
    }

    /// Parks pages.
    ///
    /// In a ring that is full this takes the last slot, with which the tail meets the head: the
    /// ring is empty then, and everything in it forgotten. What the forgotten entries would have
    /// freed stays in their slots and is freed with whoever gets the slot next. The kernel flushes
    /// once if the ring is full and adds without looking again; `while` instead of `if` is the way
    /// to be safe.
    pub fn add(&mut self, mut entry: Entry<P>) {
        let slot = &mut self.slots[self.len];
        slot.pages = entry.pages;
        slot.counter = entry.counter;
        slot.freelist.append(&mut entry.freelist);
        self.len = if self.full() { 0 } else { self.len + 1 };
    }

    /// Takes out, from the oldest on, what is free once `finished` flushes have ended, and stops
    /// at the first entry that is not.
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
