//! Every allocator against the reference.
//!
//! These are more than a million operations: 12 allocators, 300 sequences each, of 500 operations
//! on average.

use selvedge_iova::check::{APERTURE, CPUS, LARGEST, Promises, Wrong, against_reference};
use selvedge_iova::{
    Allocator, CachedTree, FlushQueue, GapTree, LazyBitmap, Magazines, MapleTree, NotFreed, Pages,
    Pfn, Radix, Refused, Request, SwapBitmap, SwapLists,
};

const EAGER: Promises = Promises::eager();

/// Linux remembers the smallest size that was refused below 4 GiB, but not the limit of that
/// request. One device, or one of its masks, can therefore make requests of other devices fail
/// until a range is freed there.
#[test]
fn what_was_refused_below_a_limit_is_refused_above_it() {
    let mut tree = CachedTree::new(Pages { pfn: 1, count: 1000 });
    let page = Request::pages(1).unwrap();
    assert_eq!(tree.alloc(0, page.below(4096).unwrap()), Err(Refused::Exhausted));
    assert_eq!(tree.alloc(0, page), Err(Refused::Exhausted), "with 1000 free pages");
    let mut tree = GapTree::new(Pages { pfn: 1, count: 1000 });
    assert_eq!(tree.alloc(0, page.below(4096).unwrap()), Err(Refused::Exhausted));
    assert_eq!(tree.alloc(0, page), Ok(1000));
}

const ABOVE: Pfn = 1 << 20;

/// An allocator of addresses above 4 GiB, which subtracts 4 GiB from them.
struct Above<A>(A);

impl<A: Allocator> Allocator for Above<A> {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let above = Request::pages(request.count()).unwrap();
        let above = if request.align() > 1 { above.size_aligned() } else { above };
        let limit = request.limit().min(APERTURE.pfn + APERTURE.count);
        let above = above.below((ABOVE + limit) * 4096).unwrap();
        self.0.alloc(cpu, above).map(|pfn| pfn - ABOVE)
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        self.0.free(cpu, Pages { pfn: ABOVE + pages.pfn, ..pages })
    }
}

const RING: usize = 5;

/// Parked pages are not found, and Linux does not search for them.
fn queue(rings: usize) -> Promises {
    EAGER.parks(rings as u64 * RING as u64 * LARGEST).incomplete()
}

const SWAP: Promises = EAGER.parks(APERTURE.count).one_flush_at_a_time();

#[test]
fn lazy_bitmap() -> Result<(), Wrong> {
    against_reference(SWAP.knows_only_pages(), LazyBitmap::new)
}

#[test]
fn cached_tree() -> Result<(), Wrong> {
    against_reference(EAGER.only_uniform_requests(), CachedTree::new)
}

#[test]
fn cached_tree_above_4_gib() -> Result<(), Wrong> {
    against_reference(EAGER, |aperture: Pages| {
        Above(CachedTree::new(Pages { pfn: ABOVE + aperture.pfn, ..aperture }))
    })
}

#[test]
fn gap_tree() -> Result<(), Wrong> {
    against_reference(EAGER, GapTree::new)
}

#[test]
fn maple_tree() -> Result<(), Wrong> {
    against_reference(EAGER, MapleTree::new)
}

#[test]
fn radix() -> Result<(), Wrong> {
    against_reference(EAGER, Radix::new)
}

#[test]
fn magazines() -> Result<(), Wrong> {
    // Sizes are rounded up.
    against_reference(EAGER.incomplete(), |aperture| {
        Magazines::new(GapTree::new(aperture), aperture, CPUS)
    })
}

fn linux(aperture: Pages) -> Magazines<CachedTree> {
    Magazines::new(CachedTree::new(aperture), aperture, CPUS)
}

#[test]
fn magazines_as_in_linux() -> Result<(), Wrong> {
    against_reference(EAGER.incomplete().only_uniform_requests(), linux)
}

#[test]
fn flush_queue_for_each_cpu() -> Result<(), Wrong> {
    against_reference(queue(CPUS).only_uniform_requests(), |aperture| {
        FlushQueue::new(linux(aperture), aperture, CPUS, RING)
    })
}

#[test]
fn flush_queue_for_all() -> Result<(), Wrong> {
    against_reference(queue(1), |aperture| FlushQueue::new(Radix::new(aperture), aperture, 1, RING))
}

#[test]
fn swap_bitmap() -> Result<(), Wrong> {
    against_reference(SWAP, SwapBitmap::new)
}

#[test]
fn swap_lists() -> Result<(), Wrong> {
    // Sizes are rounded up, and blocks are not merged again.
    against_reference(SWAP.incomplete(), SwapLists::new)
}
