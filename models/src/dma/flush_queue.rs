//! Linux's flush queue: what is unmapped is parked in a ring, and freed once a later flush has
//! ended.
//!
//! Two counters say which flush covers what: how many have begun, and how many have ended. An entry
//! notes the first when its page is unmapped already. When more flushes than that have ended, at
//! least one of them is not among those that had begun, so it began later and covers the entry. The
//! argument is about numbers and needs no names: flushes of several CPUs may overlap.
//!
//! Source: `drivers/iommu/dma-iommu.c`, v6.7; before v5.17 in `drivers/iommu/iova.c`.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Atomic, PerCpu, SpinLock, Timer, Tracked};
use selvedge_core::{function, invariant_broken};

use super::{FIRST, Iotlb, check_conservation, one, page};
use crate::iova::{Allocator, CachedTree, Entry, Pages, Pfn, Refused, Ring};

/// What is done in another order than in Linux, or not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Nothing.
    AsMerged,
    /// A full ring is flushed again until it has room: the repair of what [`AsMerged`](Self::AsMerged)
    /// does when a flush of somebody else has not ended.
    UntilRoom,
    /// An entry is freed when as many flushes have ended as had begun, not more.
    ReleasedEarly,
    /// An entry notes how many flushes had begun before its page was unmapped.
    CountsBeforeUnmap,
    /// A flush counts as ended before it begins.
    FinishesFirst,
    /// A flush counts as begun once it has ended.
    StartsLast,
    /// An entry notes how many flushes have ended, so that there is one counter and not two.
    OneCounter,
    /// The timer drains a ring without its lock.
    DrainsUnlocked,
    /// The timer says that it may be armed again only when it has drained the rings.
    RearmsLate,
    /// An entry is added without the ring's lock, as if no other CPU could use the ring.
    AddsUnlocked,
    /// Whether there is a queue is asked again for the flush, after it was asked for the address.
    AsksTwice,
    /// The queue is announced before it is there.
    AnnouncedFirst,
    /// What could not be mapped is rolled back without a flush.
    RollsBackLazily,
    /// There is no timer: whoever finds nothing free flushes, and looks again.
    FlushesWhenDry,
}

/// How a domain is taken down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Teardown {
    /// The device is detached, the timer is deleted and waited for, the rings are freed.
    AsMerged,
    /// The timer is deleted and not waited for: before commit d7061627d701, v5.17.
    WithoutSync,
    /// The rings are freed before the timer is deleted.
    RingsFirst,
    /// The device is detached last.
    DetachesLast,
}

/// How large a domain is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Pages, from page 1 on.
    pub pages: u64,
    /// How many of them are mapped: the last ones.
    pub mapped: u64,
    /// Rings of the queue, one for each CPU. With one ring it is the single queue of v6.7.
    pub rings: usize,
    /// Entries that a ring has room for.
    pub entries: usize,
    /// Whether each page has a table of its own, which is unhooked with it and freed with its
    /// entry.
    pub tables: bool,
}

/// A domain's addresses and its flush queue: `struct iommu_dma_cookie`, with what it points to.
#[derive(Debug)]
pub struct Cookie {
    order: Order,
    tables: bool,
    /// The device.
    pub iotlb: Iotlb,
    /// `cookie->iovad`, under `iova_rbtree_lock`.
    iovad: SpinLock<CachedTree>,
    /// `cookie->fq_domain`: whether there is a queue.
    fq_domain: Atomic,
    /// `cookie->percpu_fq` or `cookie->single_fq`: whether the pointer is set.
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
    /// A domain with a queue.
    pub fn new(order: Order, layout: Layout) -> Arc<Self> {
        let cookie = Self::strict(order, layout);
        cookie.fq.store(1);
        cookie.fq_domain.store(1);
        cookie
    }

