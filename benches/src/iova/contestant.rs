//! The allocators that are measured.

use std::borrow::Cow;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use selvedge_iova::{
    Allocator, CachedTree, FlushQueue, GapTree, LazyBitmap, Magazines, MapleTree, Pages, Radix,
    SwapBitmap, SwapLists,
};

use super::{
    APERTURE, BareBitmap, DbsAllocator, Load, Locked, PlainTree, Shape, SharedMagazines,
    VmAllocator, turns_of_two,
};

/// The capacity of a ring in the kernel, if there is one for all CPUs.
const RING: usize = 32_767;

/// An allocator that is measured: its name, how it is created, and what can be asked of it.
///
/// ```
/// use selvedge_benches::iova::{APERTURE, Contestant, Shape, contestants};
/// use selvedge_iova::Radix;
///
/// let mut all = contestants();
/// all.push(Contestant::new("mine", || Radix::new(APERTURE)).at_most(100_000));
/// let mut load = all.last().unwrap().start(Shape::OnePage, 16);
/// load.turns(1_000);
/// ```
pub struct Contestant {
    name: Cow<'static, str>,
    shapes: &'static [Shape],
    live_max: usize,
    turns_to_flush: usize,
    start: Box<dyn Fn(Shape, usize) -> Box<dyn Turns>>,
    two_threads: Option<Box<TwoThreads>>,
}

/// Returns the time for a number of turns of two threads, with a number of addresses allocated.
type TwoThreads = dyn Fn(u64, usize) -> Duration;

/// An allocator with its load. The turns are compiled for each allocator, as in a driver: only
/// [`turns`](Self::turns) itself is a dynamic call, and none of the calls in it is.
pub trait Turns {
    /// Runs turns, each of which frees an address and allocates another.
    fn turns(&mut self, turns: u64);

    /// Runs a turn and returns the duration of its longest call.
    fn timed_turn(&mut self) -> Duration;

    /// Returns the allocated addresses.
    fn live(&self) -> &[Pages];
}

struct Loaded<A> {
    allocator: A,
    load: Load,
}

impl<A: Allocator> Turns for Loaded<A> {
    fn turns(&mut self, turns: u64) {
        for _ in 0..turns {
            self.load.turn(&mut self.allocator);
        }
    }

    fn timed_turn(&mut self) -> Duration {
        self.load.timed_turn(&mut self.allocator)
    }

    fn live(&self) -> &[Pages] {
        self.load.live()
    }
}

