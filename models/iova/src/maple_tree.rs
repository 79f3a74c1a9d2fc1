//! A B-tree of the allocated ranges in which each node knows the widest gap of each child.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use crate::allocator::Allocator;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// The number of ranges of a leaf.
const RANGES: usize = 16;

/// The number of children of any other node.
const CHILDREN: usize = 10;

/// The allocated ranges in a B-tree with the widths of Linux's maple tree: ten children, and 16
/// ranges in a leaf. As in [`GapTree`](crate::GapTree), a search descends only where there is a gap
/// that is wide enough and begins below the limit. It visits fewer nodes, and reads each of them
/// from its end.
///
/// The idea is from Rik van Riel's series, v3 of June 2026, which replaces the tree of its first
/// version by a maple tree. The tree is described in `Documentation/core-api/maple_tree.rst`,
/// v6.12. It knows no alignment. Here a gap that is wide enough and unsuitable costs another
/// descent, which need not be what the series does. The tree of the kernel is also made for readers
/// without a lock, and this one is not.
#[derive(Clone, Debug)]
pub struct MapleTree {
    root: Node,
    visited: u64,
}

/// Pages `lo..hi`, and the number of free pages directly below them.
#[derive(Clone, Copy, Debug)]
struct Range {
    lo: Pfn,
    hi: Pfn,
    gap: u64,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Range>),
    Inner(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    node: Box<Node>,
    /// The lowest range.
    lo: Pfn,
    /// The beginning of the gap below it.
    floor: Pfn,
    /// The widest gap.
    gap_max: u64,
}

impl Child {
    fn new(node: Node) -> Self {
        let mut child = Self { node: Box::new(node), lo: 0, floor: 0, gap_max: 0 };
        child.sum_up();
        child
    }

    fn sum_up(&mut self) {
        (self.lo, self.floor, self.gap_max) = match &*self.node {
            Node::Leaf(ranges) => {
                let widest = ranges.iter().map(|range| range.gap).max();
                (ranges[0].lo, ranges[0].lo - ranges[0].gap, widest.unwrap_or(0))
            }
            Node::Inner(children) => {
                let widest = children.iter().map(|child| child.gap_max).max();
                (children[0].lo, children[0].floor, widest.unwrap_or(0))
            }
        };
    }
}

/// Returns the child in which a range that begins at `lo` belongs.
fn child_of(children: &[Child], lo: Pfn) -> usize {
    children.partition_point(|child| child.lo <= lo).saturating_sub(1)
}

impl Node {
    /// Finds the highest pages that satisfy the request. Returns the first of them and the range
    /// above.
    fn find(&self, request: Request, visited: &mut u64) -> Option<(Pfn, Range)> {
        *visited += 1;
        match self {
            Self::Leaf(ranges) => ranges.iter().rev().find_map(|range| {
                let pfn = range.lo.min(request.limit()).checked_sub(request.count())?;
                let pfn = pfn & !(request.align() - 1);
                (pfn >= range.lo - range.gap).then_some((pfn, *range))
            }),
            Self::Inner(children) => {
                let mut wide = children.iter().rev().filter(|child| {
                    child.gap_max >= request.count() && child.floor < request.limit()
                });
                wide.find_map(|child| child.node.find(request, visited))
            }
        }
    }

    /// Returns the range that begins at `lo`.
    fn get(&self, lo: Pfn) -> Option<Range> {
        match self {
            Self::Leaf(ranges) => {
                ranges.binary_search_by_key(&lo, |range| range.lo).ok().map(|at| ranges[at])
            }
            Self::Inner(children) => children[child_of(children, lo)].node.get(lo),
        }
    }

    /// Returns the lowest range that begins above `lo`.
    fn next(&self, lo: Pfn) -> Option<Range> {
        match self {
            Self::Leaf(ranges) => ranges.iter().find(|range| range.lo > lo).copied(),
            Self::Inner(children) => {
                children[child_of(children, lo)..].iter().find_map(|child| child.node.next(lo))
            }
        }
    }

    /// Sets the gap of the range that begins at `lo`.
    fn set_gap(&mut self, lo: Pfn, gap: u64) {
        match self {
            Self::Leaf(ranges) => {
                for range in ranges.iter_mut().filter(|range| range.lo == lo) {
                    range.gap = gap;
                }
            }
            Self::Inner(children) => {
                let at = child_of(children, lo);
                children[at].node.set_gap(lo, gap);
                children[at].sum_up();
            }
        }
    }

    /// Inserts a range. Returns the upper half if the node became too large.
    fn insert(&mut self, range: Range) -> Option<Self> {
        match self {
            Self::Leaf(ranges) => {
                let at = ranges.partition_point(|other| other.lo < range.lo);
                ranges.insert(at, range);
            }
            Self::Inner(children) => {
                let at = child_of(children, range.lo);
                let upper = children[at].node.insert(range);
                children[at].sum_up();
                if let Some(upper) = upper {
                    children.insert(at + 1, Child::new(upper));
                }
            }
        }
        self.split()
    }

