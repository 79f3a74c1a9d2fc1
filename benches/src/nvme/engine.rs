//! A run of the simulation, with the time and the order of its events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use selvedge_iova::{NotFreed, Pages, Refused, Request};

use super::costs::Costs;
use super::scheme::{Scheme, Space};
use super::stale::Stale;

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The number of completed requests per second.
    pub iops: f64,
    /// The number of global flushes.
    pub flushes: u64,
    /// The maximum number of parked pages.
    pub parked_max: u64,
    /// The longest time from the unmapping of an address to the end of the flush after which the
    /// device can no longer reach the old page.
    pub window_max: Duration,
}

/// The error that no address was free for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// The simulated time before the error.
    pub after: Duration,
    /// The number of requested pages.
    pub pages: u64,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no addresses for {} pages after {:?}", self.pages, self.after)
    }
}

impl std::error::Error for Exhausted {}

/// Simulates `time`.
///
/// # Errors
///
/// If the scheme runs out of addresses.
///
/// # Panics
///
/// If an address is reused while the device can still use its old translation, which is a bug of
/// the scheme. If [`Costs::check`] refuses the costs.
pub fn simulate(
    scheme: &Scheme,
    costs: &Costs,
    time: Duration,
    seed: u64,
) -> Result<Outcome, Exhausted> {
    costs.check().expect("the costs must be valid");
    let end = u64::try_from(time.as_nanos()).expect("the time must be less than 584 years");
    let mut world = World::new(scheme, costs, seed);
    world.run(end)?;
    Ok(Outcome {
        iops: world.done as f64 / time.as_secs_f64(),
        flushes: world.flushes,
        parked_max: world.parked_max,
        window_max: Duration::from_nanos(world.stale.window_until(end)),
    })
}

/// The next step of a CPU.
#[derive(Clone, Copy)]
enum Step {
    /// Checks whether there is anything to do.
    Idle,
    /// A request is complete, and its translations are invalid.
    Unmapped(Pages),
    /// The refresh of an unmapping has ended.
    Refreshed(Pages),
    /// Frees an address as soon as the lock is free.
    Free(Pages),
    /// The flush that was needed to make room in the queue has ended.
    QueueFlushed { pages: Pages, covers: u64 },
    /// The flush of the timer has ended.
    TimerFlushed { covers: u64 },
    /// Releases the entries of the queues, from this one on, as soon as their locks are free.
    Release { queue: usize },
    /// Allocates an address.
    Alloc { count: u64 },
    /// The flush that was needed because no address was free has ended.
    AllocFlushed { count: u64, covers: u64 },
    /// Passes the request to the device.
    Issue(Pages),
}

struct Cpu {
    /// The time at which the device completes each request of this CPU.
    completions: BinaryHeap<Reverse<(u64, Pages)>>,
    /// The time and the order of the next step, and the step. Of simultaneous steps the one that
    /// was planned first comes first.
    next: (u64, u64, Step),
    /// Whether the timer has expired on this CPU.
    softirq: bool,
}

struct World<'a> {
    costs: &'a Costs,
    scheme: &'a Scheme,
    rng: Rng,
    cpus: Vec<Cpu>,
    planned: u64,
    space: Space,
    stale: Stale,
    /// The time at which the hypervisor will have completed all its requests.
    hypervisor: u64,
    /// The time until which each lock is held because of a flush.
    locks: Vec<u64>,
    /// The time at which a flush ends that a CPU does because no address was free.
    flushed_at: u64,
    timer_armed: bool,
    /// The time at which the timer expires, and its CPU.
    timer: Option<(u64, usize)>,
    done: u64,
    flushes: u64,
    parked_max: u64,
}

impl<'a> World<'a> {
    fn new(scheme: &'a Scheme, costs: &'a Costs, seed: u64) -> Self {
        let space = Space::new(scheme, costs);
        let cpu = |number| Cpu {
            completions: BinaryHeap::new(),
            next: (0, number as u64, Step::Idle),
            softirq: false,
        };
        Self {
            costs,
            scheme,
            rng: Rng::with_seed(seed),
            cpus: (0..costs.cpus).map(cpu).collect(),
            planned: costs.cpus as u64,
            locks: vec![0; space.locks()],
            space,
            // Addresses begin above page 0.
            stale: Stale::new(costs.aperture + 1),
            hypervisor: 0,
            flushed_at: 0,
            timer_armed: false,
            timer: None,
            done: 0,
            flushes: 0,
            parked_max: 0,
        }
    }

