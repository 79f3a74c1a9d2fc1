//! The caches of Linux's allocator: stacks of free addresses, for each CPU, and a depot for all.
//!
//! What is cached is free without being given back to the tree. So whoever finds the tree exhausted
//! empties the caches of all CPUs into it and tries again; and a worker gives back what the depot
//! has too much of.
//!
//! Source: `drivers/iommu/iova.c`, v6.7.

use std::sync::{Arc, Weak};

use selvedge_core::function;
use selvedge_core::sync::{PerCpu, SpinLock, Tracked, Work};

use super::{FIRST, Iotlb, check_conservation, one, page};
use crate::iova::{Allocator, CachedTree, CpuCache, Depot, Pages, Pfn};

/// What is done in another order than in Linux, or not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Nothing.
    AsMerged,
    /// Whoever empties the caches of all CPUs holds the lock of its own.
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
    /// A domain of `pages` pages for two CPUs. The first `parked` are free, in a magazine of the
    /// depot each; the others are in the tree's hands.
    pub fn new(order: Order, pages: u64, parked: u64) -> Arc<Self> {
        let cache = |_| SpinLock::new("cpu_rcache->lock", CpuCache::default());
        let mut tree = CachedTree::new(Pages { pfn: FIRST, count: pages });
        let mut depot = Depot::default();
        for _ in 0..parked {
            depot.put(0, vec![tree.alloc(0, one()).expect("there are more")]);
        }
        let function = |domain: &Weak<Self>| {
            let domain = Weak::clone(domain);
            move |_: &Work| {
                let domain = domain.upgrade().expect("whoever frees the domain cancels the work");
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

    /// `alloc_iova_fast`, and the page is mapped. Locks: `cpu_rcache->lock` -> `rcache->lock`; then
    /// `iova_rbtree_lock`.
    pub fn alloc_iova_fast(&self) -> Option<Pfn> {
        let _function = function("alloc_iova_fast");
        let pfn = self.iova_rcache_get().or_else(|| self.alloc_iova()).or_else(|| {
            let own = (self.order == Order::EmptiesLocked).then(|| self.cpus.this_cpu());
            let _held = own.map(SpinLock::lock);
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
        let mut cpu = self.cpus.this_cpu().lock();
        cpu.get(0, Pfn::MAX, || self.depot.lock().get(0))
    }

    fn alloc_iova(&self) -> Option<Pfn> {
        let _function = function("alloc_iova");
        self.tree.lock().alloc(0, one()).ok()
    }

    /// `free_iova_fast`, once the page is flushed. Locks: `cpu_rcache->lock`.
    pub fn free_iova_fast(&self, pfn: Pfn) {
        self.iotlb.unmap_page(pfn);
        self.iotlb.rpcit();
        let _function = function("__iova_rcache_insert");
        let mut cpu = self.cpus.this_cpu().lock();
        cpu.put(0, pfn, |_| ());
    }

    /// `free_cpu_cached_iovas`. Locks: `cpu_rcache->lock` -> `iova_rbtree_lock`.
    fn free_cpu_cached_iovas(&self, cpu: &SpinLock<CpuCache>) {
        let _function = function("free_cpu_cached_iovas");
        let mut cpu = cpu.lock();
        while let Some(pfn) = cpu.get(0, Pfn::MAX, || None) {
            self.free_iova(pfn);
        }
    }

    fn free_iova(&self, pfn: Pfn) {
        let freed = self.tree.lock().free(0, page(pfn));
        freed.expect("what is cached is allocated");
    }

    /// A CPU has put a full magazine into the depot, and the worker is to see to it.
    pub fn schedule_depot_work(&self) {
        self.work.queue_work();
    }

    /// `iova_depot_work_func`: gives a magazine back to the tree. (In Linux one that the depot has
    /// beyond one for each CPU.) Locks: `rcache->lock`; `iova_rbtree_lock`.
    fn iova_depot_work_func(&self) {
        let _function = function("iova_depot_work_func");
        self.memory.get();
        let magazine = self.depot.lock().get(0);
        magazine.into_iter().flatten().for_each(|pfn| self.free_iova(pfn));
    }

    /// `free_iova_rcaches`: the domain goes.
    pub fn free_iova_rcaches(&self) {
        let _function = function("free_iova_rcaches");
        if self.order != Order::FreesWithoutCancel {
            self.work.cancel_work_sync();
        }
        self.memory.release();
    }

    /// At the end: what is not mapped can be had.
    ///
    /// # Violations
    ///
    /// I3: some of it cannot.
    pub fn check_conservation(&self) {
        self.cpus.iter().for_each(|cpu| self.free_cpu_cached_iovas(cpu));
        let depot = std::iter::from_fn(|| self.depot.lock().get(0));
        depot.flatten().for_each(|pfn| self.free_iova(pfn));
        let left = self.pages - self.iotlb.mapped();
        check_conservation(&mut self.tree.lock(), left);
    }
}
