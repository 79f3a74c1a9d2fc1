//! The load of an allocator while it is timed.

use std::time::{Duration, Instant};

use fastrand::Rng;
use selvedge_iova::{Allocator, BadFlush, NotFreed, Pages, Pfn, Refused, Request};

use super::APERTURE;

/// The shape of the requests and of the allocated addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One page for each request.
    OnePage,
    /// 1 to 32 pages, aligned to their size.
    Mixed,
    /// As `Mixed`, with a hole of 1 to 32 pages after each allocation.
    Fragmented,
    /// One page for each request, above half of the aperture. Each turn also allocates a page below
    /// that and frees it at once.
    LowLimit,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 4] = [Self::OnePage, Self::Mixed, Self::Fragmented, Self::LowLimit];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnePage => "one-page",
            Self::Mixed => "mixed",
            Self::Fragmented => "fragmented",
            Self::LowLimit => "low-limit",
        }
    }

    /// Returns the numbers of allocated addresses, from few to as many as fit into 8 GiB.
    pub fn live(self) -> &'static [usize] {
        match self {
            Self::OnePage | Self::LowLimit => &[16, 1_000, 100_000, 1_000_000],
            // The average is 21 pages, including the rounding to the alignment.
            Self::Mixed | Self::Fragmented => &[16, 1_000, 40_000],
        }
    }

    /// Returns the number of pages of the largest request. The probability of a size is its
    /// inverse.
    fn largest(self) -> u64 {
        match self {
            Self::OnePage | Self::LowLimit => 1,
            Self::Mixed | Self::Fragmented => 32,
        }
    }
}

/// The allocated addresses. Each turn frees a random one and allocates another.
#[derive(Debug)]
pub struct Load {
    shape: Shape,
    live: Vec<Pages>,
    /// The requests by number of pages, which are created before the timing starts.
    requests: Vec<Request>,
    low: Request,
    rng: Rng,
    cpu: usize,
}

impl Load {
    /// Allocates `live` addresses from `allocator`.
    ///
    /// # Panics
    ///
    /// If this fails.
    pub fn new(allocator: &mut impl Allocator, shape: Shape, live: usize) -> Self {
        Self::new_on(allocator, shape, live, 0)
    }

    /// Allocates as [`new`](Self::new) does, but on this CPU.
    ///
    /// # Panics
    ///
    /// If this fails.
    pub fn new_on(allocator: &mut impl Allocator, shape: Shape, live: usize, cpu: usize) -> Self {
        let page = Request::pages(1).expect("one page is a valid request");
        let requests = (1..=shape.largest()).map(|count| {
            Request::pages(count).expect("at least one page is a valid request").size_aligned()
        });
        let half = (APERTURE.pfn + APERTURE.count) / 2 * 4096;
        let mut load = Self {
            shape,
            live: Vec::with_capacity(live),
            requests: [page].into_iter().chain(requests).collect(),
            low: page.below(half).expect("the limit is the address of a page"),
            rng: Rng::with_seed(1 + cpu as u64),
            cpu,
        };
        let mut holes = Vec::new();
        while load.live.len() < live {
            load.alloc_any(allocator);
            if shape == Shape::Fragmented {
                load.alloc_any(allocator);
                holes.extend(load.live.pop());
            }
        }
        for hole in holes {
            free(allocator, cpu, hole);
        }
        load
    }

    /// Returns the allocated addresses.
    pub fn live(&self) -> &[Pages] {
        &self.live
    }

    /// Frees an address and allocates another.
    pub fn turn(&mut self, allocator: &mut impl Allocator) {
        let which = self.rng.usize(..self.live.len());
        let pages = self.live.swap_remove(which);
        free(allocator, self.cpu, pages);
        // The new address has the same size. Otherwise each turn would fragment the free pages
        // further.
        self.alloc(allocator, pages.count);
        if self.shape == Shape::LowLimit {
            let pfn = alloc(allocator, self.cpu, self.low);
            free(allocator, self.cpu, Pages { pfn, count: 1 });
        }
    }

    /// Runs a turn and returns the duration of its longest call.
    pub fn timed_turn(&mut self, allocator: &mut impl Allocator) -> Duration {
        let mut timed = Timed { allocator, longest: Duration::ZERO };
        self.turn(&mut timed);
        timed.longest
    }

    /// Frees all addresses.
    pub fn end(self, allocator: &mut impl Allocator) {
        for pages in self.live {
            free(allocator, self.cpu, pages);
        }
    }

    fn alloc_any(&mut self, allocator: &mut impl Allocator) {
        let count = self.rng.u64(1..=self.shape.largest());
        self.alloc(allocator, count);
    }

    fn alloc(&mut self, allocator: &mut impl Allocator, count: u64) {
        let pfn = alloc(allocator, self.cpu, self.requests[count as usize]);
        self.live.push(Pages { pfn, count });
    }
}
/// Allocates pages. A flush takes no time here, since only the allocator is measured.
fn alloc(allocator: &mut impl Allocator, cpu: usize, request: Request) -> Pfn {
    loop {
        match allocator.alloc(cpu, request) {
            Ok(pfn) => return pfn,
            Err(Refused::Exhausted) => panic!("no free pages for {request:?}"),
            Err(Refused::Dry | Refused::Flushing) => flush(allocator),
        }
    }
}

fn free(allocator: &mut impl Allocator, cpu: usize, pages: Pages) {
    while let Err(error) = allocator.free(cpu, pages) {
        assert_eq!(error, NotFreed::Full, "{pages:?}");
        flush(allocator);
    }
}

fn flush(allocator: &mut impl Allocator) {
    allocator.begin_flush().expect("no flush is running");
    allocator.finish_flush().expect("a flush is running");
}

/// An allocator that times each call.
struct Timed<'a, A> {
    allocator: &'a mut A,
    longest: Duration,
}

impl<A: Allocator> Timed<'_, A> {
    fn time<T>(&mut self, call: impl FnOnce(&mut A) -> T) -> T {
        let started = Instant::now();
        let result = call(self.allocator);
        self.longest = self.longest.max(started.elapsed());
        result
    }
}

impl<A: Allocator> Allocator for Timed<'_, A> {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        self.time(|allocator| allocator.alloc(cpu, request))
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        self.time(|allocator| allocator.free(cpu, pages))
    }

    fn begin_flush(&mut self) -> Result<(), BadFlush> {
        self.time(Allocator::begin_flush)
    }

    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        self.time(Allocator::finish_flush)
    }
}
