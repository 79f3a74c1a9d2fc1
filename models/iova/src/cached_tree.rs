//! Linux's allocator: a tree of the allocated ranges, searched downwards from the last allocation.

use alloc::collections::BTreeMap;
use core::hash::{Hash, Hasher};

use slab::Slab;

use crate::allocator::Allocator;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// The first page that a 32-bit address does not reach.
const DMA_32BIT_PFN: Pfn = 1 << 20;

/// The allocated ranges in order, and two nodes at which the next search starts to walk down. One
/// node is for requests that can use all addresses, and the other is for requests below 4 GiB. The
/// walk is linear in the number of allocated ranges. It is cheap while there is a gap below the
/// node, and expensive where a limit or an alignment makes it begin far from a gap.
///
/// Linux has a red-black tree. This is a B-tree to find a node and an ordered list to walk from
/// node to node, at the same costs: a logarithm and a pointer.
///
/// Source: `alloc_iova`, `__free_iova` in `drivers/iommu/iova.c`, v4.16 to v6.12.
#[derive(Clone, Debug)]
pub struct CachedTree {
    aperture: Pages,
    nodes: Slab<Node>,
    /// Nodes by their first page.
    by_pfn: BTreeMap<Pfn, usize>,
    /// The node above all others, so that every node has one above it.
    anchor: usize,
    cached: usize,
    cached32: usize,
    /// A request below 4 GiB must be smaller than this until a range is freed there. A request of
    /// this size was refused once, below some limit.
    max32_alloc_size: u64,
    visited: u64,
}

/// Pages `lo..=hi`, with the nodes on either side.
#[derive(Clone, Debug)]
struct Node {
    lo: Pfn,
    hi: Pfn,
    below: Option<usize>,
    /// `None` for the anchor.
    above: Option<usize>,
}

impl CachedTree {
    /// Creates an aperture in which every page is free.
    ///
    /// # Panics
    ///
    /// If `aperture` is not a valid range of pages.
    pub fn new(aperture: Pages) -> Self {
        let mut nodes = Slab::new();
        let anchor = nodes.insert(Node { lo: Pfn::MAX, hi: Pfn::MAX, below: None, above: None });
        Self {
            aperture: aperture.checked(),
            nodes,
            by_pfn: BTreeMap::new(),
            anchor,
            cached: anchor,
            cached32: anchor,
            max32_alloc_size: DMA_32BIT_PFN,
            visited: 0,
        }
    }

    /// Walks down from `from` to the first gap in which the request fits, not below `low`. Returns
    /// the first page and the node above it.
    fn walk(
        &mut self,
        from: usize,
        request: Request,
        limit: Pfn,
        low: Pfn,
    ) -> Option<(Pfn, usize)> {
        let mut high = limit;
        let mut above = from;
        loop {
            self.visited += 1;
            let node = &self.nodes[above];
            high = high.min(node.lo);
            let pfn = high.checked_sub(request.count())? & !(request.align() - 1);
            if pfn < low {
                return None;
            }
            match node.below {
                Some(below) if pfn <= self.nodes[below].hi => above = below,
                _ => return Some((pfn, above)),
            }
        }
    }

    /// Returns the lowest node that reaches `limit` or beyond.
    fn above_limit(&self, limit: Pfn) -> usize {
        let below = self.by_pfn.range(..limit).next_back();
        match below {
            Some((_, below)) if self.nodes[*below].hi >= limit => *below,
            Some((_, below)) => {
                self.nodes[*below].above.expect("only the anchor has no node above")
            }
            None => self.by_pfn.first_key_value().map_or(self.anchor, |(_, node)| *node),
        }
    }

    fn insert(&mut self, pages: Pages, above: usize) -> usize {
        let below = self.nodes[above].below;
        let hi = pages.pfn + (pages.count - 1);
        let node = self.nodes.insert(Node { lo: pages.pfn, hi, below, above: Some(above) });
        self.nodes[above].below = Some(node);
        if let Some(below) = below {
            self.nodes[below].above = Some(node);
        }
        self.by_pfn.insert(pages.pfn, node);
        node
    }
}

impl Allocator for CachedTree {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let start = self.aperture.pfn;
        let limit = request.limit().min(start + self.aperture.count);
        let needs32 = limit <= DMA_32BIT_PFN;
        if needs32 && request.count() >= self.max32_alloc_size {
            return Err(Refused::Exhausted);
        }
        let from = if needs32 { self.cached32 } else { self.cached };
        let cached_hi = self.nodes[from].hi;
        let mut found = self.walk(from, request, limit, start);
        if found.is_none() && cached_hi < limit {
            // Searches again from the top, down to where the first walk began.
            let from = self.above_limit(limit);
            found = self.walk(from, request, limit, start.max(cached_hi + 1));
        }
        let Some((pfn, above)) = found else {
            self.max32_alloc_size = request.count();
            return Err(Refused::Exhausted);
        };
        let node = self.insert(Pages { pfn, count: request.count() }, above);
        match self.nodes[node].hi < DMA_32BIT_PFN {
            true => self.cached32 = node,
            false => self.cached = node,
        }
        Ok(pfn)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        let index = *self.by_pfn.get(&pages.pfn).ok_or(NotFreed::NotAllocated)?;
        let node = &self.nodes[index];
        if pages.end() != Some(node.hi + 1) {
            return Err(NotFreed::NotAllocated);
        }
        let Node { lo, hi, below, above } = node.clone();
        let above = above.expect("only the anchor has no node above");
        if index == self.cached32 || (hi < DMA_32BIT_PFN && lo >= self.nodes[self.cached32].lo) {
            self.cached32 = above;
        }
        if lo < DMA_32BIT_PFN {
            self.max32_alloc_size = DMA_32BIT_PFN;
        }
        if lo >= self.nodes[self.cached].lo {
            self.cached = above;
        }
        self.nodes[above].below = below;
        if let Some(below) = below {
            self.nodes[below].above = Some(above);
        }
        self.nodes.remove(index);
        self.by_pfn.remove(&lo);
        Ok(())
    }

    fn visited(&self) -> u64 {
        self.visited
    }
}

/// Equal for trees that behave alike, regardless of where in memory their nodes are.
impl Hash for CachedTree {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.aperture.hash(state);
        self.max32_alloc_size.hash(state);
        [self.cached, self.cached32].map(|node| self.nodes[node].lo).hash(state);
        self.by_pfn.len().hash(state);
        for node in self.by_pfn.values() {
            (self.nodes[*node].lo, self.nodes[*node].hi).hash(state);
        }
    }
}
