//! The cookie of a domain, which the first device of a group initialises (B15).
//!
//! Source: `iommu_dma_init_domain`, `drivers/iommu/dma-iommu.c`; commit ac9a5d522bb8 "iommu/dma:
//! Fix race condition during iova_domain initialization".

use selvedge_core::sync::{Atomic, Mutex};
use selvedge_core::{function, invariant_broken};

/// `struct iommu_dma_cookie`.
#[derive(Debug)]
pub struct Cookie {
    /// `cookie->mutex`.
    mutex: Mutex,
    /// `iovad->start_pfn`, which records that the cookie is initialised.
    start_pfn: Atomic,
}

impl Cookie {
    /// Creates an uninitialised cookie.
    #[expect(clippy::new_without_default, reason = "it creates objects of the current runtime")]
    pub fn new() -> Self {
        Self {
            mutex: Mutex::new("cookie->mutex", ()),
            start_pfn: Atomic::new("iovad->start_pfn", 0),
        }
    }

    /// Models `iommu_dma_init_domain` before the commit.
    ///
    /// # Violations
    ///
    /// COOKIE if the allocator is initialised a second time.
    pub fn init_unlocked(&self) {
        let _function = function("iommu_dma_init_domain");
        if self.start_pfn.load() != 0 {
            return;
        }
        if self.start_pfn.swap(1) != 0 {
            invariant_broken("COOKIE", "the allocator is initialised while another device uses it");
        }
    }

    /// Returns whether the cookie is initialised.
    pub fn is_initialised(&self) -> bool {
        self.start_pfn.load() != 0
    }

    /// Models `iommu_dma_init_domain` since the commit. Locks: `cookie->mutex`.
    pub fn init(&self) {
        let _locked = self.mutex.lock();
        self.init_unlocked();
    }
}
