//! Flush on exhaustion with lists, with a [`Swap`] for each size.

use alloc::vec::Vec;
use core::mem;

use crate::allocator::{Allocator, BadFlush};
use crate::extents::Extents;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};
use crate::swap::Swap;

/// A list for each power of two. If a list is empty, a block of a larger size is split, and if
/// there is none, the caller flushes. Blocks that were split are never merged again, which is the
/// drawback of lists.
///
/// Sizes are rounded up to a power of two.
#[derive(Clone, Debug)]
pub struct SwapLists {
    /// The lists by order.
    sizes: Vec<Swap<Pfn>>,
    parked: u64,
    flushing: Option<u64>,
    out: Extents,
}

impl SwapLists {
    /// Creates an aperture in which every page is free.
    ///
    /// # Panics
    ///
    /// If `aperture` is not a valid range of pages.
    pub fn new(aperture: Pages) -> Self {
        let aperture = aperture.checked();
        let end = aperture.pfn + aperture.count;
        let orders = aperture.count.ilog2() as usize + 1;
        let mut free = alloc::vec![Vec::new(); orders];
        // The largest aligned blocks of the aperture, from the lowest page on.
        let mut pfn = aperture.pfn;
        while pfn < end {
            let order = (pfn.trailing_zeros() as usize).min((end - pfn).ilog2() as usize);
            free[order].push(pfn);
            pfn += 1 << order;
        }
        let sizes = free.into_iter().map(Swap::new).collect();
        Self { sizes, parked: 0, flushing: None, out: Extents::new(aperture) }
    }

    /// Allocates a block of 2^`order` pages, splitting a larger one if needed.
    fn take(&mut self, order: usize, highest: Pfn) -> Result<Pfn, Refused> {
        let mut refused = Refused::Exhausted;
        for from in order..self.sizes.len() {
            match self.sizes[from].alloc_if(|pfn| *pfn <= highest) {
                Ok(pfn) => {
                    for half in order..from {
                        self.sizes[half].put(pfn + (1 << half));
                    }
                    return Ok(pfn);
                }
                Err(Refused::Exhausted) => {}
                Err(later) => refused = later,
            }
        }
        Err(refused)
    }
}

/// Returns the order of the block for this number of pages.
fn order(count: u64) -> usize {
    count.next_power_of_two().trailing_zeros() as usize
}

impl Allocator for SwapLists {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let block = request.rounded();
        let highest = request.limit().checked_sub(request.count()).ok_or(Refused::Exhausted)?;
        let pfn = self.take(order(block.align()), highest)?;
        self.out.insert(Pages { pfn, count: request.count() });
        Ok(pfn)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        self.out.remove(pages)?;
        self.sizes[order(pages.count)].free(pages.pfn);
        self.parked += pages.count;
        Ok(())
    }

    fn begin_flush(&mut self) -> Result<(), BadFlush> {
        if self.flushing.is_some() {
            return Err(BadFlush::Running);
        }
        self.flushing = Some(mem::take(&mut self.parked));
        self.sizes.iter_mut().try_for_each(Swap::begin_flush)
    }

    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        self.flushing.take().ok_or(BadFlush::NotRunning)?;
        self.sizes.iter_mut().try_for_each(Swap::finish_flush)
    }

    fn parked(&self) -> u64 {
        self.parked + self.flushing.unwrap_or(0)
    }
}
