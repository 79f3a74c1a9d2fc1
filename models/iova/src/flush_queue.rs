//! Linux's flush queue: unmapped pages are parked in rings, and a flush frees the pages in them.

use alloc::vec::Vec;

use crate::allocator::{Allocator, BadFlush};
use crate::extents::Extents;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};
use crate::ring::{Entry, Ring};

/// A flush queue in front of any allocator, with one ring for each CPU or one ring for all.
///
/// When a ring is full, the next caller that frees pages flushes ([`NotFreed::Full`]). When a
/// period has passed, the timer of the caller flushes. Any number of flushes can run at once.
/// Exhaustion of the allocator does not cause a flush.
///
/// Source: `queue_iova`, `fq_flush_timeout` in `drivers/iommu/dma-iommu.c`, v6.7.
#[derive(Clone, Debug)]
pub struct FlushQueue<A> {
    rings: Vec<Ring<()>>,
    below: A,
    /// The numbers of flushes that have begun (`started`) and ended (`finished`).
    started: u64,
    finished: u64,
    parked: u64,
    out: Extents,
}

impl<A: Allocator> FlushQueue<A> {
    /// Creates `rings` rings (at least 1) for `capacity` ranges each, in front of `below`, all of
    /// whose pages are in `aperture`. A CPU uses the ring of its number, or shares one if there are
    /// fewer rings.
    pub fn new(below: A, aperture: Pages, rings: usize, capacity: usize) -> Self {
        Self {
            rings: alloc::vec![Ring::new(capacity); rings],
            below,
            started: 0,
            finished: 0,
            parked: 0,
            out: Extents::new(aperture.checked()),
        }
    }

    /// Ends a flush. No pages are released yet.
    ///
    /// # Errors
    ///
    /// If no flush is running.
    pub fn flush_ended(&mut self) -> Result<(), BadFlush> {
        if self.finished == self.started {
            return Err(BadFlush::NotRunning);
        }
        self.finished += 1;
        Ok(())
    }

    /// Frees the ranges in the ring of `cpu` that a flush has covered, and returns their number.
    pub fn release(&mut self, cpu: usize) -> usize {
        let ring = cpu % self.rings.len();
        let mut count = 0;
        for entry in self.rings[ring].release(self.finished) {
            self.parked -= entry.pages.count;
            self.below.free(cpu, entry.pages).expect("a parked range is allocated below");
            count += 1;
        }
        count
    }

    /// Returns the number of rings.
    pub fn rings(&self) -> usize {
        self.rings.len()
    }
}

impl<A: Allocator> Allocator for FlushQueue<A> {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let pfn = self.below.alloc(cpu, request)?;
        self.out.insert(Pages { pfn, count: request.count() });
        Ok(pfn)
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        self.release(cpu);
        let ring = cpu % self.rings.len();
        self.out.remove(pages)?;
        if self.rings[ring].full() {
            self.out.insert(pages);
            return Err(NotFreed::Full);
        }
        self.rings[ring].add(Entry { pages, counter: self.started, freelist: Vec::new() });
        self.parked += pages.count;
        Ok(())
    }

    fn begin_flush(&mut self) -> Result<(), BadFlush> {
        self.started += 1;
        Ok(())
    }

    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        self.flush_ended()?;
        for cpu in 0..self.rings.len() {
            self.release(cpu);
        }
        Ok(())
    }

    fn visited(&self) -> u64 {
        self.below.visited()
    }

    fn parked(&self) -> u64 {
        self.parked
    }
}
