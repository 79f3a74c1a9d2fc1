//! The peers, used as their own users would use them.

use std::collections::BTreeMap;

use dbs_allocator::{Constraint, IntervalTree, NodeState, Range};
use selvedge_iova::{Allocator, NotFreed, Pages, Pfn, Refused, Request};
use vm_allocator::{AddressAllocator, AllocPolicy, RangeInclusive};

use super::APERTURE;

const PAGE: u64 = 4096;

/// rust-vmm's allocator of address ranges: an AVL tree of free and allocated ranges, searched from
/// its lowest address.
#[derive(Debug)]
pub struct VmAllocator(AddressAllocator);

impl VmAllocator {
    /// Creates an allocator of the aperture with `live` allocated. Allocating them one by one takes
    /// longer for each.
    ///
    /// # Panics
    ///
    /// If they overlap.
    pub fn new(live: &[Pages]) -> Self {
        let (start, size) = (APERTURE.pfn * PAGE, APERTURE.count * PAGE);
        let mut allocator =
            AddressAllocator::new(start, size).expect("the aperture is a valid range");
        for pages in live {
            let at = AllocPolicy::ExactMatch(pages.pfn * PAGE);
            allocator.allocate(pages.count * PAGE, PAGE, at).expect("the ranges must not overlap");
        }
        Self(allocator)
    }
}

impl Allocator for VmAllocator {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let (size, align) = (request.count() * PAGE, request.align() * PAGE);
        let found = self.0.allocate(size, align, AllocPolicy::FirstMatch);
        found.map(|range| range.start() / PAGE).map_err(|_| Refused::Exhausted)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        let (start, size) = (pages.pfn * PAGE, pages.count * PAGE);
        let range = RangeInclusive::new(start, start + size - 1).expect("pages");
        self.0.free(&range).map_err(|_| NotFreed::NotAllocated)
    }
}

/// Dragonball's allocator of address ranges, also an AVL tree of free and allocated ranges. The
/// last release is 0.1.1, of October 2022.
#[derive(Debug)]
pub struct DbsAllocator(IntervalTree<()>);

impl DbsAllocator {
    /// Creates an allocator of the aperture with `live` allocated.
    pub fn new(live: &[Pages]) -> Self {
        let mut tree = IntervalTree::new();
        let mut sorted = live.to_vec();
        sorted.sort_unstable();
        let mut from = APERTURE.pfn;
        for pages in sorted {
            if from < pages.pfn {
                tree.insert(Range::new(from, pages.pfn - 1), None);
            }
            from = pages.pfn + pages.count;
            tree.insert(Range::new(pages.pfn, from - 1), Some(()));
        }
        let end = APERTURE.pfn + APERTURE.count;
        if from < end {
            tree.insert(Range::new(from, end - 1), None);
        }
        Self(tree)
    }
}

impl Allocator for DbsAllocator {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        // The largest page that the request may have.
        let max = request.limit().checked_sub(1).ok_or(Refused::Exhausted)?;
        let constraint = Constraint::new(request.count()).align(request.align()).max(max);
        let range = self.0.allocate(&constraint).ok_or(Refused::Exhausted)?;
        self.0.update(&range, ());
        Ok(range.min)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        let end = pages.end().ok_or(NotFreed::NotAllocated)?;
        let range = Range::new(pages.pfn, end - 1);
        match self.0.get(&range) {
            Some(NodeState::Valued(())) => {
                self.0.free(&range);
                Ok(())
            }
            _ => Err(NotFreed::NotAllocated),
        }
    }
}

/// The allocated ranges in the ordered map of `std`, searched downwards from the limit. This is the
/// simplest allocator of ranges.
#[derive(Clone, Debug)]
pub struct PlainTree(BTreeMap<Pfn, u64>);

impl PlainTree {
    /// Creates an allocator of the aperture with `live` allocated.
    pub fn new(live: &[Pages]) -> Self {
        Self(live.iter().map(|pages| (pages.pfn, pages.count)).collect())
    }
}

impl Allocator for PlainTree {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let mut end = request.limit().min(APERTURE.pfn + APERTURE.count);
        let fits = |end: Pfn| Some(end.checked_sub(request.count())? & !(request.align() - 1));
        for (pfn, count) in self.0.range(..end).rev() {
            let at = fits(end).ok_or(Refused::Exhausted)?;
            if at >= pfn + count {
                break;
            }
            end = *pfn;
        }
        let at = fits(end).filter(|at| *at >= APERTURE.pfn).ok_or(Refused::Exhausted)?;
        self.0.insert(at, request.count());
        Ok(at)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        match self.0.remove(&pages.pfn) {
            Some(count) if count == pages.count => Ok(()),
            Some(count) => {
                self.0.insert(pages.pfn, count);
                Err(NotFreed::NotAllocated)
            }
            None => Err(NotFreed::NotAllocated),
        }
    }
}

/// One page at a time from the next word that has a free one, which is the minimum that a bitmap
/// does. It has no limit and no alignment, and it trusts the caller that frees a page.
#[derive(Clone, Debug)]
pub struct BareBitmap {
    free: Vec<u64>,
    word: usize,
}

impl BareBitmap {
    /// Creates an allocator in which the whole aperture is free.
    pub fn new() -> Self {
        Self { free: vec![!0; (APERTURE.count / 64) as usize], word: 0 }
    }
}

impl Default for BareBitmap {
    fn default() -> Self {
        Self::new()
    }
}

impl Allocator for BareBitmap {
    fn alloc(&mut self, _: usize, _: Request) -> Result<Pfn, Refused> {
        for _ in 0..=self.free.len() {
            let word = self.free[self.word];
            if word != 0 {
                self.free[self.word] = word & (word - 1);
                let at = self.word as u64 * 64 + u64::from(word.trailing_zeros());
                return Ok(APERTURE.pfn + at);
            }
            self.word = (self.word + 1) % self.free.len();
        }
        Err(Refused::Exhausted)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        let at = pages.pfn - APERTURE.pfn;
        self.free[(at / 64) as usize] |= 1 << (at % 64);
        Ok(())
    }
}
