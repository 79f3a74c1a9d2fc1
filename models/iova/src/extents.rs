//! Which pages are out, and by which request.

use alloc::vec::Vec;

use crate::request::{NotFreed, Pages};
use crate::words;

/// For each page of an aperture whether a mapping begins there, and whether one ends: enough to
/// tell giving back a mapping from giving back part of one, or two, or one that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extents {
    aperture: Pages,
    /// 64 pages each; both of a page are in one line of the cache.
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

    /// Notes that `pages`, of the aperture, are out.
    pub(crate) fn insert(&mut self, pages: Pages) {
        let first = pages.pfn - self.aperture.pfn;
        let last = first + (pages.count - 1);
        self.edges[words::index(first / 64)].first |= 1 << (first % 64);
        self.edges[words::index(last / 64)].last |= 1 << (last % 64);
    }

    /// Notes that `pages` are back.
    pub(crate) fn remove(&mut self, pages: Pages) -> Result<(), NotFreed> {
        let (first, to) = pages.within(self.aperture).ok_or(NotFreed::NotAllocated)?;
        let last = to - 1;
        let begins = self.edges[words::index(first / 64)].first >> (first % 64) & 1 == 1;
        if !begins || self.end_from(first, last) != Some(last) {
            return Err(NotFreed::NotAllocated);
        }
        self.edges[words::index(first / 64)].first &= !(1 << (first % 64));
        self.edges[words::index(last / 64)].last &= !(1 << (last % 64));
        Ok(())
    }

    /// The first page in `first..=last` with which a mapping ends.
    fn end_from(&self, first: u64, last: u64) -> Option<u64> {
        words::masks(first, last + 1).find_map(|(word, mask)| {
            let ends = self.edges[word].last & mask;
            (ends != 0).then(|| word as u64 * 64 + u64::from(ends.trailing_zeros()))
        })
    }
}
