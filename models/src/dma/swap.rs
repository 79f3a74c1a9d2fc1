//! Flush on exhaustion: whoever finds nothing free flushes, and what was parked by then is free.
//!
//! Nobody else waits for the flush: what is given back meanwhile is parked for the next one, in a
//! list of its own. That list is what makes it right, since the lock is not held.
//!
//! Source: the idea of Niklas Schnelle, "Re: \[PATCH v4 1/2\] iommu/s390: Fix race with
//! release_device ops", 1 September 2022. Linux has no such allocator.

use std::sync::Arc;

use selvedge_core::function;
use selvedge_core::sync::{SpinLock, WaitQueue};

use super::Iotlb;
use crate::iova::{Pfn, Refused, Swap};

/// What becomes free when a flush has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// What was parked when it began.
    ParkedBefore,
    /// Whatever is parked.
    ParkedByNow,
}

/// A domain's addresses.
#[derive(Debug)]
pub struct Domain {
    order: Order,
    /// The device.
    pub iotlb: Iotlb,
    lists: SpinLock<Swap<Pfn>>,
    flushed: WaitQueue,
}

impl Domain {
    /// A domain of `pages` pages from page 1 on, the first `mapped` of them mapped.
    pub fn new(order: Order, pages: u64, mapped: u64) -> Arc<Self> {
        Arc::new(Self {
            order,
            iotlb: Iotlb::new(1..=mapped),
            lists: SpinLock::new("lists", Swap::new((mapped + 1..=pages).collect())),
            flushed: WaitQueue::new("flushed"),
        })
    }

    /// The page that was mapped, if there was one. Flushes, or waits for whoever does, if there is
    /// none that is free now.
    pub fn map(&self) -> Option<Pfn> {
        let _function = function("map");
        loop {
            let mut lists = self.lists.lock();
            match lists.alloc() {
                Ok(pfn) => {
                    lists.unlock();
                    self.iotlb.map_page(pfn);
                    return Some(pfn);
                }
                Err(Refused::Exhausted) => return None,
                Err(Refused::Flushing) => {
                    lists.unlock();
                    let done = || self.lists.lock().clone().alloc() != Err(Refused::Flushing);
                    self.flushed.wait_event(done);
                }
                Err(Refused::Dry) => {
                    lists.begin_flush().expect("nobody else flushes");
                    lists.unlock();
                    self.iotlb.rpcit();
                    self.promote();
                    self.flushed.wake_up_all();
                }
            }
        }
    }

    /// The flush has ended.
    fn promote(&self) {
        let mut lists = self.lists.lock();
        lists.finish_flush().expect("it has begun");
        if self.order == Order::ParkedByNow {
            lists.begin_flush().expect("nobody else flushes");
            lists.finish_flush().expect("it has begun");
        }
    }

    /// The page is parked.
    pub fn unmap(&self, pfn: Pfn) {
        let _function = function("unmap");
        self.iotlb.unmap_page(pfn);
        self.lists.lock().free(pfn);
    }
}