    fn run(&mut self, end: u64) -> Result<(), Exhausted> {
        // The initial requests are spread over the time that the device takes.
        for request in 0..self.costs.depth {
            let cpu = request % self.cpus.len();
            let count = self.count();
            let pfn = self.space.allocator().alloc(cpu, size(count));
            let pages = Pages { pfn: pfn.map_err(|_| exhausted(0, count))?, count };
            let done = self.rng.u64(..self.costs.device);
            self.cpus[cpu].completions.push(Reverse((done, pages)));
        }
        loop {
            let first = (0..self.cpus.len()).min_by_key(|cpu| {
                let (at, planned, _) = self.cpus[*cpu].next;
                (at, planned)
            });
            let cpu = first.expect("there is at least one CPU");
            let (now, _, step) = self.cpus[cpu].next;
            if let Some((at, on)) = self.timer.filter(|(at, _)| *at < now.min(end)) {
                self.timer = None;
                self.expire(at, on);
            } else if now >= end {
                return Ok(());
            } else {
                self.step(now, cpu, step)?;
            }
        }
    }

    fn plan(&mut self, cpu: usize, at: u64, step: Step) {
        self.planned += 1;
        self.cpus[cpu].next = (at, self.planned, step);
    }

    fn step(&mut self, now: u64, cpu: usize, step: Step) -> Result<(), Exhausted> {
        match step {
            Step::Idle => self.idle(now, cpu),
            Step::Unmapped(pages) => {
                self.stale.unmap(pages, now);
                if self.scheme.refreshes() {
                    let at = self.ask(now, self.costs.refresh);
                    self.plan(cpu, at, Step::Refreshed(pages));
                } else {
                    self.free(now, cpu, pages);
                }
            }
            Step::Refreshed(pages) => {
                self.stale.refreshed(pages, now);
                self.free(now, cpu, pages);
            }
            Step::Free(pages) => self.free(now, cpu, pages),
            Step::QueueFlushed { pages, covers } => {
                self.flushed(covers, now);
                self.free_address(now, cpu, pages);
            }
            Step::TimerFlushed { covers } => {
                self.flushed(covers, now);
                self.release_all(now, cpu, 0);
            }
            Step::Release { queue } => self.release_all(now, cpu, queue),
            Step::Alloc { count } => self.alloc(now, cpu, count)?,
            Step::AllocFlushed { count, covers } => {
                self.flushed(covers, now);
                let finished = self.space.allocator().finish_flush();
                finished.expect("only one CPU flushes because no address is free");
                self.alloc(now, cpu, count)?;
            }
            Step::Issue(pages) => {
                let spread = self.costs.device / 10;
                let takes = self.costs.device - spread + self.rng.u64(..=2 * spread);
                self.cpus[cpu].completions.push(Reverse((now + takes, pages)));
                self.idle(now, cpu);
            }
        }
        Ok(())
    }

    /// Starts the next step of an idle CPU: the timer, or else a complete request, or else a wait.
    fn idle(&mut self, now: u64, cpu: usize) {
        if self.cpus[cpu].softirq {
            self.cpus[cpu].softirq = false;
            // This comes first, so that a CPU that queues an address from now on arms the timer
            // again.
            self.timer_armed = false;
            let (at, covers) = self.flush(now);
            self.plan(cpu, at, Step::TimerFlushed { covers });
            return;
        }
        let completions = &mut self.cpus[cpu].completions;
        let Reverse((at, pages)) = *completions.peek().expect("each CPU has a request");
        if at <= now {
            completions.pop();
            self.plan(cpu, now + self.costs.complete, Step::Unmapped(pages));
        } else {
            self.plan(cpu, at, Step::Idle);
        }
    }

    fn free(&mut self, now: u64, cpu: usize, pages: Pages) {
        let lock = self.locks[cpu % self.locks.len()];
        if lock > now {
            self.plan(cpu, lock, Step::Free(pages));
            return;
        }
        self.free_address(now, cpu, pages);
    }

    /// Releases the entries of the CPU's queue that are free now, and returns their number.
    fn release(&mut self, cpu: usize) -> u64 {
        match &mut self.space {
            Space::Queue(queue) => queue.release(cpu) as u64,
            Space::Other(_) => 0,
        }
    }

