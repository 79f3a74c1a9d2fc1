//! The caches of Linux's allocator: a stack of free addresses for each CPU, and a depot for all
//! CPUs.
//!
//! A cached address is free but has not returned to the tree. A CPU that finds the tree exhausted
//! therefore empties the caches of all CPUs into it and tries again. A worker also returns the
//! surplus of the depot to the tree.
//!
//! Source: `drivers/iommu/iova.c`, v6.7.

use std::sync::{Arc, Weak};

use selvedge_core::function;
use selvedge_core::sync::{PerCpu, SpinLock, Tracked, Work};

use super::{FIRST, Iotlb, check_conservation, one, page};
use crate::iova::{Allocator, CachedTree, CpuCache, Depot, Pages, Pfn};

/// The difference from the order of Linux, if any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The order of Linux.
    AsMerged,
    /// A CPU that empties the caches of all CPUs holds the lock of its own cache.
    EmptiesLocked,
    /// The depot is freed without waiting for the worker.
    FreesWithoutCancel,
}

/// `struct iova_domain`.
#[derive(Debug)]
pub struct IovaDomain {
    order: Order,
    pages: u64,
    /// The device.
    pub iotlb: Iotlb,
    cpus: PerCpu<SpinLock<CpuCache>>,
    depot: SpinLock<Depot>,
    /// `rcache->work`.
    work: Work,
    /// The memory of `struct iova_rcache`.
    memory: Tracked<()>,
    tree: SpinLock<CachedTree>,
}

impl IovaDomain {
    /// Creates a domain of `pages` pages for two CPUs. The first `parked` pages are free, each in a
    /// magazine of the depot. The tree has the others.
    pub fn new(order: Order, pages: u64, parked: u64) -> Arc<Self> {
        let cache = |_| SpinLock::new("cpu_rcache->lock", CpuCache::default());
        let mut tree = CachedTree::new(Pages { pfn: FIRST, count: pages });
        let mut depot = Depot::default();
        for _ in 0..parked {
            depot.put(0, vec![tree.alloc(0, one()).expect("the tree has more pages")]);
        }
        let function = |domain: &Weak<Self>| {
            let domain = Weak::clone(domain);
            move |_: &Work| {
                let domain = domain.upgrade().expect("freeing the domain cancels the work");
                domain.iova_depot_work_func();
            }
        };
        Arc::new_cyclic(|domain| Self {
            order,
            pages,
            iotlb: Iotlb::new([]),
            cpus: PerCpu::new("rcache->cpu_rcaches", (0..2).map(cache)),
            depot: SpinLock::new("rcache->lock", depot),
            work: Work::new("rcache->work", function(domain)),
            memory: Tracked::new("iova_rcache", ()),
            tree: SpinLock::new("iova_rbtree_lock", tree),
        })
    }

    /// Models `alloc_iova_fast` and maps the page. Locks: `cpu_rcache->lock` -> `rcache->lock`;
    /// then `iova_rbtree_lock`.
    pub fn alloc_iova_fast(&self) -> Option<Pfn> {
        let _function = function("alloc_iova_fast");
        let pfn = self.iova_rcache_get().or_else(|| self.alloc_iova()).or_else(|| {
            let own = (self.order == Order::EmptiesLocked).then(|| self.cpus.this_cpu());
            let _held = own.map(SpinLock::spin_lock_irqsave);
            let others =
                self.cpus.iter().filter(|cpu| own.is_none_or(|own| !std::ptr::eq(own, *cpu)));
            others.for_each(|cpu| self.free_cpu_cached_iovas(cpu));
            self.alloc_iova()
        })?;
        self.iotlb.map_page(pfn);
        Some(pfn)
    }

    fn iova_rcache_get(&self) -> Option<Pfn> {
        let _function = function("__iova_rcache_get");
        let mut cpu = self.cpus.this_cpu().spin_lock_irqsave();
        cpu.get(0, Pfn::MAX, || self.depot.spin_lock().get(0))
    }

    fn alloc_iova(&self) -> Option<Pfn> {
        let _function = function("alloc_iova");
        self.tree.spin_lock_irqsave().alloc(0, one()).ok()
    }

    /// Models `free_iova_fast` after the page is flushed. Locks: `cpu_rcache->lock`.
    pub fn free_iova_fast(&self, pfn: Pfn) {
        self.iotlb.unmap_page(pfn);
        self.iotlb.rpcit();
        let _function = function("__iova_rcache_insert");
        let mut cpu = self.cpus.this_cpu().spin_lock_irqsave();
        cpu.put(0, pfn, |_| ());
    }

    /// Models `free_cpu_cached_iovas`. Locks: `cpu_rcache->lock` -> `iova_rbtree_lock`.
    fn free_cpu_cached_iovas(&self, cpu: &SpinLock<CpuCache>) {
        let _function = function("free_cpu_cached_iovas");
        let mut cpu = cpu.spin_lock_irqsave();
        while let Some(pfn) = cpu.get(0, Pfn::MAX, || None) {
            self.free_iova(pfn);
        }
    }

    fn free_iova(&self, pfn: Pfn) {
        let freed = self.tree.spin_lock_irqsave().free(0, page(pfn));
        freed.expect("a cached page is allocated in the tree");
    }

    /// Schedules the worker, as a CPU does that has put a full magazine into the depot.
    pub fn schedule_depot_work(&self) {
        self.work.queue_work();
    }

    /// Models `iova_depot_work_func`, which returns a magazine to the tree. (Linux returns one that
    /// the depot has beyond one for each CPU.) Locks: `rcache->lock`; `iova_rbtree_lock`.
    fn iova_depot_work_func(&self) {
        let _function = function("iova_depot_work_func");
        self.memory.get();
        let magazine = self.depot.spin_lock_irqsave().get(0);
        magazine.into_iter().flatten().for_each(|pfn| self.free_iova(pfn));
    }

    /// Models `free_iova_rcaches`, which destroys the domain.
    pub fn free_iova_rcaches(&self) {
        let _function = function("free_iova_rcaches");
        if self.order != Order::FreesWithoutCancel {
            self.work.cancel_work_sync();
        }
        self.memory.release();
    }

    /// Checks at the end that every page that is not mapped can be allocated.
    ///
    /// # Violations
    ///
    /// I3: a page cannot be allocated.
    pub fn check_conservation(&self) {
        self.cpus.iter().for_each(|cpu| self.free_cpu_cached_iovas(cpu));
        let depot = std::iter::from_fn(|| self.depot.spin_lock_irqsave().get(0));
        depot.flatten().for_each(|pfn| self.free_iova(pfn));
        let left = self.pages - self.iotlb.mapped();
        check_conservation(&mut self.tree.spin_lock_irqsave(), left);
    }
}
