//! Two threads at once.

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use selvedge_models::iova::{
    Allocator, CachedTree, CpuCache, Depot, NotFreed, ORDERS, Pages, Pfn, Refused, Request,
};

use super::{APERTURE, Load, Shape};

const THREADS: usize = 2;

/// An allocator behind one lock, as all of them are in a kernel but the magazines.
#[derive(Debug)]
pub struct Locked<'a, A>(pub &'a Mutex<A>);

impl<A: Allocator> Allocator for Locked<'_, A> {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let mut allocator = lock(self.0);
        loop {
            match allocator.alloc(cpu, request) {
                Err(Refused::Dry | Refused::Flushing) => {
                    allocator.begin_flush().expect("the lock is held over it");
                    allocator.finish_flush().expect("it has begun");
                }
                result => return result,
            }
        }
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        lock(self.0).free(cpu, pages)
    }
}

/// Magazines as they are locked in a kernel: a lock for each CPU, one for the depot, one for the
/// tree.
#[derive(Debug)]
pub struct SharedMagazines {
    cpus: [Mutex<CpuCache>; THREADS],
    depot: Mutex<Depot>,
    tree: Mutex<CachedTree>,
}

impl SharedMagazines {
    /// All of the aperture is free.
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

/// Which magazine; they are measured on powers of two that have one.
fn order(count: u64) -> usize {
    let order = count.trailing_zeros() as usize;
    assert!(count == 1 << order && order < ORDERS, "{count} pages");
    order
}

/// How long two threads take for so many turns each, with one page at a time and half of `live`
/// out for each. `handle` makes what each of them uses.
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
        // Whoever is first leaves the other alone in what is timed; what is out goes back at last.
        barrier.wait();
        load.end(&mut allocator);
        elapsed
    };
    thread::scope(|scope| {
        let thread = &thread;
        let threads: Vec<_> = (0..THREADS).map(|cpu| scope.spawn(move || thread(cpu))).collect();
        let times = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
        times.max().unwrap_or_default()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
