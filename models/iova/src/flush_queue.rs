//! Linux's flush queue: what is unmapped is parked in rings, and a flush frees what it finds there.

use alloc::vec::Vec;

use crate::allocator::{Allocator, BadFlush};
use crate::extents::Extents;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};
use crate::ring::{Entry, Ring};

/// A ring for each CPU, or one for all, before any allocator.
///
/// When a ring is full, whoever frees next flushes ([`NotFreed::Full`]); when a time has passed,
/// the caller's timer does. Any number of flushes can run at once. Nobody flushes because there is
/// nothing left to allocate.
///
/// Source: `queue_iova`, `fq_flush_timeout` in `drivers/iommu/dma-iommu.c`, v6.7.
#[derive(Clone, Debug)]
pub struct FlushQueue<A> {
    rings: Vec<Ring<()>>,
    below: A,
    /// How many flushes have begun and ended.
    started: u64,
    finished: u64,
    parked: u64,
    out: Extents,
}

impl<A: Allocator> FlushQueue<A> {
    /// `rings` rings (at least 1) for `capacity` ranges each, before `below`, all of whose pages
    /// are in `aperture`. A CPU uses the ring of its number, or shares one if there are fewer.
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

    /// A flush has ended; nothing is released yet.
    ///
    /// # Errors
    ///
    /// None runs.
    pub fn flush_ended(&mut self) -> Result<(), BadFlush> {
        if self.finished == self.started {
            return Err(BadFlush::NotRunning);
        }
        self.finished += 1;
        Ok(())
    }

    /// Frees what the ring of `cpu` holds and a flush has covered: how many ranges.
    pub fn release(&mut self, cpu: usize) -> usize {
        let ring = cpu % self.rings.len();
        let mut count = 0;
        for entry in self.rings[ring].release(self.finished) {
            self.parked -= entry.pages.count;
            self.below.free(cpu, entry.pages).expect("what is parked is allocated");
            count += 1;
        }
        count
    }

    /// The number of rings.
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

    fn parked(&self) -> u64 {
        self.parked
    }
}