    /// Removes the range that begins at `lo`.
    fn remove(&mut self, lo: Pfn) {
        match self {
            Self::Leaf(ranges) => ranges.retain(|range| range.lo != lo),
            Self::Inner(children) => {
                let at = child_of(children, lo);
                children[at].node.remove(lo);
                if children[at].node.is_small() && children.len() > 1 {
                    let at = at.min(children.len() - 2);
                    let upper = *children.remove(at + 1).node;
                    let upper = children[at].node.merge(upper);
                    if let Some(upper) = upper {
                        children.insert(at + 1, Child::new(upper));
                    }
                    children[at].sum_up();
                } else {
                    children[at].sum_up();
                }
            }
        }
    }

    fn is_small(&self) -> bool {
        match self {
            Self::Leaf(ranges) => ranges.len() < RANGES / 2,
            Self::Inner(children) => children.len() < CHILDREN / 2,
        }
    }

    /// Appends a neighbour. Returns the upper half if the node became too large.
    fn merge(&mut self, upper: Self) -> Option<Self> {
        match (&mut *self, upper) {
            (Self::Leaf(ranges), Self::Leaf(more)) => ranges.extend(more),
            (Self::Inner(children), Self::Inner(more)) => children.extend(more),
            _ => unreachable!("all leaves have the same depth"),
        }
        self.split()
    }

    fn split(&mut self) -> Option<Self> {
        match self {
            Self::Leaf(ranges) if ranges.len() > RANGES => {
                Some(Self::Leaf(ranges.split_off(ranges.len() / 2)))
            }
            Self::Inner(children) if children.len() > CHILDREN => {
                Some(Self::Inner(children.split_off(children.len() / 2)))
            }
            _ => None,
        }
    }
}

impl MapleTree {
    /// Creates an aperture in which every page is free.
    ///
    /// # Panics
    ///
    /// If `aperture` is not a valid range of pages.
    pub fn new(aperture: Pages) -> Self {
        let aperture = aperture.checked();
        let end = aperture.pfn + aperture.count;
        // This range is above all others, so that every gap has a range above it.
        let root = Node::Leaf(vec![Range { lo: end, hi: end, gap: aperture.count }]);
        Self { root, visited: 0 }
    }
}

impl Allocator for MapleTree {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let found = self.root.find(request, &mut self.visited);
        let (pfn, above) = found.ok_or(Refused::Exhausted)?;
        let end = pfn + request.count();
        self.root.set_gap(above.lo, above.lo - end);
        let gap = pfn - (above.lo - above.gap);
        if let Some(upper) = self.root.insert(Range { lo: pfn, hi: end, gap }) {
            let lower = mem::replace(&mut self.root, Node::Inner(Vec::new()));
            self.root = Node::Inner(vec![Child::new(lower), Child::new(upper)]);
        }
        Ok(pfn)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        let range = self.root.get(pages.pfn).ok_or(NotFreed::NotAllocated)?;
        // The end of the aperture is the only range without pages.
        let above = self.root.next(range.lo).ok_or(NotFreed::NotAllocated)?;
        if pages.end() != Some(range.hi) {
            return Err(NotFreed::NotAllocated);
        }
        self.root.remove(range.lo);
        while let Node::Inner(children) = &mut self.root {
            if children.len() > 1 {
                break;
            }
            self.root = *children.remove(0).node;
        }
        self.root.set_gap(above.lo, above.gap + (range.hi - range.lo) + range.gap);
        Ok(())
    }

    fn visited(&self) -> u64 {
        self.visited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the widths and the sums below a node, and returns its depth.
    fn depth(node: &Node, root: bool) -> usize {
        match node {
            Node::Leaf(ranges) => {
                assert!(ranges.len() <= RANGES && (root || !node.is_small()));
                1
            }
            Node::Inner(children) => {
                assert!(children.len() <= CHILDREN && (root || !node.is_small()));
                let depths: Vec<_> =
                    children.iter().map(|child| depth(&child.node, false)).collect();
                assert!(depths.iter().all(|depth| *depth == depths[0]));
                for child in children {
                    let again = Child::new((*child.node).clone());
                    assert_eq!(
                        (again.lo, again.floor, again.gap_max),
                        (child.lo, child.floor, child.gap_max)
                    );
                }
                depths[0] + 1
            }
        }
    }

    #[test]
    fn the_tree_is_balanced() {
        let mut tree = MapleTree::new(Pages { pfn: 1, count: 1 << 14 });
        let page = Request::pages(1).unwrap();
        let mut out: Vec<Pfn> = (0..4_000).map(|_| tree.alloc(0, page).unwrap()).collect();
        assert!((4..=5).contains(&depth(&tree.root, true)));
        let mut at = 0;
        while !out.is_empty() {
            at = (at + 7_919) % out.len();
            let pfn = out.swap_remove(at);
            assert_eq!(tree.free(0, Pages { pfn, count: 1 }), Ok(()));
            depth(&tree.root, true);
        }
        assert_eq!(depth(&tree.root, true), 1);
    }
}