    /// Frees an address. The caller holds the lock.
    fn free_address(&mut self, now: u64, cpu: usize, pages: Pages) {
        let released = self.release(cpu);
        match self.space.allocator().free(cpu, pages) {
            Ok(()) => {}
            Err(NotFreed::Full) => {
                let (at, covers) = self.flush(now);
                let lock = cpu % self.locks.len();
                self.locks[lock] = at;
                self.plan(cpu, at, Step::QueueFlushed { pages, covers });
                return;
            }
            Err(error) => panic!("{pages:?}: {error}"),
        }
        self.parked_max = self.parked_max.max(self.space.allocator().parked());
        let mut takes = self.costs.free;
        if let Scheme::FlushQueue { timeout, .. } = *self.scheme {
            takes += self.costs.queue + released * self.costs.release;
            if !self.timer_armed {
                self.timer_armed = true;
                self.timer = Some((self.tick_after(now + timeout * 1_000_000), cpu));
            }
        }
        self.done += 1;
        let count = self.count();
        let at = now + takes + self.costs.submit + self.costs.alloc;
        self.plan(cpu, at, Step::Alloc { count });
    }

    fn alloc(&mut self, now: u64, cpu: usize, count: u64) -> Result<(), Exhausted> {
        let alone = self.space.allocator().flushes_alone();
        if alone && self.locks[0] > now {
            self.plan(cpu, self.locks[0], Step::Alloc { count });
            return Ok(());
        }
        match self.space.allocator().alloc(cpu, size(count)) {
            Ok(pfn) => self.map(now, cpu, Pages { pfn, count }),
            Err(Refused::Dry) => {
                let (at, covers) = self.flush(now);
                if alone {
                    self.locks[0] = at;
                }
                self.flushed_at = at;
                self.plan(cpu, at, Step::AllocFlushed { count, covers });
            }
            Err(Refused::Flushing) => self.plan(cpu, self.flushed_at, Step::Alloc { count }),
            Err(Refused::Exhausted) => return Err(exhausted(now, count)),
        }
        Ok(())
    }

    fn map(&mut self, now: u64, cpu: usize, pages: Pages) {
        self.stale.reuse(pages);
        let at = if self.costs.refresh_on_map { self.ask(now, self.costs.refresh) } else { now };
        self.plan(cpu, at, Step::Issue(pages));
    }

    /// Begins a flush. Returns the time at which it ends and the mappings that it covers.
    fn flush(&mut self, now: u64) -> (u64, u64) {
        let begun = self.space.allocator().begin_flush();
        begun.expect("a scheme with one flush at a time waits for the last one");
        self.flushes += 1;
        (self.ask(now, self.costs.flush), self.stale.count())
    }

    /// Ends a flush of the hardware, which a flush queue counts.
    fn flushed(&mut self, covers: u64, now: u64) {
        self.stale.flushed(covers, now);
        if let Space::Queue(queue) = &mut self.space {
            queue.flush_ended().expect("the flush has begun");
        }
    }

    /// Executes an instruction that takes `takes`, and returns the time at which it is done.
    fn ask(&mut self, now: u64, takes: u64) -> u64 {
        if !self.costs.serialized {
            return now + takes;
        }
        self.hypervisor = self.hypervisor.max(now) + takes;
        self.hypervisor
    }

    /// Expires the timer. The CPU flushes when it has completed its current step.
    fn expire(&mut self, now: u64, cpu: usize) {
        self.cpus[cpu].softirq = true;
        if matches!(self.cpus[cpu].next.2, Step::Idle) {
            self.plan(cpu, now, Step::Idle);
        }
    }

    fn release_all(&mut self, now: u64, cpu: usize, from: usize) {
        let mut released = 0;
        for queue in from..self.locks.len() {
            if self.locks[queue] > now {
                self.plan(cpu, self.locks[queue], Step::Release { queue });
                return;
            }
            released += self.release(queue);
        }
        self.plan(cpu, now + released * self.costs.release, Step::Idle);
    }

    /// Returns the first tick after `at`.
    fn tick_after(&self, at: u64) -> u64 {
        match 1_000_000_000_u64.checked_div(self.costs.hz) {
            Some(tick) => (at / tick + 1) * tick,
            None => at,
        }
    }

    /// Returns the number of pages of the next request.
    fn count(&mut self) -> u64 {
        let (least, most) = self.costs.pages;
        if least == most { least } else { self.rng.u64(least..=most) }
    }
}

/// Returns a request that is aligned to its size, as Linux requires for all.
fn size(count: u64) -> Request {
    Request::pages(count).expect("the costs have valid sizes").size_aligned()
}

fn exhausted(now: u64, pages: u64) -> Exhausted {
    Exhausted { after: Duration::from_nanos(now), pages }
}
