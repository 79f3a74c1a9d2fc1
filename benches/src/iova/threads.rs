//! Measurements with two threads.

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use selvedge_iova::{
    Allocator, CachedTree, CpuCache, Depot, NotFreed, ORDERS, Pages, Pfn, Refused, Request,
};

use super::{APERTURE, Load, Shape};

const THREADS: usize = 2;

/// An allocator behind one lock, as each of them is in a kernel except the magazines.
#[derive(Debug)]
pub struct Locked<'a, A>(pub &'a Mutex<A>);

impl<A: Allocator> Allocator for Locked<'_, A> {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let mut allocator = lock(self.0);
        loop {
            match allocator.alloc(cpu, request) {
                Err(Refused::Dry | Refused::Flushing) => {
                    allocator.begin_flush().expect("the lock is held during the flush");
                    allocator.finish_flush().expect("the flush has begun");
                }
                result => return result,
            }
        }
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        let mut allocator = lock(self.0);
        match allocator.free(cpu, pages) {
            Err(NotFreed::Full) => {
                allocator.begin_flush().expect("the lock is held during the flush");
                allocator.finish_flush().expect("the flush has begun");
                allocator.free(cpu, pages)
            }
            result => result,
        }
    }
}

/// Magazines with the locks of a kernel: a lock for each CPU, one for the depot, and one for the
/// tree.
#[derive(Debug)]
pub struct SharedMagazines {
    cpus: [Mutex<CpuCache>; THREADS],
    depot: Mutex<Depot>,
    tree: Mutex<CachedTree>,
}

impl SharedMagazines {
    /// Creates magazines in which the whole aperture is free.
    pub fn new() -> Self {
        let tree = Mutex::new(CachedTree::new(APERTURE));
        Self { cpus: Default::default(), depot: Mutex::default(), tree }
    }
}

impl Default for SharedMagazines {
    fn default() -> Self {
        Self::new()
    }
}

impl Allocator for &SharedMagazines {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let order = order(request.count());
        let depot = || lock(&self.depot).get(order);
        let cached = lock(&self.cpus[cpu]).get(order, request.limit(), depot);
        cached.map_or_else(|| lock(&self.tree).alloc(cpu, request), Ok)
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        let order = order(pages.count);
        let depot = |full| lock(&self.depot).put(order, full);
        lock(&self.cpus[cpu]).put(order, pages.pfn, depot);
        Ok(())
    }
}

/// Returns the order of the magazine. Only powers of two that have one are measured.
fn order(count: u64) -> usize {
    let order = count.trailing_zeros() as usize;
    assert!(count == 1 << order && order < ORDERS, "{count} pages");
    order
}

/// Returns the time that two threads take for `turns` turns each, with one page at a time and half
/// of `live` allocated by each. `handle` creates the allocator of each thread.
pub fn turns_of_two<A: Allocator>(
    turns: u64,
    live: usize,
    handle: impl Fn() -> A + Sync,
) -> Duration {
    let barrier = Barrier::new(THREADS);
    let thread = |cpu| {
        let mut allocator = handle();
        let mut load = Load::new_on(&mut allocator, Shape::OnePage, live / THREADS, cpu);
        barrier.wait();
        let started = Instant::now();
        for _ in 0..turns {
            load.turn(&mut allocator);
        }
        let elapsed = started.elapsed();
        // The first thread waits for the other, so that freeing the addresses is not timed.
        barrier.wait();
        load.end(&mut allocator);
        elapsed
    };
    thread::scope(|scope| {
        let thread = &thread;
        let threads: Vec<_> = (0..THREADS).map(|cpu| scope.spawn(move || thread(cpu))).collect();
        let times =
            threads.into_iter().map(|thread| thread.join().expect("the thread must not panic"));
        times.max().unwrap_or_default()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
