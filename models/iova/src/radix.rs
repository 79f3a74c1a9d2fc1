//! A bitmap in which no operation searches, and short stacks of recently freed mappings.

use alloc::vec::Vec;

use crate::allocator::Allocator;
use crate::blocks::Blocks;
use crate::extents::Extents;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// The number of sizes that have a stack: mappings of 1, 2, 4, .. 32 pages.
const ORDERS: usize = 6;

/// The capacity of a stack, in mappings.
const STACK: usize = 64;

/// For every power of two up to 32 pages a stack of recently freed mappings, and behind the stacks
/// a bitmap of the free pages. The highest free block of any power of two below any limit is found
/// in the bitmap in a number of steps that depends only on the logarithm to base 64 of the aperture
/// and not on what is allocated.
///
/// A request for another number of pages takes the beginning of a block. The rest of the block
/// stays free, and nothing is rounded.
///
/// In the longest possible call the stacks are emptied into the bitmap, which is at most 384
/// mappings. If then no block is whole and the pages need not fill one, the bitmap is read from its
/// beginning, a word for each 64 pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Radix {
    stacks: [Vec<Pfn>; ORDERS],
    blocks: Blocks,
    out: Extents,
}

impl Radix {
    /// Creates an aperture in which every page is free.
    ///
    /// # Panics
    ///
    /// If `aperture` is not a valid range of pages.
    pub fn new(aperture: Pages) -> Self {
        Self {
            stacks: core::array::from_fn(|_| Vec::with_capacity(STACK)),
            blocks: Blocks::new(aperture.checked()),
            out: Extents::new(aperture),
        }
    }

    #[inline]
    fn pop(&mut self, request: Request) -> Option<Pfn> {
        let stack = &mut self.stacks[order(request.count())?];
        let last = *stack.last()?;
        // The other mappings may suit, but a search takes time. The bitmap checks the limit at no
        // cost.
        (last + request.count() <= request.limit()).then(|| stack.pop())?
    }

    /// Allocates from the bitmap, after emptying the stacks into it if needed.
    #[inline(never)]
    fn take(&mut self, request: Request) -> Result<Pfn, Refused> {
        if let Some(pfn) = self.blocks.take(request) {
            return Ok(pfn);
        }
        self.empty();
        self.blocks.take(request).ok_or(Refused::Exhausted)
    }

    fn empty(&mut self) {
        for (order, stack) in self.stacks.iter_mut().enumerate() {
            for pfn in stack.drain(..) {
                self.blocks.put(Pages { pfn, count: 1 << order });
            }
        }
    }
}

/// Returns the stack for mappings of this number of pages.
#[inline]
fn order(count: u64) -> Option<usize> {
    let order = count.trailing_zeros() as usize;
    (count == 1 << order && order < ORDERS).then_some(order)
}

impl Allocator for Radix {
    #[inline]
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let pfn = match self.pop(request) {
            Some(pfn) => pfn,
            None => self.take(request)?,
        };
        self.out.insert(Pages { pfn, count: request.count() });
        Ok(pfn)
    }

    #[inline]
    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        self.out.remove(pages)?;
        match order(pages.count) {
            // Only a mapping that is aligned to its size suits the next request.
            Some(order)
                if pages.pfn & (pages.count - 1) == 0 && self.stacks[order].len() < STACK =>
            {
                self.stacks[order].push(pages.pfn);
            }
            _ => self.blocks.put(pages),
        }
        Ok(())
    }
}
