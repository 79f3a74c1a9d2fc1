//! The allocated pages and the requests that they belong to.

use alloc::vec::Vec;

use crate::request::{NotFreed, Pages};
use crate::words;

/// For each page of an aperture, whether a mapping begins there and whether one ends there. This
/// distinguishes freeing one mapping from freeing a part of one, two at once, or one that does not
/// exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extents {
    aperture: Pages,
    /// 64 pages each. Both bits of a page are in one cache line.
    edges: Vec<Edges>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Edges {
    first: u64,
    last: u64,
}

impl Extents {
    pub(crate) fn new(aperture: Pages) -> Self {
        let words = words::index(aperture.count.div_ceil(64));
        Self { aperture, edges: alloc::vec![Edges::default(); words] }
    }

    /// Records that `pages`, which are in the aperture, are allocated.
    #[inline]
    pub(crate) fn insert(&mut self, pages: Pages) {
        let first = pages.pfn - self.aperture.pfn;
        let edges = &mut self.edges[words::index(first / 64)];
        edges.first |= bit(first);
        // Most requests are for one page.
        match pages.count {
            1 => edges.last |= bit(first),
            count => {
                let last = first + (count - 1);
                self.edges[words::index(last / 64)].last |= bit(last);
            }
        }
    }

    /// Records that `pages` are free.
    #[inline]
    pub(crate) fn remove(&mut self, pages: Pages) -> Result<(), NotFreed> {
        let (first, to) = pages.within(self.aperture).ok_or(NotFreed::NotAllocated)?;
        if pages.count > 1 {
            return self.remove_many(first, to - 1);
        }
        let edges = &mut self.edges[words::index(first / 64)];
        if edges.first & edges.last & bit(first) == 0 {
            return Err(NotFreed::NotAllocated);
        }
        edges.first &= !bit(first);
        edges.last &= !bit(first);
        Ok(())
    }

    fn remove_many(&mut self, first: u64, last: u64) -> Result<(), NotFreed> {
        let begins = self.edges[words::index(first / 64)].first & bit(first) != 0;
        let ends = words::masks(first, last + 1).all(|(word, mask)| {
            let end = if word == words::index(last / 64) { bit(last) } else { 0 };
            self.edges[word].last & mask == end
        });
        if !begins || !ends {
            return Err(NotFreed::NotAllocated);
        }
        self.edges[words::index(first / 64)].first &= !bit(first);
        self.edges[words::index(last / 64)].last &= !bit(last);
        Ok(())
    }
}

fn bit(page: u64) -> u64 {
    1 << (page % 64)
}
