//! Every allocator against a reference that is trivially correct, in which a page is free,
//! allocated by a request, or parked since a certain flush.
//!
//! These are more than a million operations: 11 allocators, 300 sequences each, of 500 operations
//! on average.

use proptest::collection::vec;
use proptest::prelude::*;
use selvedge_iova::{
    Allocator, BadFlush, CachedTree, FlushQueue, GapTree, LazyBitmap, Magazines, NotFreed, Pages,
    Pfn, Radix, Refused, Request, SwapBitmap, SwapLists,
};

const CPUS: usize = 2;
/// Small, so that it becomes full, and not a multiple of a power of two.
const APERTURE: Pages = Pages { pfn: 3, count: 323 };

#[derive(Clone, Debug)]
enum Op {
    /// The number of pages, whether they are aligned to their size, and a limit in pages.
    Alloc {
        count: u64,
        aligned: bool,
        limit: Option<u64>,
    },
    /// Frees one of the allocated mappings.
    Free {
        which: prop::sample::Index,
    },
    /// Frees these pages, whether they are allocated or not.
    FreeAny {
        pfn: Pfn,
        count: u64,
    },
    BeginFlush,
    FinishFlush {
        which: prop::sample::Index,
    },
}

fn ops() -> impl Strategy<Value = Vec<(usize, Op)>> {
    let limit = prop_oneof![3 => Just(None), 1 => (0..400_u64).prop_map(Some)];
    let count = prop_oneof![4 => Just(1), 4 => 1..=9_u64, 1 => 1..=140_u64];
    let op = prop_oneof![
        12 => (count, any::<bool>(), limit)
            .prop_map(|(count, aligned, limit)| Op::Alloc { count, aligned, limit }),
        10 => any::<prop::sample::Index>().prop_map(|which| Op::Free { which }),
        2 => (0..340_u64, 0..9_u64).prop_map(|(pfn, count)| Op::FreeAny { pfn, count }),
        2 => Just(Op::BeginFlush),
        2 => any::<prop::sample::Index>().prop_map(|which| Op::FinishFlush { which }),
    ];
    vec((0..CPUS, op), 0..1000)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Page {
    Free,
    /// Allocated by the request with this number.
    Out(usize),
    /// Parked when this number of flushes had begun.
    Parked(usize),
}

/// The properties that an allocator is expected to have.
#[derive(Clone, Copy)]
struct Traits {
    /// It parks freed pages.
    parks: bool,
    /// It distinguishes mappings and not only pages.
    knows_mappings: bool,
    /// It refuses only a request that does not fit.
    complete: bool,
    /// `complete` holds only if all requests are aligned to their size and none has a limit. See
    /// `what_was_refused_below_a_limit_is_refused_above_it`.
    uniform: bool,
    /// Several flushes can run at once.
    flushes_overlap: bool,
    /// The largest number of pages that it parks.
    parked_max: u64,
}

const EAGER: Traits = Traits {
    parks: false,
    knows_mappings: true,
    complete: true,
    uniform: false,
    flushes_overlap: true,
    parked_max: 0,
};

struct Reference {
    pages: Vec<Page>,
    out: Vec<(usize, Pages)>,
    requests: usize,
    flushes_begun: usize,
    /// The numbers of the running flushes.
    running: Vec<usize>,
}

impl Reference {
    fn new() -> Self {
        let pages = vec![Page::Free; APERTURE.count as usize];
        Self { pages, out: vec![], requests: 0, flushes_begun: 0, running: vec![] }
    }

    fn slice(&mut self, pages: Pages) -> Option<&mut [Page]> {
        let from = pages.pfn.checked_sub(APERTURE.pfn)? as usize;
        self.pages.get_mut(from..from + pages.count as usize).filter(|slice| !slice.is_empty())
    }

    fn allocated(&mut self, pages: Pages) {
        let number = self.requests;
        self.requests += 1;
        let slice = self.slice(pages).expect("the pages are within the aperture");
        assert!(slice.iter().all(|page| *page == Page::Free), "{pages:?} is not free");
        slice.fill(Page::Out(number));
        self.out.push((number, pages));
    }

    /// Returns whether a request fits anywhere. If `flushed` is set, parked pages count as free.
    fn fits(&self, request: Request, flushed: bool) -> bool {
        let last = request.limit().min(APERTURE.pfn + APERTURE.count);
        (APERTURE.pfn..=last.saturating_sub(request.count())).any(|pfn| {
            let from = (pfn - APERTURE.pfn) as usize;
            let slice = self.pages.get(from..from + request.count() as usize);
            pfn % request.align() == 0
                && slice.is_some_and(|slice| {
                    slice.iter().all(|page| match page {
                        Page::Free => true,
                        Page::Out(_) => false,
                        Page::Parked(_) => flushed,
                    })
                })
        })
    }

    fn free(&mut self, at: usize, traits: Traits) {
        let (_, pages) = self.out.swap_remove(at);
        let to = if traits.parks { Page::Parked(self.flushes_begun) } else { Page::Free };
        self.slice(pages).expect("the pages were allocated").fill(to);
    }

    fn begin_flush(&mut self) {
        self.flushes_begun += 1;
        self.running.push(self.flushes_begun);
    }

    /// Ends a flush. It began after a page was parked if its number exceeds that of the page.
    fn finish_flush(&mut self, at: usize) {
        let flush = self.running.swap_remove(at);
        for page in &mut self.pages {
            if matches!(page, Page::Parked(begun) if *begun < flush) {
                *page = Page::Free;
            }
        }
    }

    fn parked(&self) -> u64 {
        self.pages.iter().filter(|page| matches!(page, Page::Parked(_))).count() as u64
    }
}

fn run(mut allocator: impl Allocator, traits: Traits, ops: &[(usize, Op)]) {
    let mut reference = Reference::new();
    for (cpu, op) in ops {
        step(&mut allocator, &mut reference, traits, *cpu, op);
        let parked = allocator.parked();
        assert!(parked <= traits.parked_max, "{parked} pages are parked");
        assert!(parked >= reference.parked(), "{parked} pages are parked");
    }
    nothing_is_lost(&mut allocator, &mut reference, traits);
}

fn step(
    allocator: &mut impl Allocator,
    reference: &mut Reference,
    traits: Traits,
    cpu: usize,
    op: &Op,
) {
    match op {
        Op::Alloc { count, aligned, limit } => {
            let request = Request::pages(*count).unwrap();
            let request = if *aligned || traits.uniform { request.size_aligned() } else { request };
            let request = match limit {
                Some(pages) if !traits.uniform => request.below(pages * 4096).unwrap(),
                _ => request,
            };
            alloc(allocator, reference, traits, cpu, request);
        }
        Op::Free { which } => {
            if !reference.out.is_empty() {
                free(allocator, reference, traits, cpu, which.index(reference.out.len()));
            }
        }
        Op::FreeAny { pfn, count } => {
            let pages = Pages { pfn: *pfn, count: *count };
            match reference.out.iter().position(|(_, out)| *out == pages) {
                Some(at) => free(allocator, reference, traits, cpu, at),
                None => free_badly(allocator, reference, traits, cpu, pages),
            }
        }
        Op::BeginFlush => {
            let may = reference.running.is_empty() || traits.flushes_overlap;
            // An allocator without overlap behaves as one that holds the lock during the flush.
            match (may, allocator.flushes_alone()) {
                (true, true) => flush(allocator, reference),
                (true, false) => {
                    assert_eq!(allocator.begin_flush(), Ok(()));
                    reference.begin_flush();
                }
                (false, _) => assert_eq!(allocator.begin_flush(), Err(BadFlush::Running)),
            }
        }
        Op::FinishFlush { which } => match reference.running.len() {
            0 if traits.parks && !allocator.flushes_alone() => {
                assert_eq!(allocator.finish_flush(), Err(BadFlush::NotRunning));
            }
            0 => {}
            running => {
                assert_eq!(allocator.finish_flush(), Ok(()));
                reference.finish_flush(which.index(running));
            }
        },
    }
}

fn flush(allocator: &mut impl Allocator, reference: &mut Reference) {
    while !reference.running.is_empty() {
        assert_eq!(allocator.finish_flush(), Ok(()));
        reference.finish_flush(0);
    }
    assert_eq!(allocator.begin_flush(), Ok(()));
    reference.begin_flush();
    assert_eq!(allocator.finish_flush(), Ok(()));
    reference.finish_flush(0);
}

fn alloc(
    allocator: &mut impl Allocator,
    reference: &mut Reference,
    traits: Traits,
    cpu: usize,
    request: Request,
) {
    let mut got = allocator.alloc(cpu, request);
    if matches!(got, Err(Refused::Dry | Refused::Flushing)) {
        assert!(traits.parks);
        flush(allocator, reference);
        got = allocator.alloc(cpu, request);
    }
    match got {
        Ok(pfn) => {
            assert_eq!(pfn % request.align(), 0, "{pfn} for {request:?}");
            assert!(pfn + request.count() <= request.limit(), "{pfn} for {request:?}");
            reference.allocated(Pages { pfn, count: request.count() });
        }
        Err(refused) => {
            assert_eq!(refused, Refused::Exhausted, "refused after a flush");
            assert!(!traits.complete || !reference.fits(request, true), "{request:?} fits");
        }
    }
}

fn free(
    allocator: &mut impl Allocator,
    reference: &mut Reference,
    traits: Traits,
    cpu: usize,
    at: usize,
) {
    let pages = reference.out[at].1;
    if allocator.free(cpu, pages) == Err(NotFreed::Full) {
        assert!(traits.parks);
        flush(allocator, reference);
        assert_eq!(allocator.free(cpu, pages), Ok(()));
    } else {
        // A second free of the same pages must fail.
        assert!(allocator.free(cpu, pages).is_err(), "{pages:?} twice");
    }
    reference.free(at, traits);
}

/// Frees pages that are not one mapping.
fn free_badly(
    allocator: &mut impl Allocator,
    reference: &mut Reference,
    traits: Traits,
    cpu: usize,
    pages: Pages,
) {
    let all_out = reference
        .slice(pages)
        .is_some_and(|slice| slice.iter().all(|page| matches!(page, Page::Out(_))));
    if traits.knows_mappings || !all_out {
        assert!(allocator.free(cpu, pages).is_err(), "{pages:?} is not allocated");
    }
}

/// Frees all pages and flushes. Afterwards every page can be allocated.
fn nothing_is_lost(allocator: &mut impl Allocator, reference: &mut Reference, traits: Traits) {
    while !reference.out.is_empty() {
        free(allocator, reference, traits, 0, 0);
    }
    flush(allocator, reference);
    assert_eq!(allocator.parked(), 0);
    let page = Request::pages(1).unwrap();
    for _ in 0..APERTURE.count {
        alloc(allocator, reference, Traits { complete: true, ..traits }, 0, page);
    }
    assert_eq!(reference.out.len() as u64, APERTURE.count);
    flush(allocator, reference);
    assert_eq!(allocator.alloc(0, page), Err(Refused::Exhausted));
}

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
const LARGEST: u64 = 140;

fn queue(rings: usize) -> Traits {
    Traits {
        parks: true,
        // Parked pages are not found, and Linux does not search for them.
        complete: false,
        parked_max: rings as u64 * RING as u64 * LARGEST,
        ..EAGER
    }
}

fn swap() -> Traits {
    Traits { parks: true, flushes_overlap: false, parked_max: APERTURE.count, ..EAGER }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn lazy_bitmap(ops in ops()) {
        run(LazyBitmap::new(APERTURE), Traits { knows_mappings: false, ..swap() }, &ops);
    }

    #[test]
    fn cached_tree(ops in ops()) {
        run(CachedTree::new(APERTURE), Traits { uniform: true, ..EAGER }, &ops);
    }

    #[test]
    fn cached_tree_above_4_gib(ops in ops()) {
        run(Above(CachedTree::new(Pages { pfn: ABOVE + APERTURE.pfn, ..APERTURE })), EAGER, &ops);
    }

    #[test]
    fn gap_tree(ops in ops()) {
        run(GapTree::new(APERTURE), EAGER, &ops);
    }

    #[test]
    fn radix(ops in ops()) {
        run(Radix::new(APERTURE), EAGER, &ops);
    }

    #[test]
    fn magazines(ops in ops()) {
        let magazines = Magazines::new(GapTree::new(APERTURE), APERTURE, CPUS);
        // Sizes are rounded up.
        run(magazines, Traits { complete: false, ..EAGER }, &ops);
    }

    #[test]
    fn magazines_as_in_linux(ops in ops()) {
        let magazines = Magazines::new(CachedTree::new(APERTURE), APERTURE, CPUS);
        run(magazines, Traits { complete: false, uniform: true, ..EAGER }, &ops);
    }

    #[test]
    fn flush_queue_for_each_cpu(ops in ops()) {
        let magazines = Magazines::new(CachedTree::new(APERTURE), APERTURE, CPUS);
        let traits = Traits { uniform: true, ..queue(CPUS) };
        run(FlushQueue::new(magazines, APERTURE, CPUS, RING), traits, &ops);
    }

    #[test]
    fn flush_queue_for_all(ops in ops()) {
        run(FlushQueue::new(Radix::new(APERTURE), APERTURE, 1, RING), queue(1), &ops);
    }

    #[test]
    fn swap_bitmap(ops in ops()) {
        run(SwapBitmap::new(APERTURE), swap(), &ops);
    }

    #[test]
    fn swap_lists(ops in ops()) {
        // Sizes are rounded up, and blocks are not merged again.
        run(SwapLists::new(APERTURE), Traits { complete: false, ..swap() }, &ops);
    }
}
