//! Linux's flush queue. Unmapped pages are parked in a ring and freed after a later flush has
//! ended.
//!
//! Two counters tell which flush covers which entry: the number of flushes that have begun and the
//! number that have ended. An entry records the first counter after its page is unmapped. When more
//! flushes than that have ended, at least one of them began later and therefore covers the entry.
//! The argument counts flushes and does not identify them, so flushes of several CPUs may overlap.
//!
//! Source: `drivers/iommu/dma-iommu.c`, v6.7; before v5.17 in `drivers/iommu/iova.c`.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Atomic, PerCpu, SpinLock, Timer, Tracked};
use selvedge_core::{function, invariant_broken};

use super::{FIRST, Iotlb, check_conservation, one, page};
use crate::iova::{Allocator, CachedTree, Entry, Pages, Pfn, Refused, Ring};

/// The difference from the order of Linux, if any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The order of Linux.
    AsMerged,
    /// A full ring is flushed again until it has room. This fixes what [`AsMerged`](Self::AsMerged)
    /// does when a flush of another CPU has not ended.
    UntilRoom,
    /// An entry is freed when as many flushes have ended as had begun, and not only when more have.
    ReleasedEarly,
    /// An entry records the number of begun flushes before its page is unmapped.
    CountsBeforeUnmap,
    /// A flush counts as ended before it begins.
    FinishesFirst,
    /// A flush counts as begun only when it has ended.
    StartsLast,
    /// An entry records the number of ended flushes, so that one counter suffices.
    OneCounter,
    /// The timer drains a ring without its lock.
    DrainsUnlocked,
    /// The timer may be armed again only after it has drained the rings.
    RearmsLate,
    /// An entry is added without the ring's lock, as if no other CPU could use the ring.
    AddsUnlocked,
    /// The unmapping tests whether there is a queue twice: for the address and again for the flush.
    AsksTwice,
    /// The queue is published before its rings are initialised.
    AnnouncedFirst,
    /// A mapping that fails is rolled back without a flush.
    RollsBackLazily,
    /// There is no timer. A CPU that finds no free address flushes and searches again.
    FlushesWhenDry,
}

/// How a domain is destroyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Teardown {
    /// The device is detached, then the timer is deleted and waited for, then the rings are freed.
    AsMerged,
    /// The timer is deleted but not waited for, as before commit d7061627d701, v5.17.
    WithoutSync,
    /// The rings are freed before the timer is deleted.
    RingsFirst,
    /// The device is detached last.
    DetachesLast,
}

/// The size of a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// Pages, from page 1 on.
    pub pages: u64,
    /// The number of pages that are mapped, which are the last ones.
    pub mapped: u64,
    /// The number of rings of the queue, one for each CPU. One ring is the single queue of v6.7.
    pub rings: usize,
    /// The capacity of a ring.
    pub entries: usize,
    /// Whether each page has a table of its own, which is unhooked with the page and freed with its
    /// entry.
    pub tables: bool,
    /// Whether a hypervisor [shadows](Iotlb::shadowed) the tables.
    pub shadowed: bool,
}

/// The addresses and the flush queue of a domain: `struct iommu_dma_cookie` and what it points to.
#[derive(Debug)]
pub struct Cookie {
    order: Order,
    tables: bool,
    /// The device.
    pub iotlb: Iotlb,
    /// `cookie->iovad`, under `iova_rbtree_lock`.
    iovad: SpinLock<CachedTree>,
    /// `cookie->fq_domain`, which says whether there is a queue.
    fq_domain: Atomic,
    /// `cookie->percpu_fq` or `cookie->single_fq`, as whether the pointer is set.
    fq: Atomic,
    rings: PerCpu<SpinLock<Ring<Pfn>>>,
    /// The memory of the rings.
    memory: Tracked<()>,
    /// `fq_flush_start_cnt`.
    start_cnt: Atomic,
    /// `fq_flush_finish_cnt`.
    finish_cnt: Atomic,
    /// `fq_timer_on`.
    timer_on: Atomic,
    /// `fq_timer`.
    timer: Timer,
}

impl Cookie {
    /// Creates a domain with a queue.
    pub fn new(order: Order, layout: Layout) -> Arc<Self> {
        let cookie = Self::strict(order, layout);
        cookie.fq.store(1);
        cookie.fq_domain.store(1);
        cookie
    }

