//! The s390 DMA code: a bitmap, and a second bit for what is unmapped and not flushed.
//!
//! What is unmapped stays taken until the search has come to the end of the aperture. Then one
//! flush of everything makes it free at once. All under one spinlock, the flush too: while it lasts,
//! nobody can give an address back, so everything whose lazy bit is set was unmapped before.
//!
//! Source: `arch/s390/pci/pci_dma.c`, v4.7 to v6.6.

use std::sync::Arc;

use selvedge_core::sync::SpinLock;
use selvedge_core::{function, invariant_broken};

use super::{FIRST, Iotlb, one, page};
use crate::iova::{LazyBitmap, Pages, Pfn, Refused};

/// What is done in another order than in Linux, or not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Nothing: addresses are freed lazily.
    Lazy,
    /// `s390_iommu=strict`: every page is flushed before its address is free.
    Strict,
    /// Strict, but the address is free before the flush.
    FreesFirst,
    /// The lazy bits are cleared before the flush.
    RecyclesFirst,
    /// The lock is not held while everything is flushed.
    FlushesUnlocked,
    /// The lazy bits are cleared even if the flush has failed.
    IgnoresFailure,
    /// To give an address back makes it free at once, and there is no flush.
    FreesAtOnce,
    /// To give an address back does not look whether the bitmap is still there.
    TrustsBitmap,
}

/// A function's addresses: the fields of `struct zpci_dev` that say which are taken.
#[derive(Debug)]
pub struct Zdev {
    order: Order,
    /// The device.
    pub iotlb: Iotlb,
    /// `iommu_bitmap` and `lazy_bitmap`, under `iommu_bitmap_lock`. None once the function is given
    /// up.
    bitmap: SpinLock<Option<LazyBitmap>>,
}

impl Zdev {
    /// A function with an aperture of `pages` pages from page 1 on, the first `mapped` of them
    /// mapped.
    pub fn new(order: Order, pages: u64, mapped: u64) -> Arc<Self> {
        let mut bitmap = LazyBitmap::new(Pages { pfn: FIRST, count: pages });
        let handed_out: Vec<Pfn> =
            (0..mapped).map(|_| bitmap.alloc(one()).expect("there are more")).collect();
        let bitmap = SpinLock::new("iommu_bitmap_lock", Some(bitmap));
        Arc::new(Self { order, iotlb: Iotlb::new(handed_out), bitmap })
    }

    /// `dma_alloc_address`. Locks: `iommu_bitmap_lock`, also while everything is flushed.
    fn dma_alloc_address(&self) -> Option<Pfn> {
        let _function = function("dma_alloc_address");
        let mut bitmap = self.bitmap.lock();
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
                bitmap = self.bitmap.lock();
                bitmap.as_mut()?.recycle();
            }
            // Nothing is lazy: the search begins anew.
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

    /// `dma_free_address`. Locks: `iommu_bitmap_lock`.
    ///
    /// # Violations
    ///
    /// NULL: the bitmap is gone. I2: the address is free already.
    fn dma_free_address(&self, pfn: Pfn) {
        let _function = function("dma_free_address");
        let mut bitmap = self.bitmap.lock();
        let Some(bitmap) = bitmap.as_mut() else {
            if self.order == Order::TrustsBitmap {
                invariant_broken("NULL", "the bitmap is gone");
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

    /// `s390_dma_map_pages`: the page that was mapped, if there was one.
    pub fn s390_dma_map_pages(&self) -> Option<Pfn> {
        let _function = function("s390_dma_map_pages");
        let pfn = self.dma_alloc_address()?;
        self.iotlb.map_page(pfn);
        Some(pfn)
    }

    /// `s390_dma_map_pages` where the hypervisor has no room for one more translation
    /// (`__dma_update_trans`, -ENOMEM): everything is flushed, so that it can let go of some, and
    /// then all that is lazily freed is free.
    ///
    /// The flush is not under the lock.
    pub fn s390_dma_map_pages_enomem(&self) -> Option<Pfn> {
        let pfn = self.s390_dma_map_pages();
        let _function = function("__dma_update_trans");
        self.iotlb.rpcit();
        let mut bitmap = self.bitmap.lock();
        if let Some(bitmap) = bitmap.as_mut() {
            bitmap.recycle();
        }
        pfn
    }

    /// `s390_dma_unmap_pages`.
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

    /// `zpci_dma_exit_device`: the function is given up; the device reaches nothing any more.
    ///
    /// Linux does not take `iommu_bitmap_lock` here. That whoever frees finds the pointer as it was
    /// or NULL is all that this model says of it.
    pub fn zpci_dma_exit_device(&self) {
        let _function = function("zpci_dma_exit_device");
        self.iotlb.detach();
        *self.bitmap.lock() = None;
    }
}
