//! Parked pages, structure by structure: the cases that decide whether an address is reused too
//! early or never.

use selvedge_iova::{BadFlush, Entry, LazyBitmap, NotFreed, Pages, Refused, Request, Ring, Swap};

fn pages(pfn: u64, count: u64) -> Pages {
    Pages { pfn, count }
}

fn request(count: u64) -> Request {
    Request::pages(count).unwrap()
}

fn entry(pfn: u64, counter: u64) -> Entry<&'static str> {
    Entry { pages: pages(pfn, 1), counter, freelist: vec!["table"] }
}

fn pfns(freed: impl Iterator<Item = Entry<&'static str>>) -> Vec<u64> {
    freed.map(|entry| entry.pages.pfn).collect()
}

#[test]
fn the_bitmap_reuses_nothing_before_it_is_recycled() {
    let mut bitmap = LazyBitmap::new(pages(1, 130));
    assert_eq!(bitmap.alloc(request(128)), Ok(1));
    assert_eq!(bitmap.free(pages(1, 128)), Ok(()));
    assert_eq!(bitmap.alloc(request(2)), Ok(129));
    assert_eq!(bitmap.alloc(request(1)), Err(Refused::Dry));
    assert_eq!(bitmap.parked(), 128);
    bitmap.recycle();
    assert_eq!(bitmap.parked(), 0);
    assert_eq!(bitmap.alloc(request(1)), Ok(1));
    assert_eq!(bitmap.alloc(request(128)), Err(Refused::Dry));
    bitmap.recycle();
    assert_eq!(bitmap.alloc(request(128)), Err(Refused::Exhausted));
}

#[test]
fn the_bitmap_takes_back_only_what_is_mapped() {
    let mut bitmap = LazyBitmap::new(pages(1, 130));
    assert_eq!(bitmap.alloc(request(70)), Ok(1));
    for bad in [pages(0, 1), pages(71, 1), pages(60, 12), pages(131, 1), pages(1, 0), pages(1, !0)]
    {
        assert_eq!(bitmap.free(bad), Err(NotFreed::NotAllocated), "{bad:?}");
        assert_eq!(bitmap.free_now(bad), Err(NotFreed::NotAllocated), "{bad:?}");
    }
    assert_eq!(bitmap.free(pages(1, 70)), Ok(()));
    assert_eq!(bitmap.free(pages(70, 1)), Err(NotFreed::Parked));
    bitmap.recycle();
    assert_eq!(bitmap.free(pages(70, 1)), Err(NotFreed::NotAllocated));
}

#[test]
fn the_bitmap_keeps_alignment_and_limit() {
    let mut bitmap = LazyBitmap::new(pages(1, 31));
    assert_eq!(bitmap.alloc(request(3).size_aligned()), Ok(4));
    assert_eq!(bitmap.alloc(request(8).size_aligned()), Ok(8));
    assert_eq!(bitmap.alloc(request(2).below(17 * 4096).unwrap()), Err(Refused::Dry));
    assert_eq!(bitmap.alloc(request(1).below(17 * 4096).unwrap()), Ok(16));
}

#[test]
fn a_ring_releases_what_a_flush_that_began_later_has_covered() {
    let mut ring = Ring::new(3);
    for (pfn, counter) in [(1, 0), (2, 0), (3, 1)] {
        ring.add(entry(pfn, counter));
    }
    assert!(ring.full());
    assert_eq!(pfns(ring.release(0)), []);
    assert_eq!(pfns(ring.release(1)), [1, 2]);
    assert_eq!(pfns(ring.release(1)), []);
    assert_eq!(pfns(ring.release(2)), [3]);
    assert_eq!(ring, Ring::new(3), "an empty ring is equal at every position");
}

#[test]
fn a_full_ring_forgets_everything_but_the_tables() {
    let mut ring = Ring::new(2);
    for pfn in [1, 2, 3] {
        ring.add(entry(pfn, 1));
    }
    assert!(ring.is_empty());
    assert_eq!(pfns(ring.release(9)), []);
    ring.add(entry(4, 1));
    let freed: Vec<_> = ring.release(9).collect();
    assert_eq!(freed.len(), 1);
    assert_eq!((freed[0].pages.pfn, freed[0].freelist.len()), (4, 2));
}

#[test]
fn what_is_parked_during_a_flush_waits_for_the_next() {
    let mut swap = Swap::new(vec![1, 2]);
    assert_eq!((swap.alloc(), swap.alloc()), (Ok(2), Ok(1)));
    swap.free(1);
    assert_eq!(swap.begin_flush(), Ok(()));
    swap.free(2);
    assert_eq!(swap.begin_flush(), Err(BadFlush::Running));
    assert_eq!(swap.parked(), 2);
    assert_eq!(swap.finish_flush(), Ok(()));
    assert_eq!(swap.finish_flush(), Err(BadFlush::NotRunning));
    assert_eq!(swap.alloc(), Ok(1));
    assert_eq!(swap.alloc(), Err(Refused::Dry));
    assert_eq!(swap.parked(), 1);
}