    /// Creates a domain without a queue, which flushes every page as it is unmapped.
    pub fn strict(order: Order, layout: Layout) -> Arc<Self> {
        let Layout { pages, mapped, rings, entries, tables, shadowed } = layout;
        let mut iovad = CachedTree::new(Pages { pfn: FIRST, count: pages });
        let handed_out: Vec<Pfn> = (0..mapped)
            .map(|_| iovad.alloc(0, one()).expect("the aperture has more pages"))
            .collect();
        let iotlb = Iotlb::new(handed_out);
        let iotlb = if shadowed { iotlb.shadowed() } else { iotlb };
        let ring = |_| SpinLock::new("fq->lock", Ring::new(entries));
        let function = |cookie: &Weak<Self>| {
            let cookie = Weak::clone(cookie);
            move |_: &Timer| {
                let cookie = cookie.upgrade().expect("freeing the domain deletes the timer");
                cookie.fq_flush_timeout();
            }
        };
        Arc::new_cyclic(|cookie| Self {
            order,
            tables,
            iotlb,
            iovad: SpinLock::new("iova_rbtree_lock", iovad),
            fq_domain: Atomic::new("fq_domain", 0),
            fq: Atomic::new("cookie->fq", 0),
            rings: PerCpu::new("cookie->percpu_fq", (0..rings).map(ring)),
            memory: Tracked::new("fq", ()),
            start_cnt: Atomic::new("fq_flush_start_cnt", 0),
            finish_cnt: Atomic::new("fq_flush_finish_cnt", 0),
            timer_on: Atomic::new("fq_timer_on", 0),
            timer: Timer::new("fq_timer", function(cookie)),
        })
    }

    /// Models `iommu_dma_init_fq`, which runs under `group->mutex` when the administrator writes
    /// `DMA-FQ` to the `type` of the group.
    pub fn iommu_dma_init_fq(&self) {
        let _function = function("iommu_dma_init_fq");
        if self.order == Order::AnnouncedFirst {
            self.fq_domain.store(1);
            self.fq.store(1);
        } else {
            self.fq.store(1);
            self.fq_domain.store(1);
        }
    }

    /// Models `iommu_dma_map_page` and returns the mapped page, if a page was free.
    #[track_caller]
    pub fn iommu_dma_map_page(&self) -> Option<Pfn> {
        let _function = function("iommu_dma_map_page");
        let pfn = self.iommu_dma_alloc_iova()?;
        let mapped = self.iotlb.map_page(pfn);
        if !mapped {
            self.free_iova_fast(page(pfn));
        }
        mapped.then_some(pfn)
    }

    /// Models `iommu_dma_map_page` of a page that cannot be mapped. The core unmaps the part that
    /// it had mapped, with a flush, and frees the address at once.
    pub fn iommu_dma_map_page_fails(&self) {
        let _function = function("iommu_dma_map_page");
        let Some(pfn) = self.iommu_dma_alloc_iova() else { return };
        self.iotlb.map_page(pfn);
        self.iotlb.unmap_page(pfn);
        if self.order != Order::RollsBackLazily {
            self.iotlb.rpcit();
        }
        self.free_iova_fast(page(pfn));
    }

    /// Models `iommu_dma_alloc_iova`. Locks: `iova_rbtree_lock`.
    fn iommu_dma_alloc_iova(&self) -> Option<Pfn> {
        let alloc = || self.iovad.spin_lock_irqsave().alloc(0, one());
        let found = match alloc() {
            Err(Refused::Exhausted) if self.order == Order::FlushesWhenDry => {
                self.fq_flush_iotlb();
                for fq in self.rings.iter() {
                    let mut ring = fq.spin_lock_irqsave();
                    self.fq_ring_free_locked(&mut ring);
                }
                alloc()
            }
            found => found,
        };
        found.ok()
    }

    /// Models `iommu_dma_unmap_page`, which parks the page, or flushes and frees it if there is no
    /// queue.
    pub fn iommu_dma_unmap_page(&self, pfn: Pfn) {
        let _function = function("__iommu_dma_unmap");
        let queued = self.fq_domain.load() != 0;
        let before = (self.order == Order::CountsBeforeUnmap).then(|| self.start_cnt.load());
        self.iotlb.unmap_page(pfn);
        if self.tables {
            self.iotlb.unhook_table(pfn);
        }
        let flushes = match self.order {
            Order::AsksTwice => self.fq_domain.load() == 0,
            _ => !queued,
        };
        if flushes {
            self.iotlb.rpcit();
        }
        if queued {
            self.queue_iova(page(pfn), before);
        } else {
            if self.tables {
                self.iotlb.free_table(pfn);
            }
            self.free_iova_fast(page(pfn));
        }
    }

    /// Models `free_iova_fast`. Locks: `iova_rbtree_lock`.
    fn free_iova_fast(&self, pages: Pages) {
        let mut iovad = self.iovad.spin_lock_irqsave();
        if iovad.free(0, pages).is_err() {
            invariant_broken("I2", format!("page {} is freed twice", pages.pfn));
        }
    }

