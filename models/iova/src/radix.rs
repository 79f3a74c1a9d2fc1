//! A bitmap in which nothing is searched, and short stacks of what was freed last.

use alloc::vec::Vec;

use crate::allocator::Allocator;
use crate::blocks::Blocks;
use crate::extents::Extents;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// Mappings of 1, 2, 4, .. 32 pages have a stack.
const ORDERS: usize = 6;

/// How many mappings a stack holds.
const STACK: usize = 64;

/// For every power of two up to 32 pages a stack of what was freed last, and behind them a bitmap of
/// what is free, in which the highest free block of any power of two below any limit is found in a
/// number of steps that does not depend on what is allocated, only on the logarithm to base 64 of
/// the aperture.
///
/// A request for another number of pages takes the beginning of a block; what is left of it stays
/// free, nothing is rounded.
///
/// The longest that a call can take: the stacks are emptied into the bitmap, 384 mappings at most;
/// and if no block is whole, and the pages need not fill one, the bitmap is read from its beginning,
/// a word for each 64 pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Radix {
    stacks: [Vec<Pfn>; ORDERS],
    blocks: Blocks,
    out: Extents,
}

impl Radix {
    /// An aperture in which everything is free.
    ///
    /// # Panics
    ///
    /// If there are no such pages.
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
        // The others may suit, but looking for one takes time; the bitmap has the limit for free.
        (last + request.count() <= request.limit()).then(|| stack.pop())?
    }

    /// From the bitmap, if need be with what is in the stacks.
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

/// The stack for mappings of so many pages.
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
            // Only what is aligned to its size suits whoever asks next.
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
