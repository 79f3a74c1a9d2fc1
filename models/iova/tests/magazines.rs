//! The magazines of a CPU and the depot, which small apertures never fill.

use std::cell::Cell;
use std::rc::Rc;

use selvedge_iova::{
    Allocator, CpuCache, Depot, GapTree, MAGAZINE, Magazines, NotFreed, Pages, Pfn, Refused,
    Request,
};

const APERTURE: Pages = Pages { pfn: 1, count: 1000 };

#[test]
fn what_goes_through_the_depot_comes_back_once() {
    let (mut cache, mut depot) = (CpuCache::default(), Depot::default());
    let mut spilled = 0;
    let count = 3 * MAGAZINE as u64 + 1;
    for pfn in 0..count {
        cache.put(0, pfn, |full| {
            assert_eq!(full.len(), MAGAZINE, "a magazine in the depot is full");
            depot.put(0, full);
            spilled += 1;
        });
    }
    assert_eq!(spilled, 2, "the CPU keeps two magazines, one of them with one range");
    let get = || cache.get(0, Pfn::MAX, || depot.get(0));
    let mut back: Vec<Pfn> = std::iter::from_fn(get).collect();
    back.sort_unstable();
    assert_eq!(back, (0..count).collect::<Vec<_>>());
}

#[test]
fn what_is_above_the_limit_stays() {
    let mut cache = CpuCache::default();
    for pfn in [8, 0, 16, 24] {
        cache.put(3, pfn, |_| panic!("the magazine must have room"));
    }
    let mut get = |limit| cache.get(3, limit, || None);
    assert_eq!(get(7), None);
    assert_eq!(get(16), Some(0), "8 was put in before 0");
    assert_eq!(get(16), Some(8));
    assert_eq!(get(16), None);
    assert_eq!((get(32), get(32), get(32)), (Some(24), Some(16), None));
}

/// An allocator that counts the freed ranges.
struct Counting {
    below: GapTree,
    freed: Rc<Cell<usize>>,
}

impl Allocator for Counting {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        self.below.alloc(cpu, request)
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        self.freed.set(self.freed.get() + 1);
        self.below.free(cpu, pages)
    }
}

#[test]
fn the_depot_is_trimmed_by_a_magazine_at_a_time() {
    let freed = Rc::new(Cell::new(0));
    let below = Counting { below: GapTree::new(APERTURE), freed: Rc::clone(&freed) };
    let mut magazines = Magazines::new(below, APERTURE, 1);
    let page = Request::pages(1).unwrap();
    // Two magazines for the CPU and three for the depot.
    let pfns: Vec<Pfn> = (0..5 * MAGAZINE).map(|_| magazines.alloc(0, page).unwrap()).collect();
    for pfn in pfns {
        magazines.free(0, Pages { pfn, count: 1 }).unwrap();
    }
    assert_eq!(freed.get(), 0, "all ranges must be cached");
    magazines.trim();
    assert_eq!(freed.get(), MAGAZINE);
    for _ in 0..5 {
        magazines.trim();
    }
    assert_eq!(freed.get(), 2 * MAGAZINE, "one magazine for each CPU stays in the depot");
    // Such a range is not cached and is available only if all ranges have returned.
    let large = Request::pages(990).unwrap();
    assert!(magazines.alloc(0, large).is_ok());
    assert_eq!(freed.get(), 5 * MAGAZINE);
}
