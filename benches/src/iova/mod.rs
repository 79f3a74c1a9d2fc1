//! Measurements of allocators of I/O addresses: those of Selvedge and their peers.

mod load;
mod peers;
mod threads;
mod worst;

pub use load::{Load, Shape};
pub use peers::{BareBitmap, PlainTree, VmAllocator};
pub use threads::{Locked, SharedMagazines, turns_of_two};
pub use worst::{Worst, mean, worst};

use std::fmt;

use selvedge_models::iova::{
    Allocator, CachedTree, FlushQueue, GapTree, LazyBitmap, Magazines, Pages, Radix, SwapBitmap,
    SwapLists,
};

/// 8 GiB of addresses, which the s390 code used for a system with 8 GiB of memory.
pub const APERTURE: Pages = Pages { pfn: 1, count: 1 << 21 };

/// The capacity of a ring in the kernel, if there is one for all CPUs.
const RING: usize = 32_767;

/// An allocator that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// [`BareBitmap`].
    Bare,
    /// [`VmAllocator`].
    VmAllocator,
    /// [`PlainTree`].
    PlainTree,
    /// [`LazyBitmap`].
    LazyBitmap,
    /// [`CachedTree`].
    CachedTree,
    /// [`GapTree`].
    GapTree,
    /// [`Magazines`] in front of a [`CachedTree`].
    Magazines,
    /// A [`FlushQueue`] in front of those.
    FlushQueue,
    /// [`SwapLists`].
    SwapLists,
    /// [`SwapBitmap`].
    SwapBitmap,
    /// [`Radix`].
    Radix,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare word scan",
            Self::VmAllocator => "vm-allocator",
            Self::PlainTree => "plain BTreeMap",
            Self::LazyBitmap => "LazyBitmap (s390)",
            Self::CachedTree => "CachedTree (Linux)",
            Self::GapTree => "GapTree",
            Self::Magazines => "Magazines over CachedTree (Linux)",
            Self::FlushQueue => "FlushQueue over Magazines (Linux)",
            Self::SwapLists => "SwapLists",
            Self::SwapBitmap => "SwapBitmap",
            Self::Radix => "Radix",
        })
    }
}

impl Contestant {
    /// All contestants, the peers first.
    pub const ALL: [Self; 11] = [
        Self::Bare,
        Self::VmAllocator,
        Self::PlainTree,
        Self::LazyBitmap,
        Self::CachedTree,
        Self::GapTree,
        Self::Magazines,
        Self::FlushQueue,
        Self::SwapLists,
        Self::SwapBitmap,
        Self::Radix,
    ];

    /// Returns whether it supports requests of this shape.
    pub fn takes(self, shape: Shape) -> bool {
        match self {
            Self::Bare => shape == Shape::OnePage,
            Self::VmAllocator => shape != Shape::LowLimit,
            _ => true,
        }
    }

    /// Returns the number of turns after which it has flushed, or 0 if it never does.
    fn turns_to_flush(self) -> usize {
        match self {
            Self::LazyBitmap | Self::SwapLists | Self::SwapBitmap => APERTURE.count as usize,
            Self::FlushQueue => RING + 1,
            _ => 0,
        }
    }

    /// Runs `measure` on it, with `live` addresses allocated.
    pub fn measured<M: Measure>(self, shape: Shape, live: usize, measure: M) -> M::Result {
        match self {
            Self::Bare => filled(BareBitmap::new(), shape, live, measure),
            // Filling these one by one takes quadratic time.
            Self::VmAllocator => {
                let load = Load::new(&mut Radix::new(APERTURE), shape, live);
                measure.measure(VmAllocator::new(load.live()), load)
            }
            Self::PlainTree => {
                let load = Load::new(&mut Radix::new(APERTURE), shape, live);
                measure.measure(PlainTree::new(load.live()), load)
            }
            Self::LazyBitmap => filled(LazyBitmap::new(APERTURE), shape, live, measure),
            Self::CachedTree => filled(CachedTree::new(APERTURE), shape, live, measure),
            Self::GapTree => filled(GapTree::new(APERTURE), shape, live, measure),
            Self::Magazines => filled(magazines(), shape, live, measure),
            Self::FlushQueue => {
                filled(FlushQueue::new(magazines(), APERTURE, 1, RING), shape, live, measure)
            }
            Self::SwapLists => filled(SwapLists::new(APERTURE), shape, live, measure),
            Self::SwapBitmap => filled(SwapBitmap::new(APERTURE), shape, live, measure),
            Self::Radix => filled(Radix::new(APERTURE), shape, live, measure),
        }
    }
}

/// A measurement that is compiled for each allocator, as in a driver, so that no call is dynamic.
pub trait Measure {
    /// The result.
    type Result;

    /// Measures `allocator`. `load` has the allocated addresses.
    fn measure<A: Allocator>(self, allocator: A, load: Load) -> Self::Result;
}

fn magazines() -> Magazines<CachedTree> {
    Magazines::new(CachedTree::new(APERTURE), APERTURE, 1)
}

fn filled<A: Allocator, M: Measure>(
    mut allocator: A,
    shape: Shape,
    live: usize,
    measure: M,
) -> M::Result {
    let load = Load::new(&mut allocator, shape, live);
    measure.measure(allocator, load)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Disjoint;

    impl Measure for Disjoint {
        type Result = ();

        fn measure<A: Allocator>(self, mut allocator: A, mut load: Load) {
            for _ in 0..300 {
                load.turn(&mut allocator);
                let mut live = load.live().to_vec();
                live.sort_unstable();
                let apart = |pair: &[Pages]| pair[0].pfn + pair[0].count <= pair[1].pfn;
                assert!(live.windows(2).all(apart));
                let end = live.last().map(|pages| pages.pfn + pages.count);
                assert!(live[0].pfn >= APERTURE.pfn && end <= APERTURE.end());
            }
            load.end(&mut allocator);
        }
    }

    #[test]
    fn every_contestant_allocates() {
        for shape in Shape::ALL {
            for contestant in Contestant::ALL.iter().filter(|c| c.takes(shape)) {
                contestant.measured(shape, 200, Disjoint);
            }
        }
    }

    #[test]
    fn two_threads_share_an_allocator() {
        let shared = std::sync::Mutex::new(Radix::new(APERTURE));
        turns_of_two(1_000, 100, || Locked(&shared));
        let magazines = SharedMagazines::new();
        turns_of_two(1_000, 100, || &magazines);
        let count = |radix: &mut Radix| {
            let page = selvedge_models::iova::Request::pages(1).unwrap();
            std::iter::from_fn(|| radix.alloc(0, page).ok()).count() as u64
        };
        assert_eq!(
            count(&mut shared.lock().unwrap()),
            APERTURE.count,
            "all pages are free at the end"
        );
    }
}