    /// A domain without a queue yet: every page is flushed as it is unmapped.
    pub fn strict(order: Order, layout: Layout) -> Arc<Self> {
        let Layout { pages, mapped, rings, entries, tables } = layout;
        let mut iovad = CachedTree::new(Pages { pfn: FIRST, count: pages });
        let handed_out: Vec<Pfn> =
            (0..mapped).map(|_| iovad.alloc(0, one()).expect("there are more")).collect();
        let ring = |_| SpinLock::new("fq->lock", Ring::new(entries));
        let function = |cookie: &Weak<Self>| {
            let cookie = Weak::clone(cookie);
            move |_: &Timer| {
                let cookie = cookie.upgrade().expect("whoever frees the domain deletes the timer");
                cookie.fq_flush_timeout();
            }
        };
        Arc::new_cyclic(|cookie| Self {
            order,
            tables,
            iotlb: Iotlb::new(handed_out),
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

    /// `iommu_dma_init_fq`, called at run time under `group->mutex` when somebody writes `DMA-FQ`
    /// to the group's `type`.
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

    /// `iommu_dma_map_page`: the page that was mapped, if there was one.
    #[track_caller]
    pub fn iommu_dma_map_page(&self) -> Option<Pfn> {
        let _function = function("iommu_dma_map_page");
        let pfn = self.iommu_dma_alloc_iova()?;
        self.iotlb.map_page(pfn);
        Some(pfn)
    }

    /// `iommu_dma_map_page` of a page that cannot be mapped: the core takes back what it had mapped
    /// of it, with a flush, and the address is freed at once.
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

    /// `iommu_dma_alloc_iova`. Locks: `iova_rbtree_lock`.
    fn iommu_dma_alloc_iova(&self) -> Option<Pfn> {
        let alloc = || self.iovad.lock().alloc(0, one());
        let found = match alloc() {
            Err(Refused::Exhausted) if self.order == Order::FlushesWhenDry => {
                self.fq_flush_iotlb();
                for fq in self.rings.iter() {
                    let mut ring = fq.lock();
                    self.fq_ring_free_locked(&mut ring);
                }
                alloc()
            }
            found => found,
        };
        found.ok()
    }

    /// `iommu_dma_unmap_page`: the page is parked, or without a queue flushed and free.
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

    /// `free_iova_fast`. Locks: `iova_rbtree_lock`.
    fn free_iova_fast(&self, pages: Pages) {
        let mut iovad = self.iovad.lock();
        if iovad.free(0, pages).is_err() {
            invariant_broken("I2", format!("page {} is freed twice", pages.pfn));
        }
    }

    /// `queue_iova`. Locks: `fq->lock` -> `iova_rbtree_lock`; a full ring is flushed with
    /// `fq->lock` held.
    fn queue_iova(&self, pages: Pages, counted: Option<u64>) {
        let _function = function("queue_iova");
        if self.fq.load() == 0 {
            invariant_broken("NULL", "the ring is used before it is there");
        }
        self.memory.get();
        let fq = self.rings.this_cpu();
        let mut ring = fq.lock();
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
            *fq.lock() = copy;
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

    /// `fq_ring_free_locked`. The caller holds `fq->lock`. Locks: `iova_rbtree_lock`.
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

    /// `fq_flush_iotlb`.
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

    /// `fq_flush_timeout`, the timer's function. Locks: each `fq->lock` -> `iova_rbtree_lock`.
    fn fq_flush_timeout(&self) {
        let _function = function("fq_flush_timeout");
        if self.order != Order::RearmsLate {
            self.timer_on.store(0);
        }
        self.fq_flush_iotlb();
        self.memory.get();
        for fq in self.rings.iter() {
            let mut ring = fq.lock();
            if self.order == Order::DrainsUnlocked {
                let mut copy = ring.clone();
                ring.unlock();
                self.fq_ring_free_locked(&mut copy);
                *fq.lock() = copy;
            } else {
                self.fq_ring_free_locked(&mut ring);
            }
        }
        if self.order == Order::RearmsLate {
            self.timer_on.store(0);
        }
    }

    /// `iommu_domain_free`, `iommu_dma_free_fq`: the domain goes, with everything that is parked.
    /// The addresses are not given back one by one; the tables of the pages are.
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
            let parked: Vec<Entry<Pfn>> = fq.lock().release(u64::MAX).collect();
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

    /// At the end, when the last timer has run; the rings go.
    ///
    /// # Violations
    ///
    /// I6: not every flush that began has ended. I7: something is parked, and no timer will come.
    pub fn check_at_rest(&self) {
        let (started, finished) = (self.start_cnt.load(), self.finish_cnt.load());
        if started != finished {
            invariant_broken("I6", format!("{started} flushes have begun and {finished} ended"));
        }
        for fq in self.rings.iter() {
            if !fq.lock().is_empty() && self.order != Order::FlushesWhenDry {
                invariant_broken("I7", "pages are parked, and the timer is not armed");
            }
        }
        self.memory.release();
    }

    /// At the end: whatever is not mapped, of which there are `left` pages, is free.
    ///
    /// # Violations
    ///
    /// I3: fewer pages are.
    pub fn check_conservation(&self, left: u64) {
        check_conservation(&mut self.iovad.lock(), left);
    }
}
