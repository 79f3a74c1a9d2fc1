//! What is done with an address that was unmapped.

use std::fmt;

use selvedge_models::iova::{
    Allocator, CachedTree, FlushQueue, LazyBitmap, Magazines, Pages, SwapBitmap, SwapLists,
};

use super::costs::Costs;

/// The first page that a device is given: never page 0.
const START: u64 = 1;

/// A scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// That of s390 until v6.6: a bitmap, and one flush when it has been gone through.
    BitmapLazy,
    /// Each mapping is refreshed as it is unmapped, before its address is given back.
    Strict,
    /// A flush when so many are queued, and when the first of them has waited so long.
    FlushQueue {
        /// Whose queue it is.
        of: QueueOf,
        /// Slots, one of which is always empty.
        slots: usize,
        /// Milliseconds.
        timeout: u64,
    },
    /// One flush when no address is free any more, after which those that had been given back by
    /// then are; nobody is locked out meanwhile.
    FlushOnExhaustion,
    /// The same with a list for each size.
    FlushOnExhaustionLists,
}

/// Whose queue a flush queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOf {
    /// Each CPU has one.
    EachCpu,
    /// All have one together, since v6.7 for devices with a shadow table.
    All,
}

impl Scheme {
    /// The mail's five, what became of it upstream, and what the mail asks about.
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

    /// A flush queue of so many slots and milliseconds for each CPU.
    pub const fn queue(slots: usize, timeout: u64) -> Self {
        Self::FlushQueue { of: QueueOf::EachCpu, slots, timeout }
    }

    /// What the mail says that it reaches, relative to the bitmap. For the default queue it says
    /// "less than".
    pub fn in_the_mail(self) -> Option<&'static str> {
        match self {
            Self::BitmapLazy => Some("1.00"),
            Self::Strict => Some("0.50"),
            _ if self == Self::queue(32_768, 4_000) => Some("0.91"),
            _ if self == Self::queue(8_192, 100) => Some("0.76"),
            _ if self == Self::queue(256, 10) => Some("< 0.08"),
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
        }
    }
}

/// The addresses under a scheme. A flush queue is told apart because it also has a timer, and
/// because a flush that ends releases what is in one queue and not in the others.
pub(super) enum Space {
    Queue(Box<FlushQueue<Magazines<CachedTree>>>),
    Other(Box<dyn Allocator>),
}

impl Space {
    pub(super) fn new(scheme: Scheme, costs: &Costs) -> Self {
        let aperture = Pages { pfn: START, count: costs.aperture };
        let linux = || Magazines::new(CachedTree::new(aperture), aperture, costs.cpus);
        Self::Other(match scheme {
            Scheme::BitmapLazy => Box::new(LazyBitmap::new(aperture)),
            Scheme::Strict => Box::new(linux()),
            Scheme::FlushOnExhaustion => Box::new(SwapBitmap::new(aperture)),
            Scheme::FlushOnExhaustionLists => Box::new(SwapLists::new(aperture)),
            Scheme::FlushQueue { of, slots, .. } => {
                let rings = if of == QueueOf::All { 1 } else { costs.cpus };
                let queue = FlushQueue::new(linux(), aperture, rings, slots - 1);
                return Self::Queue(Box::new(queue));
            }
        })
    }

    pub(super) fn allocator(&mut self) -> &mut dyn Allocator {
        match self {
            Self::Queue(queue) => &mut **queue,
            Self::Other(other) => &mut **other,
        }
    }

    /// How many locks are held over a flush: one for each queue, or one.
    pub(super) fn locks(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.rings(),
            Self::Other(_) => 1,
        }
    }
}
