//! DMA addresses under locks: who may hand out an address again, and when.
//!
//! The hardware caches translations, so a page that was unmapped can be reached at its old address
//! until the cache is flushed. A scheme that puts the flush off has to know, of each address, that
//! a flush which *began* after it was unmapped has *ended*; and it has to know without asking, from
//! counters, bits or lists that change hands, while other CPUs flush too.
//!
//! The schemes themselves are data ([`crate::iova`]); here they stand behind the locks that Linux
//! has around them, and flush a hardware that flushes no more than it must ([`Iotlb`]).
//!
//! - [`flush_queue`]: Linux's flush queue, `drivers/iommu/dma-iommu.c`.
//! - [`pci_dma`]: the s390 bitmap with lazily unmapped bits, `arch/s390/pci/pci_dma.c`.
//! - [`swap`]: flush on exhaustion, which Linux does not have.
//! - [`ordering`]: what the flush queue asks of the memory.
//! - [`rcache`]: the per-CPU caches of Linux's allocator, `drivers/iommu/iova.c`.

pub mod flush_queue;
mod iotlb;
pub mod ordering;
pub mod pci_dma;
pub mod rcache;
pub(crate) mod scenarios;
pub mod swap;

pub use iotlb::Iotlb;

use selvedge_core::invariant_broken;

use crate::iova::{Allocator, CachedTree, Pages, Pfn, Request};

/// The first page: page 0 is never handed out.
const FIRST: Pfn = 1;

fn page(pfn: Pfn) -> Pages {
    Pages { pfn, count: 1 }
}

/// The request for a page.
fn one() -> Request {
    Request::pages(1).expect("a page is more than nothing")
}

/// At the end: exactly the `left` pages that are not mapped can be had.
///
/// # Violations
///
/// I3: fewer can, or more.
fn check_conservation(tree: &mut CachedTree, left: u64) {
    let free = (0..=left).take_while(|_| tree.alloc(0, one()).is_ok()).count() as u64;
    if free != left {
        invariant_broken("I3", format!("{left} pages are not mapped, and {free} are free"));
    }
}
