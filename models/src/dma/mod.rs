//! DMA addresses under locks, and when an address may be reused.
//!
//! The hardware caches translations, so a device can still access an unmapped page at its old
//! address until the cache is flushed. A scheme that defers the flush has to know for each address
//! that a flush which *began* after the page was unmapped has *ended*. It derives this from
//! counters, bits or lists, while other CPUs also flush.
//!
//! The schemes themselves are data ([`crate::iova`]). Here they run behind the locks that Linux has
//! around them, on hardware that flushes no more than it must ([`Iotlb`]).
//!
//! - [`flush_queue`]: Linux's flush queue, `drivers/iommu/dma-iommu.c`.
//! - [`pci_dma`]: the s390 bitmap with lazily unmapped bits, `arch/s390/pci/pci_dma.c`.
//! - [`swap`]: flush on exhaustion, which Linux does not have.
//! - [`ordering`]: the memory ordering that the flush queue needs.
//! - [`rcache`]: the per-CPU caches of Linux's allocator, `drivers/iommu/iova.c`.

pub mod flush_queue;
mod iotlb;
pub mod ordering;
pub mod pci_dma;
pub mod rcache;
mod rules;
pub(crate) mod scenarios;
pub mod swap;

pub use iotlb::Iotlb;
pub use rules::RULES;

use selvedge_core::invariant_broken;

use crate::iova::{Allocator, CachedTree, Pages, Pfn, Request};

/// The first page. Page 0 is never allocated.
const FIRST: Pfn = 1;

fn page(pfn: Pfn) -> Pages {
    Pages { pfn, count: 1 }
}

/// Returns a request for one page.
fn one() -> Request {
    Request::pages(1).expect("one page is a valid request")
}

/// Checks at the end that exactly the `left` pages that are not mapped can be allocated.
///
/// # Violations
///
/// I3: fewer or more pages can be allocated.
fn check_conservation(tree: &mut CachedTree, left: u64) {
    let free = (0..=left).take_while(|_| tree.alloc(0, one()).is_ok()).count() as u64;
    if free != left {
        invariant_broken("I3", format!("{left} pages are not mapped, and {free} are free"));
    }
}
