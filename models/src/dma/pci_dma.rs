//! The s390 DMA code: a bitmap, and a second bit for pages that are unmapped and not flushed.
//!
//! An unmapped page stays taken until the search has reached the end of the aperture. Then one
//! flush of the whole aperture frees all such pages at once. One spinlock protects all of this,
//! including the flush. During the flush no CPU can free an address, so every page whose lazy bit
//! is set was unmapped before.
//!
//! Source: `arch/s390/pci/pci_dma.c`, v4.7 to v6.6.

use selvedge_core::sync::SpinLock;
use selvedge_core::{function, invariant_broken};

use super::{FIRST, Iotlb, one, page};
use crate::iova::{LazyBitmap, Pages, Pfn, Refused};

/// The difference from the order of Linux, if any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The order of Linux: addresses are freed lazily.
    Lazy,
    /// `s390_iommu=strict`: every page is flushed before its address is free.
    Strict,
    /// As `Strict`, but the address is freed before the flush.
    FreesFirst,
    /// The lazy bits are cleared before the flush.
    RecyclesFirst,
    /// The lock is not held during the flush.
    FlushesUnlocked,
    /// The lazy bits are cleared even if the flush failed.
    IgnoresFailure,
    /// Freeing an address makes it free at once, without a flush.
    FreesAtOnce,
    /// Freeing an address does not test whether the bitmap still exists.
    TrustsBitmap,
}

/// The addresses of a function: the fields of `struct zpci_dev` that record which are taken.
#[derive(Debug)]
pub struct Zdev {
    order: Order,
    /// The device.
    pub iotlb: Iotlb,
    /// `iommu_bitmap` and `lazy_bitmap`, under `iommu_bitmap_lock`. `None` after the function is
    /// removed.
    bitmap: SpinLock<Option<LazyBitmap>>,
}

impl Zdev {
    /// Creates a function with an aperture of `pages` pages from page 1 on, the first `mapped` of
    /// which are mapped.
    pub fn new(order: Order, pages: u64, mapped: u64) -> Self {
        let mut bitmap = LazyBitmap::new(Pages { pfn: FIRST, count: pages });
        let handed_out: Vec<Pfn> = (0..mapped)
            .map(|_| bitmap.alloc(one()).expect("the aperture has more pages"))
            .collect();
        let bitmap = SpinLock::new("iommu_bitmap_lock", Some(bitmap));
        Self { order, iotlb: Iotlb::new(handed_out), bitmap }
    }

    /// Makes a hypervisor [shadow](Iotlb::shadowed) the tables of the function.
    #[must_use]
    pub fn shadowed(self) -> Self {
        Self { iotlb: self.iotlb.shadowed(), ..self }
    }

    /// Models `dma_alloc_address`. Locks: `iommu_bitmap_lock`, also during the flush.
    fn dma_alloc_address(&self) -> Option<Pfn> {
        let _function = function("dma_alloc_address");
        let mut bitmap = self.bitmap.spin_lock_irqsave();
        match bitmap.as_mut()?.alloc(one()) {
            Ok(pfn) => return Some(pfn),
            Err(Refused::Dry) => {}
            Err(_) => return None,
        }
        match self.order {
            Order::RecyclesFirst => {
                bitmap.as_mut()?.recycle();
                self.iotlb.rpcit();
            }
            Order::FlushesUnlocked => {
                bitmap.unlock();
                self.iotlb.rpcit();
                bitmap = self.bitmap.spin_lock_irqsave();
                bitmap.as_mut()?.recycle();
            }
            // No bit is lazy, so this only restarts the search.
            Order::Strict | Order::FreesFirst | Order::FreesAtOnce => bitmap.as_mut()?.recycle(),
            order => {
                if !self.iotlb.rpcit() && order != Order::IgnoresFailure {
                    return None;
                }
                bitmap.as_mut()?.recycle();
            }
        }
        bitmap.as_mut()?.alloc(one()).ok()
    }

    /// Models `dma_free_address`. Locks: `iommu_bitmap_lock`.
    ///
    /// # Violations
    ///
    /// NULL: the bitmap does not exist. I2: the address is free already.
    fn dma_free_address(&self, pfn: Pfn) {
        let _function = function("dma_free_address");
        let mut bitmap = self.bitmap.spin_lock_irqsave();
        let Some(bitmap) = bitmap.as_mut() else {
            if self.order == Order::TrustsBitmap {
                invariant_broken("NULL", "the bitmap does not exist");
            }
            return;
        };
        let freed = match self.order {
            Order::Strict | Order::FreesFirst | Order::FreesAtOnce => bitmap.free_now(page(pfn)),
            _ => bitmap.free(page(pfn)),
        };
        if freed.is_err() {
            invariant_broken("I2", format!("page {pfn} is freed twice"));
        }
    }

    /// Models `s390_dma_map_pages` and returns the mapped page, if a page was free.
    pub fn s390_dma_map_pages(&self) -> Option<Pfn> {
        let _function = function("s390_dma_map_pages");
        let pfn = self.dma_alloc_address()?;
        let mapped = self.iotlb.map_page(pfn);
        if !mapped {
            self.dma_free_address(pfn);
        }
        mapped.then_some(pfn)
    }

    /// Models `s390_dma_map_pages` when the hypervisor has no room for one more translation
    /// (`__dma_purge_tlb`, -ENOMEM). The function flushes all pages so that the hypervisor can
    /// drop some translations, and then frees everything that was freed lazily.
    ///
    /// The lock is not held during the flush.
    pub fn s390_dma_map_pages_enomem(&self) -> Option<Pfn> {
        let pfn = self.s390_dma_map_pages();
        let _function = function("__dma_purge_tlb");
        self.iotlb.rpcit();
        let mut bitmap = self.bitmap.spin_lock_irqsave();
        if let Some(bitmap) = bitmap.as_mut() {
            bitmap.recycle();
        }
        pfn
    }

    /// Models `s390_dma_unmap_pages`.
    pub fn s390_dma_unmap_pages(&self, pfn: Pfn) {
        let _function = function("s390_dma_unmap_pages");
        self.iotlb.unmap_page(pfn);
        match self.order {
            Order::Strict => {
                self.iotlb.rpcit();
                self.dma_free_address(pfn);
            }
            Order::FreesFirst => {
                self.dma_free_address(pfn);
                self.iotlb.rpcit();
            }
            _ => self.dma_free_address(pfn),
        }
    }

    /// Models `zpci_dma_exit_device`, which removes the function. The device can no longer access
    /// any page.
    ///
    /// Linux does not take `iommu_bitmap_lock` here. The model says only that a concurrent free
    /// finds the pointer either unchanged or NULL.
    pub fn zpci_dma_exit_device(&self) {
        let _function = function("zpci_dma_exit_device");
        self.iotlb.detach();
        *self.bitmap.spin_lock_irqsave() = None;
    }
}
