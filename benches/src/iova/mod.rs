//! Measurements of allocators of I/O addresses: those of Selvedge, their peers, and those of any
//! other crate.

mod contestant;
#[cfg(feature = "criterion")]
mod harness;
mod load;
mod peers;
mod search;
mod threads;
mod trace;
mod worst;

pub use contestant::{BARE, Contestant, PLAIN_TREE, RADIX, Turns, VM_ALLOCATOR, contestants};
#[cfg(feature = "criterion")]
pub use harness::bench;
pub use load::{Load, Shape};
pub use peers::{BareBitmap, DbsAllocator, PlainTree, VmAllocator};
pub use search::worst_trace;
pub use threads::{Locked, SharedMagazines, turns_of_two};
pub use trace::{Trace, TraceCall, replay};
pub use worst::{Worst, mean, worst};

use selvedge_iova::Pages;

/// 8 GiB of addresses, which the s390 code used for a system with 8 GiB of memory.
pub const APERTURE: Pages = Pages { pfn: 1, count: 1 << 21 };

#[cfg(test)]
mod tests {
    use selvedge_iova::{Allocator, Radix, Request};

    use super::*;

    #[test]
    fn every_contestant_allocates() {
        for contestant in contestants() {
            for shape in Shape::ALL.into_iter().filter(|shape| contestant.takes(*shape, 200)) {
                let mut load = contestant.start(shape, 200);
                for _ in 0..300 {
                    load.turns(1);
                    let mut live = load.live().to_vec();
                    live.sort_unstable();
                    let apart = |pair: &[Pages]| pair[0].pfn + pair[0].count <= pair[1].pfn;
                    assert!(live.windows(2).all(apart), "{contestant}");
                    let end = live.last().map(|pages| pages.pfn + pages.count);
                    assert!(live[0].pfn >= APERTURE.pfn && end <= APERTURE.end(), "{contestant}");
                }
            }
        }
    }

    #[test]
    fn two_threads_share_every_contestant_that_takes_two() {
        let two = contestants().iter().filter_map(|one| one.time_of_two(1_000, 100)).count();
        assert_eq!(two, 7);
    }

    #[test]
    fn two_threads_share_an_allocator() {
        let shared = std::sync::Mutex::new(Radix::new(APERTURE));
        turns_of_two(1_000, 100, || Locked(&shared));
        let magazines = SharedMagazines::new();
        turns_of_two(1_000, 100, || &magazines);
        let count = |radix: &mut Radix| {
            let page = Request::pages(1).unwrap();
            std::iter::from_fn(|| radix.alloc(0, page).ok()).count() as u64
        };
        assert_eq!(
            count(&mut shared.lock().unwrap()),
            APERTURE.count,
            "all pages are free at the end"
        );
    }
}