    /// Models `queue_iova`. Locks: `fq->lock` -> `iova_rbtree_lock`; a full ring is flushed with
    /// `fq->lock` held.
    fn queue_iova(&self, pages: Pages, counted: Option<u64>) {
        let _function = function("queue_iova");
        if self.fq.load() == 0 {
            invariant_broken("NULL", "the ring is used before it is initialised");
        }
        self.memory.get();
        let fq = self.rings.this_cpu();
        let mut ring = fq.spin_lock_irqsave();
        self.fq_ring_free_locked(&mut ring);
        while ring.full() {
            self.fq_flush_iotlb();
            self.fq_ring_free_locked(&mut ring);
            if self.order != Order::UntilRoom {
                break;
            }
        }
        let counter = counted.unwrap_or_else(|| match self.order {
            Order::OneCounter => self.finish_cnt.load(),
            _ => self.start_cnt.load(),
        });
        let entry = Entry {
            pages,
            counter,
            freelist: self.tables.then_some(pages.pfn).into_iter().collect(),
        };
        if self.order == Order::AddsUnlocked {
            let mut copy = ring.clone();
            ring.unlock();
            copy.add(entry);
            *fq.spin_lock_irqsave() = copy;
        } else {
            ring.add(entry);
            ring.unlock();
        }
        if self.order == Order::FlushesWhenDry {
            return;
        }
        if self.timer_on.load() == 0 && self.timer_on.swap(1) == 0 {
            self.timer.mod_timer();
        }
    }

    /// Models `fq_ring_free_locked`. The caller holds `fq->lock`. Locks: `iova_rbtree_lock`.
    fn fq_ring_free_locked(&self, ring: &mut Ring<Pfn>) {
        let _function = function("fq_ring_free_locked");
        let mut finished = self.finish_cnt.load();
        if self.order == Order::ReleasedEarly {
            finished += 1;
        }
        let freed: Vec<Entry<Pfn>> = ring.release(finished).collect();
        for entry in freed {
            entry.freelist.into_iter().for_each(|table| self.iotlb.free_table(table));
            self.free_iova_fast(entry.pages);
        }
    }

    /// Models `fq_flush_iotlb`.
    fn fq_flush_iotlb(&self) {
        let _function = function("fq_flush_iotlb");
        match self.order {
            Order::FinishesFirst => {
                self.start_cnt.fetch_add(1);
                self.finish_cnt.fetch_add(1);
                self.iotlb.rpcit();
            }
            Order::StartsLast => {
                self.iotlb.rpcit();
                self.start_cnt.fetch_add(1);
                self.finish_cnt.fetch_add(1);
            }
            _ => {
                self.start_cnt.fetch_add(1);
                self.iotlb.rpcit();
                self.finish_cnt.fetch_add(1);
            }
        }
    }

    /// Models `fq_flush_timeout`, the function of the timer. Locks: each `fq->lock` ->
    /// `iova_rbtree_lock`.
    fn fq_flush_timeout(&self) {
        let _function = function("fq_flush_timeout");
        if self.order != Order::RearmsLate {
            self.timer_on.store(0);
        }
        self.fq_flush_iotlb();
        self.memory.get();
        for fq in self.rings.iter() {
            let mut ring = fq.spin_lock_irqsave();
            if self.order == Order::DrainsUnlocked {
                let mut copy = ring.clone();
                ring.unlock();
                self.fq_ring_free_locked(&mut copy);
                *fq.spin_lock_irqsave() = copy;
            } else {
                self.fq_ring_free_locked(&mut ring);
            }
        }
        if self.order == Order::RearmsLate {
            self.timer_on.store(0);
        }
    }

    /// Models `iommu_domain_free` and `iommu_dma_free_fq`, which destroy the domain with all parked
    /// pages. The addresses are not freed one by one, but the tables of the pages are.
    pub fn iommu_domain_free(&self, how: Teardown) {
        let _function = function("iommu_dma_free_fq");
        if how != Teardown::DetachesLast {
            self.iotlb.detach();
        }
        if how == Teardown::RingsFirst {
            self.memory.release();
        }
        match how {
            Teardown::WithoutSync => _ = self.timer.del_timer(),
            _ => _ = self.timer.del_timer_sync(),
        }
        for fq in self.rings.iter() {
            let parked: Vec<Entry<Pfn>> = fq.spin_lock_irqsave().release(u64::MAX).collect();
            let tables = parked.into_iter().flat_map(|entry| entry.freelist);
            tables.for_each(|table| self.iotlb.free_table(table));
        }
        if how != Teardown::RingsFirst {
            self.memory.release();
        }
        if how == Teardown::DetachesLast {
            self.iotlb.detach();
        }
    }

    /// Checks the end state after the last timer has run, and removes the rings.
    ///
    /// # Violations
    ///
    /// I6: a flush has begun and not ended. I7: a page is parked and the timer is not armed.
    pub fn check_at_rest(&self) {
        let (started, finished) = (self.start_cnt.load(), self.finish_cnt.load());
        if started != finished {
            invariant_broken("I6", format!("{started} flushes have begun and {finished} ended"));
        }
        for fq in self.rings.iter() {
            if !fq.spin_lock_irqsave().is_empty() && self.order != Order::FlushesWhenDry {
                invariant_broken("I7", "pages are parked, and the timer is not armed");
            }
        }
        self.memory.release();
    }

    /// Checks at the end that every page that is not mapped is free. There are `left` such pages.
    ///
    /// # Violations
    ///
    /// I3: fewer pages are free.
    pub fn check_conservation(&self, left: u64) {
        check_conservation(&mut self.iovad.spin_lock_irqsave(), left);
    }
}
