//! Stacks of free ranges, two for each CPU and size, in front of a slower allocator.

use alloc::vec::Vec;
use core::mem;

use crate::allocator::Allocator;
use crate::extents::Extents;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// The number of sizes that are cached: ranges of 1, 2, 4, 8, 16 and 32 pages.
pub const ORDERS: usize = 6;

/// The capacity of a magazine, in ranges.
pub const MAGAZINE: usize = 127;

/// Ranges of one size, each as its first page.
pub type Magazine = Vec<Pfn>;

/// The cache of a CPU. It exchanges whole magazines with the depot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CpuCache {
    sizes: [Pair; ORDERS],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Pair {
    loaded: Magazine,
    previous: Magazine,
}

impl CpuCache {
    /// Takes out a range of 2^`order` pages that ends at or before `limit`, if the magazines have
    /// one. With both magazines empty, `depot` may supply a full one.
    pub fn get(
        &mut self,
        order: usize,
        limit: Pfn,
        depot: impl FnOnce() -> Option<Magazine>,
    ) -> Option<Pfn> {
        let Pair { loaded, previous } = &mut self.sizes[order];
        if loaded.is_empty() {
            match previous.is_empty() {
                false => mem::swap(loaded, previous),
                true => *loaded = depot()?,
            }
        }
        let highest = limit.checked_sub(1 << order)?;
        let at = loaded.iter().rposition(|pfn| *pfn <= highest)?;
        Some(loaded.swap_remove(at))
    }

    /// Puts in a range of 2^`order` pages. With both magazines full, `depot` receives one.
    pub fn put(&mut self, order: usize, pfn: Pfn, depot: impl FnOnce(Magazine)) {
        let Pair { loaded, previous } = &mut self.sizes[order];
        if loaded.len() == MAGAZINE {
            if previous.len() == MAGAZINE {
                depot(mem::take(loaded));
            } else {
                mem::swap(loaded, previous);
            }
        }
        // Reserves the whole capacity at once, since the vector must not grow with the lock held.
        loaded.reserve_exact(MAGAZINE - loaded.len());
        loaded.push(pfn);
    }

    /// Takes out all ranges, each as its order and its first page.
    fn drain(&mut self) -> impl Iterator<Item = (usize, Pfn)> {
        self.sizes.iter_mut().enumerate().flat_map(|(order, Pair { loaded, previous })| {
            loaded.drain(..).chain(previous.drain(..)).map(move |pfn| (order, pfn))
        })
    }
}

/// Full magazines that no CPU uses, by size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Depot {
    sizes: [Vec<Magazine>; ORDERS],
}

impl Depot {
    /// Takes out a magazine.
    pub fn get(&mut self, order: usize) -> Option<Magazine> {
        self.sizes[order].pop()
    }

    /// Puts in a magazine.
    pub fn put(&mut self, order: usize, magazine: Magazine) {
        self.sizes[order].push(magazine);
    }

    fn drain(&mut self) -> impl Iterator<Item = (usize, Pfn)> {
        self.sizes.iter_mut().enumerate().flat_map(|(order, magazines)| {
            magazines.drain(..).flatten().map(move |pfn| (order, pfn))
        })
    }
}

/// Per-CPU caches in front of an allocator. Sizes below 32 pages are rounded up to a power of two,
/// so that a freed range suits the next request. A cached range stays allocated in the allocator
/// below.
///
/// Linux does not record which ranges are allocated and trusts the caller that frees one. This does
/// record them.
///
/// Source: `alloc_iova_fast`, `free_iova_fast` and the functions they call in
/// `drivers/iommu/iova.c`, v6.7.
#[derive(Clone, Debug)]
pub struct Magazines<A> {
    cpus: Vec<CpuCache>,
    depot: Depot,
    below: A,
    out: Extents,
}

impl<A: Allocator> Magazines<A> {
    /// Creates empty caches for `cpus` CPUs (at least 1) in front of `below`, all of whose pages
    /// are in `aperture`.
    pub fn new(below: A, aperture: Pages, cpus: usize) -> Self {
        let cpus = alloc::vec![CpuCache::default(); cpus];
        Self { cpus, depot: Depot::default(), below, out: Extents::new(aperture.checked()) }
    }

    /// Does the work that runs every 100 ms in Linux. Of each size it returns one magazine that the
    /// depot has beyond one for each CPU to the allocator below.
    pub fn trim(&mut self) {
        for order in 0..ORDERS {
            if self.depot.sizes[order].len() > self.cpus.len() {
                let magazine = self.depot.get(order).unwrap_or_default();
                free_all(&mut self.below, magazine.into_iter().map(|pfn| (order, pfn)));
            }
        }
    }

    /// Returns all cached ranges to the allocator below.
    fn empty(&mut self) {
        for cpu in &mut self.cpus {
            free_all(&mut self.below, cpu.drain());
        }
        free_all(&mut self.below, self.depot.drain());
    }
}

fn free_all(below: &mut impl Allocator, cached: impl Iterator<Item = (usize, Pfn)>) {
    for (order, pfn) in cached {
        let freed = below.free(0, Pages { pfn, count: 1 << order });
        freed.expect("a cached range is allocated below");
    }
}

/// Returns the order of a size that is cached.
fn cached_order(count: u64) -> Option<usize> {
    let order = count.next_power_of_two().trailing_zeros() as usize;
    (order < ORDERS).then_some(order)
}

impl<A: Allocator> Allocator for Magazines<A> {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let index = cpu % self.cpus.len();
        let order = cached_order(request.count());
        let cached = order.and_then(|order| {
            self.cpus[index].get(order, request.limit(), || self.depot.get(order))
        });
        let ask = if order.is_some() { request.rounded() } else { request };
        let pfn = match cached {
            Some(pfn) => pfn,
            None => self.below.alloc(cpu, ask).or_else(|_| {
                self.empty();
                self.below.alloc(cpu, ask)
            })?,
        };
        self.out.insert(Pages { pfn, count: request.count() });
        Ok(pfn)
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        self.out.remove(pages)?;
        let index = cpu % self.cpus.len();
        match cached_order(pages.count) {
            Some(order) => {
                let depot = &mut self.depot;
                self.cpus[index].put(order, pages.pfn, |full| depot.put(order, full));
                Ok(())
            }
            None => self.below.free(cpu, pages),
        }
    }

    fn visited(&self) -> u64 {
        self.below.visited()
    }
}