impl Contestant {
    /// Returns a contestant that `make` creates, with [`APERTURE`] free.
    pub fn new<A: Allocator + Send + 'static>(
        name: impl Into<Cow<'static, str>>,
        make: impl Fn() -> A + Clone + 'static,
    ) -> Self {
        let start = {
            let make = make.clone();
            move |shape, live| -> Box<dyn Turns> {
                let mut allocator = make();
                let load = Load::new(&mut allocator, shape, live);
                Box::new(Loaded { allocator, load })
            }
        };
        let two = move |turns, live| {
            let shared = Mutex::new(make());
            turns_of_two(turns, live, || Locked(&shared))
        };
        Self { two_threads: Some(Box::new(two)), ..Self::starting(name, start) }
    }

    /// Returns a contestant that `make` creates with these addresses allocated, where allocating
    /// them one by one takes too long. It is measured with one thread.
    pub fn filled<A: Allocator + 'static>(
        name: impl Into<Cow<'static, str>>,
        make: impl Fn(&[Pages]) -> A + 'static,
    ) -> Self {
        Self::starting(name, move |shape, live| {
            let load = Load::new(&mut Radix::new(APERTURE), shape, live);
            Box::new(Loaded { allocator: make(load.live()), load })
        })
    }

    fn starting(
        name: impl Into<Cow<'static, str>>,
        start: impl Fn(Shape, usize) -> Box<dyn Turns> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            shapes: &Shape::ALL,
            live_max: usize::MAX,
            turns_to_flush: 0,
            start: Box::new(start),
            two_threads: None,
        }
    }

    /// Restricts it to these shapes, since it does not support the others.
    pub fn only(self, shapes: &'static [Shape]) -> Self {
        Self { shapes, ..self }
    }

    /// Restricts it to this number of allocated addresses, since it is too slow with more.
    pub fn at_most(self, live: usize) -> Self {
        Self { live_max: live, ..self }
    }

    /// Restricts it to one thread.
    pub fn one_thread(self) -> Self {
        Self { two_threads: None, ..self }
    }

    /// Sets the measurement with two threads, for an allocator with locks of its own.
    pub fn two_threads(self, run: impl Fn(u64, usize) -> Duration + 'static) -> Self {
        Self { two_threads: Some(Box::new(run)), ..self }
    }

    /// Sets the number of turns after which it has flushed, so that the longest call can be one
    /// that a flush follows.
    pub fn flushes_within(self, turns: usize) -> Self {
        Self { turns_to_flush: turns, ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether it is measured with this shape and this number of addresses.
    pub fn takes(&self, shape: Shape, live: usize) -> bool {
        self.shapes.contains(&shape) && live <= self.live_max
    }

    /// Creates it, with `live` addresses allocated.
    pub fn start(&self, shape: Shape, live: usize) -> Box<dyn Turns> {
        (self.start)(shape, live)
    }

    /// Returns the time that two threads take for `turns` turns each, or [`None`] if it is for one
    /// thread.
    pub fn time_of_two(&self, turns: u64, live: usize) -> Option<Duration> {
        self.two_threads.as_ref().map(|run| run(turns, live))
    }

    /// Returns whether it is measured with two threads.
    pub fn takes_two(&self) -> bool {
        self.two_threads.is_some()
    }

    /// Returns the number of turns after which it has flushed, or 0 if it never does.
    pub(super) fn turns_to_flush(&self) -> usize {
        self.turns_to_flush
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contestant").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Names that a table compares.
pub const BARE: &str = "bare word scan";
/// See [`BARE`].
pub const VM_ALLOCATOR: &str = "vm-allocator";
/// See [`BARE`].
pub const PLAIN_TREE: &str = "plain BTreeMap";
/// See [`BARE`].
pub const RADIX: &str = "Radix";

/// Returns all contestants of this crate, the peers first.
pub fn contestants() -> Vec<Contestant> {
    const NO_LIMIT: &[Shape] = &[Shape::OnePage, Shape::Mixed, Shape::Fragmented];
    let all = APERTURE.count as usize;
    let with_magazines = |turns, live| {
        let shared = SharedMagazines::new();
        turns_of_two(turns, live, || &shared)
    };
    vec![
        Contestant::new(BARE, BareBitmap::new).only(&[Shape::OnePage]).one_thread(),
        Contestant::filled(VM_ALLOCATOR, VmAllocator::new).only(NO_LIMIT),
        Contestant::filled("dbs-allocator", DbsAllocator::new),
        Contestant::filled(PLAIN_TREE, PlainTree::new),
        Contestant::new("LazyBitmap (s390)", || LazyBitmap::new(APERTURE)).flushes_within(all),
        Contestant::new("CachedTree (Linux)", || CachedTree::new(APERTURE)),
        Contestant::new("GapTree", || GapTree::new(APERTURE)),
        Contestant::new("MapleTree", || MapleTree::new(APERTURE)),
        Contestant::new("Magazines over CachedTree (Linux)", magazines).two_threads(with_magazines),
        Contestant::new("FlushQueue over Magazines (Linux)", queue)
            .flushes_within(RING + 1)
            .one_thread(),
        Contestant::new("SwapLists", || SwapLists::new(APERTURE)).flushes_within(all).one_thread(),
        Contestant::new("SwapBitmap", || SwapBitmap::new(APERTURE)).flushes_within(all),
        Contestant::new(RADIX, || Radix::new(APERTURE)),
    ]
}

fn magazines() -> Magazines<CachedTree> {
    Magazines::new(CachedTree::new(APERTURE), APERTURE, 1)
}

fn queue() -> FlushQueue<Magazines<CachedTree>> {
    FlushQueue::new(magazines(), APERTURE, 1, RING)
}
