//! A tree of the allocated ranges in which each subtree knows its widest gap.

use core::cmp::Ordering;

use slab::Slab;

use crate::allocator::Allocator;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// The allocated ranges in order. A search descends only where there is a gap that is wide enough
/// and begins below the limit. It therefore takes a logarithm where
/// [`CachedTree`](crate::CachedTree) walks, which is below a limit and in a crowded aperture. The
/// width of a gap does not tell whether the request fits with its alignment. A gap that is wide
/// enough and unsuitable costs another descent.
///
/// The tree is a treap. The priority of a node is a hash of its first page, so the tree is as
/// balanced as one into which nodes were inserted in random order, and its shape depends only on
/// its nodes.
///
/// The idea is from Rik van Riel's series of May 2026, which augments Linux's tree like this.
#[derive(Clone, Debug)]
pub struct GapTree {
    nodes: Slab<Node>,
    root: Option<usize>,
    visited: u64,
}

/// Pages `lo..hi`, and the free pages directly below them.
#[derive(Clone, Debug)]
struct Node {
    lo: Pfn,
    hi: Pfn,
    gap: u64,
    /// The widest gap of the subtree.
    gap_max: u64,
    priority: u64,
    left: Option<usize>,
    right: Option<usize>,
}

impl GapTree {
    /// Creates an aperture in which every page is free.
    ///
    /// # Panics
    ///
    /// If `aperture` is not a valid range of pages.
    pub fn new(aperture: Pages) -> Self {
        let aperture = aperture.checked();
        let end = aperture.pfn + aperture.count;
        let mut tree = Self { nodes: Slab::new(), root: None, visited: 0 };
        // This node is above all others, so that every gap has a node above it.
        tree.insert(end, end, aperture.count);
        tree
    }

    /// Finds the highest pages in the subtree that satisfy the request. Returns the first of them
    /// and the node above.
    fn find(
        &self,
        subtree: Option<usize>,
        request: Request,
        visited: &mut u64,
    ) -> Option<(Pfn, usize)> {
        let index = subtree?;
        *visited += 1;
        let node = &self.nodes[index];
        if node.gap_max < request.count() {
            return None;
        }
        let floor = node.lo - node.gap;
        let here = || {
            let pfn = node.lo.min(request.limit()).checked_sub(request.count())?;
            let pfn = pfn & !(request.align() - 1);
            (pfn >= floor).then_some((pfn, index))
        };
        // All nodes to the right begin above the end of this gap.
        let right = if node.lo < request.limit() { node.right } else { None };
        let found = self.find(right, request, visited).or_else(here);
        found.or_else(|| self.find(node.left, request, visited))
    }

    fn insert(&mut self, lo: Pfn, hi: Pfn, gap: u64) {
        let priority = priority(lo);
        let node = Node { lo, hi, gap, gap_max: gap, priority, left: None, right: None };
        let index = self.nodes.insert(node);
        self.root = Some(self.insert_below(self.root, index));
    }

    fn insert_below(&mut self, subtree: Option<usize>, new: usize) -> usize {
        let Some(index) = subtree else { return new };
        if self.nodes[new].lo < self.nodes[index].lo {
            let left = self.insert_below(self.nodes[index].left, new);
            self.nodes[index].left = Some(left);
            if self.nodes[left].priority > self.nodes[index].priority {
                self.nodes[index].left = self.nodes[left].right;
                self.sum_up(index);
                self.nodes[left].right = Some(index);
                self.sum_up(left);
                return left;
            }
        } else {
            let right = self.insert_below(self.nodes[index].right, new);
            self.nodes[index].right = Some(right);
            if self.nodes[right].priority > self.nodes[index].priority {
                self.nodes[index].right = self.nodes[right].left;
                self.sum_up(index);
                self.nodes[right].left = Some(index);
                self.sum_up(right);
                return right;
            }
        }
        self.sum_up(index);
        index
    }

    /// Removes the node that begins at `lo` from the subtree that contains it.
    fn remove_below(&mut self, index: usize, lo: Pfn) -> Option<usize> {
        let Node { left, right, lo: here, .. } = self.nodes[index];
        if lo == here {
            self.nodes.remove(index);
            return self.merge(left, right);
        }
        if lo < here {
            self.nodes[index].left = left.and_then(|left| self.remove_below(left, lo));
        } else {
            self.nodes[index].right = right.and_then(|right| self.remove_below(right, lo));
        }
        self.sum_up(index);
        Some(index)
    }

    /// Merges two subtrees. Every node of the first is below every node of the second.
    fn merge(&mut self, low: Option<usize>, high: Option<usize>) -> Option<usize> {
        let (Some(a), Some(b)) = (low, high) else { return low.or(high) };
        if self.nodes[a].priority > self.nodes[b].priority {
            self.nodes[a].right = self.merge(self.nodes[a].right, Some(b));
            self.sum_up(a);
            Some(a)
        } else {
            self.nodes[b].left = self.merge(Some(a), self.nodes[b].left);
            self.sum_up(b);
            Some(b)
        }
    }

    /// Sets the gap of the node that begins at `lo`.
    fn set_gap(&mut self, subtree: Option<usize>, lo: Pfn, gap: u64) {
        let Some(index) = subtree else { return };
        let Node { left, right, lo: here, .. } = self.nodes[index];
        match lo.cmp(&here) {
            Ordering::Less => self.set_gap(left, lo, gap),
            Ordering::Greater => self.set_gap(right, lo, gap),
            Ordering::Equal => self.nodes[index].gap = gap,
        }
        self.sum_up(index);
    }

    fn sum_up(&mut self, index: usize) {
        let node = &self.nodes[index];
        let children = [node.left, node.right].into_iter().flatten();
        let gap_max = children.map(|child| self.nodes[child].gap_max).fold(node.gap, u64::max);
        self.nodes[index].gap_max = gap_max;
    }

    /// Returns the node that begins at `lo` and the next one above.
    fn with_next(&self, lo: Pfn) -> Option<(usize, usize)> {
        let (mut at, mut found, mut above) = (self.root, None, None);
        while let Some(index) = at {
            let node = &self.nodes[index];
            if lo < node.lo {
                above = Some(index);
                at = node.left;
            } else {
                if lo == node.lo {
                    found = Some(index);
                }
                at = node.right;
            }
        }
        found.zip(above)
    }
}

/// Hashes with Fibonacci hashing, and once more for the low bits.
fn priority(lo: Pfn) -> u64 {
    let hash = (lo + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

impl Allocator for GapTree {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let mut visited = 0;
        let found = self.find(self.root, request, &mut visited);
        self.visited += visited;
        let (pfn, above) = found.ok_or(Refused::Exhausted)?;
        let Node { lo, gap, .. } = self.nodes[above];
        let (floor, end) = (lo - gap, pfn + request.count());
        self.set_gap(self.root, lo, lo - end);
        self.insert(pfn, end, pfn - floor);
        Ok(pfn)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        // The highest node is the end of the aperture and has no node above it.
        let (index, above) = self.with_next(pages.pfn).ok_or(NotFreed::NotAllocated)?;
        let Node { lo, hi, gap, .. } = self.nodes[index];
        if pages.end() != Some(hi) {
            return Err(NotFreed::NotAllocated);
        }
        let next = &self.nodes[above];
        let (next_lo, next_gap) = (next.lo, next.gap);
        self.root = self.root.and_then(|root| self.remove_below(root, lo));
        self.set_gap(self.root, next_lo, next_gap + (hi - lo) + gap);
        Ok(())
    }

    fn visited(&self) -> u64 {
        self.visited
    }
}
