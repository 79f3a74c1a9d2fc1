//! The handling of an address that was unmapped.

use std::fmt;
use std::sync::Arc;

use selvedge_iova::{
    Allocator, CachedTree, FlushQueue, LazyBitmap, Magazines, Pages, SwapBitmap, SwapLists,
};

use super::costs::Costs;

/// The first page of the aperture, which never contains page 0.
const START: u64 = 1;

/// A scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The scheme of s390 until v6.6: a bitmap, and one flush when the search reaches its end.
    BitmapLazy,
    /// Each mapping is refreshed as it is unmapped, before its address is freed.
    Strict,
    /// A flush when this many addresses are queued, or when the first of them has waited this long.
    FlushQueue {
        /// The owner of the queue.
        of: QueueOf,
        /// The number of slots, one of which is always empty.
        slots: usize,
        /// The timeout in milliseconds.
        timeout: u64,
    },
    /// One flush when no address is free. Then the addresses that were parked when it began are
    /// free. Other CPUs are not blocked meanwhile.
    FlushOnExhaustion,
    /// The same scheme with a list for each size.
    FlushOnExhaustionLists,
    /// A scheme that is not of this crate.
    Own(Own),
}

/// A scheme with an allocator of any crate.
#[derive(Clone)]
pub struct Own {
    name: String,
    refreshes: bool,
    make: Arc<Make>,
}

/// Creates the allocator of an aperture and a number of CPUs.
type Make = dyn Fn(Pages, usize) -> Box<dyn Allocator> + Send + Sync;

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Schemes are the same if they have the same name.
impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Own {}

/// The owner of a flush queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOf {
    /// Each CPU has a queue.
    EachCpu,
    /// All CPUs share a queue, as in v6.7 and later for devices with a shadow table.
    All,
}

impl Scheme {
    /// The five schemes of the mail, the one that was merged, and those that the mail asks about.
    pub const ALL: [Self; 8] = [
        Self::BitmapLazy,
        Self::Strict,
        Self::queue(32_768, 4_000),
        Self::queue(8_192, 100),
        Self::queue(256, 10),
        Self::FlushQueue { of: QueueOf::All, slots: 32_768, timeout: 1_000 },
        Self::FlushOnExhaustion,
        Self::FlushOnExhaustionLists,
    ];

    /// Returns a scheme with an allocator that parks freed pages. It flushes when it is dry or
    /// full. `make` gets the aperture and the number of CPUs.
    pub fn parking<A: Allocator + 'static>(
        name: &str,
        make: impl Fn(Pages, usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::own(name, false, make)
    }

    /// Returns a scheme as [`Strict`](Self::Strict), with an allocator that parks nothing.
    pub fn strict<A: Allocator + 'static>(
        name: &str,
        make: impl Fn(Pages, usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::own(name, true, make)
    }

    fn own<A: Allocator + 'static>(
        name: &str,
        refreshes: bool,
        make: impl Fn(Pages, usize) -> A + Send + Sync + 'static,
    ) -> Self {
        let make: Arc<Make> = Arc::new(move |aperture, cpus| Box::new(make(aperture, cpus)));
        Self::Own(Own { name: name.to_owned(), refreshes, make })
    }

    /// Returns whether each mapping is refreshed before its address is freed.
    pub(super) fn refreshes(&self) -> bool {
        matches!(self, Self::Strict | Self::Own(Own { refreshes: true, .. }))
    }

    /// Returns a flush queue with this number of slots and this timeout in milliseconds for each
    /// CPU.
    pub const fn queue(slots: usize, timeout: u64) -> Self {
        Self::FlushQueue { of: QueueOf::EachCpu, slots, timeout }
    }

    /// Returns the throughput according to the mail, relative to the bitmap. For the default queue
    /// the mail says "less than".
    pub fn in_the_mail(&self) -> Option<&'static str> {
        match self {
            Self::BitmapLazy => Some("1.00"),
            Self::Strict => Some("0.50"),
            _ if *self == Self::queue(32_768, 4_000) => Some("0.91"),
            _ if *self == Self::queue(8_192, 100) => Some("0.76"),
            _ if *self == Self::queue(256, 10) => Some("< 0.08"),
            _ => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BitmapLazy => f.write_str("bitmap-lazy"),
            Self::Strict => f.write_str("strict"),
            Self::FlushQueue { of, slots, timeout } => {
                let single = if *of == QueueOf::All { "single-" } else { "" };
                write!(f, "fq-{single}{slots}-{timeout}ms")
            }
            Self::FlushOnExhaustion => f.write_str("flush-on-exhaustion"),
            Self::FlushOnExhaustionLists => f.write_str("flush-on-exhaustion-lists"),
            Self::Own(own) => f.write_str(&own.name),
        }
    }
}

/// The addresses under a scheme. A flush queue is a variant of its own because it also has a timer,
/// and because the end of a flush releases the entries of one queue and not of the others.
pub(super) enum Space {
    Queue(Box<FlushQueue<Magazines<CachedTree>>>),
    Other(Box<dyn Allocator>),
}

impl Space {
    pub(super) fn new(scheme: &Scheme, costs: &Costs) -> Self {
        let aperture = Pages { pfn: START, count: costs.aperture };
        let linux = || Magazines::new(CachedTree::new(aperture), aperture, costs.cpus);
        Self::Other(match *scheme {
            Scheme::BitmapLazy => Box::new(LazyBitmap::new(aperture)),
            Scheme::Strict => Box::new(linux()),
            Scheme::FlushOnExhaustion => Box::new(SwapBitmap::new(aperture)),
            Scheme::FlushOnExhaustionLists => Box::new(SwapLists::new(aperture)),
            Scheme::FlushQueue { of, slots, .. } => {
                let rings = if of == QueueOf::All { 1 } else { costs.cpus };
                let queue = FlushQueue::new(linux(), aperture, rings, slots - 1);
                return Self::Queue(Box::new(queue));
            }
            Scheme::Own(ref own) => (own.make)(aperture, costs.cpus),
        })
    }

    pub(super) fn allocator(&mut self) -> &mut dyn Allocator {
        match self {
            Self::Queue(queue) => &mut **queue,
            Self::Other(other) => &mut **other,
        }
    }

    /// Returns the number of locks that are held during a flush: one for each queue, or one.
    pub(super) fn locks(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.rings(),
            Self::Other(_) => 1,
        }
    }
}
