//! What an allocator is asked to do while it is timed.

use std::time::{Duration, Instant};

use fastrand::Rng;
use selvedge_models::iova::{Allocator, BadFlush, NotFreed, Pages, Pfn, Refused, Request};

use super::APERTURE;

/// What is out, and what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One page each.
    OnePage,
    /// 1 to 32 pages, aligned to their size.
    Mixed,
    /// As mixed, with a hole of 1 to 32 pages after each.
    Fragmented,
    /// One page each, above half of the aperture; in each turn, besides, one below that is given
    /// back at once.
    LowLimit,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OnePage, Self::Mixed, Self::Fragmented, Self::LowLimit];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnePage => "one-page",
            Self::Mixed => "mixed",
            Self::Fragmented => "fragmented",
            Self::LowLimit => "low-limit",
        }
    }

    /// How many can be out, of few to as many as there is room for in 8 GiB.
    pub fn live(self) -> &'static [usize] {
        match self {
            Self::OnePage | Self::LowLimit => &[16, 1_000, 100_000, 1_000_000],
            // 21 pages on average, once rounded up to what they are aligned to.
            Self::Mixed | Self::Fragmented => &[16, 1_000, 40_000],
        }
    }

    /// One in as many as the largest has pages is as large.
    fn largest(self) -> u64 {
        match self {
            Self::OnePage | Self::LowLimit => 1,
            Self::Mixed | Self::Fragmented => 32,
        }
    }
}

/// Addresses that are out. Each turn gives back one of them, whichever, and asks for another.
#[derive(Debug)]
pub struct Load {
    shape: Shape,
    live: Vec<Pages>,
    /// By the number of pages; made before anything is timed.
    requests: Vec<Request>,
    low: Request,
    rng: Rng,
    cpu: usize,
}

impl Load {
    /// Has `allocator` hand out so many.
    ///
    /// # Panics
    ///
    /// If it cannot.
    pub fn new(allocator: &mut impl Allocator, shape: Shape, live: usize) -> Self {
        Self::new_on(allocator, shape, live, 0)
    }

    /// The same, all of it asked by this CPU.
    ///
    /// # Panics
    ///
    /// If it cannot.
    pub fn new_on(allocator: &mut impl Allocator, shape: Shape, live: usize, cpu: usize) -> Self {
        let page = Request::pages(1).expect("at least 1");
        let requests = (1..=shape.largest())
            .map(|count| Request::pages(count).expect("at least 1").size_aligned());
        let half = (APERTURE.pfn + APERTURE.count) / 2 * 4096;
        let mut load = Self {
            shape,
            live: Vec::with_capacity(live),
            requests: [page].into_iter().chain(requests).collect(),
            low: page.below(half).expect("the address of a page"),
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

    /// What is out.
    pub fn live(&self) -> &[Pages] {
        &self.live
    }

    /// Gives back one and asks for another.
    pub fn turn(&mut self, allocator: &mut impl Allocator) {
        let which = self.rng.usize(..self.live.len());
        let pages = self.live.swap_remove(which);
        free(allocator, self.cpu, pages);
        // Of the same size, or what is free would be cut up further with each turn.
        self.alloc(allocator, pages.count);
        if self.shape == Shape::LowLimit {
            let pfn = alloc(allocator, self.cpu, self.low);
            free(allocator, self.cpu, Pages { pfn, count: 1 });
        }
    }

    /// A turn, and how long the longest call of it took.
    pub fn timed_turn(&mut self, allocator: &mut impl Allocator) -> Duration {
        let mut timed = Timed { allocator, longest: Duration::ZERO };
        self.turn(&mut timed);
        timed.longest
    }

    /// Gives everything back.
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
/// The flush takes no time here: what is measured is the allocator.
fn alloc(allocator: &mut impl Allocator, cpu: usize, request: Request) -> Pfn {
    loop {
        match allocator.alloc(cpu, request) {
            Ok(pfn) => return pfn,
            Err(Refused::Exhausted) => panic!("no room for {request:?}"),
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
    allocator.begin_flush().expect("none runs");
    allocator.finish_flush().expect("one runs");
}

/// Times each call.
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
