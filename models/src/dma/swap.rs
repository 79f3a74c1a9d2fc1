//! Flush on exhaustion: a CPU that finds no free page flushes, and then the parked pages are free.
//!
//! No other CPU waits for the flush. Pages that are freed meanwhile are parked for the next flush,
//! in a list of their own. The lock is not held during the flush, and this list makes that correct.
//!
//! Source: the idea of Niklas Schnelle, "Re: \[PATCH v4 1/2\] iommu/s390: Fix race with
//! release_device ops", 1 September 2022. Linux has no such allocator.

use std::sync::Arc;

use selvedge_core::function;
use selvedge_core::sync::{SpinLock, WaitQueue};

use super::Iotlb;
use crate::iova::{Pfn, Refused, Swap};

/// The pages that become free when a flush has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The pages that were parked when it began.
    ParkedBefore,
    /// All pages that are parked when it ends.
    ParkedByNow,
}

/// The addresses of a domain.
#[derive(Debug)]
pub struct Domain {
    order: Order,
    /// The device.
    pub iotlb: Iotlb,
    lists: SpinLock<Swap<Pfn>>,
    flushed: WaitQueue,
}

impl Domain {
    /// Creates a domain of `pages` pages from page 1 on, the first `mapped` of which are mapped.
    pub fn new(order: Order, pages: u64, mapped: u64) -> Arc<Self> {
        Arc::new(Self {
            order,
            iotlb: Iotlb::new(1..=mapped),
            lists: SpinLock::new("lists", Swap::new((mapped + 1..=pages).collect())),
            flushed: WaitQueue::new("flushed"),
        })
    }

    /// Maps a page and returns it, if there is one. If no page is free now, it flushes, or waits
    /// for a flush that is running.
    pub fn map(&self) -> Option<Pfn> {
        let _function = function("map");
        loop {
            let mut lists = self.lists.spin_lock_irqsave();
            match lists.alloc() {
                Ok(pfn) => {
                    lists.unlock();
                    self.iotlb.map_page(pfn);
                    return Some(pfn);
                }
                Err(Refused::Exhausted) => return None,
                Err(Refused::Flushing) => {
                    lists.unlock();
                    let done =
                        || self.lists.spin_lock_irqsave().clone().alloc() != Err(Refused::Flushing);
                    self.flushed.wait_event(done);
                }
                Err(Refused::Dry) => {
                    lists.begin_flush().expect("no other flush is running");
                    lists.unlock();
                    self.iotlb.rpcit();
                    self.promote();
                    self.flushed.wake_up_all();
                }
            }
        }
    }

    /// Ends the flush.
    fn promote(&self) {
        let mut lists = self.lists.spin_lock_irqsave();
        lists.finish_flush().expect("a flush has begun");
        if self.order == Order::ParkedByNow {
            lists.begin_flush().expect("no other flush is running");
            lists.finish_flush().expect("a flush has begun");
        }
    }

    /// Parks the page.
    pub fn unmap(&self, pfn: Pfn) {
        let _function = function("unmap");
        self.iotlb.unmap_page(pfn);
        self.lists.spin_lock_irqsave().free(pfn);
    }
}
