//! The memory ordering that the flush queue needs, in the fewest accesses that show it.
//!
//! The other models treat memory as sequentially consistent. Linux does not. It has a full barrier
//! in `queue_iova`, a write barrier in `iommu_dma_init_fq`, and counters whose increments order
//! nothing. Each litmus test here has the ordering of Linux, or one that would suffice in its
//! place, and a variant without it.
//!
//! Source: `drivers/iommu/dma-iommu.c`, v6.7.

use std::sync::atomic::Ordering;

use selvedge_core::invariant_broken;
use selvedge_core::sync::{Atomic, Ghost, WeakAtomic, smp_mb};

/// Whether the accesses are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Barriers, acquire and release are used where they are needed.
    Ordered,
    /// Every access is relaxed, and an exchange is a load and a store.
    Relaxed,
}

impl Order {
    fn acquire(self) -> Ordering {
        if self == Self::Ordered { Ordering::Acquire } else { Ordering::Relaxed }
    }

    fn release(self) -> Ordering {
        if self == Self::Ordered { Ordering::Release } else { Ordering::Relaxed }
    }

    fn smp_mb(self) {
        if self == Self::Ordered {
            smp_mb();
        }
    }
}

/// A world with one page, one entry and one flush.
#[derive(Debug)]
pub struct Litmus {
    order: Order,
    /// Whether the translation of the page is valid.
    pte: WeakAtomic,
    /// Whether the hardware has a translation of the page in its cache.
    cached: WeakAtomic,
    /// `fq_flush_start_cnt`.
    start_cnt: WeakAtomic,
    /// `fq_flush_finish_cnt`.
    finish_cnt: WeakAtomic,
    /// `fq_timer_on`.
    timer_on: WeakAtomic,
    /// `fq_timer_on` where its ordering does not matter.
    timer_armed: Atomic,
    /// `cookie->fq_domain`.
    fq_domain: WeakAtomic,
    /// Whether the rings are initialised.
    rings: WeakAtomic,
    saw: Ghost<Saw>,
}

/// The ghost state of the proof.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Saw {
    /// The entry recorded that the flush had not begun.
    entry_before_flush: bool,
    /// The flush found the translation valid.
    flush_found_valid: bool,
    /// How often the timer was armed.
    armed: u8,
}

impl Litmus {
    /// Creates a world in which the page is mapped and cached. The timer is armed if `timer_on` is
    /// set.
    pub fn new(order: Order, timer_on: bool) -> Self {
        Self {
            order,
            pte: WeakAtomic::new("PTE", 1),
            cached: WeakAtomic::new("IOTLB entry", 1),
            start_cnt: WeakAtomic::new("fq_flush_start_cnt", 0),
            finish_cnt: WeakAtomic::new("fq_flush_finish_cnt", 0),
            timer_on: WeakAtomic::new("fq_timer_on", u64::from(timer_on)),
            timer_armed: Atomic::new("fq_timer_on", u64::from(timer_on)),
            fq_domain: WeakAtomic::new("fq_domain", 0),
            rings: WeakAtomic::new("fq", 0),
            saw: Ghost::new("saw", Saw::default()),
        }
    }

    /// Unmaps the page, and records the number of begun flushes as `queue_iova` does.
    pub fn unmap_and_count(&self) {
        self.pte.store(0, Ordering::Relaxed);
        self.order.smp_mb();
        let counter = self.start_cnt.load(Ordering::Relaxed);
        self.saw.update(|saw| saw.entry_before_flush = counter == 0);
    }

    /// Counts a flush as begun and reads the tables. RPCIT is a full barrier.
    pub fn count_and_flush(&self) {
        self.start_cnt.fetch_add(1, Ordering::Relaxed);
        self.order.smp_mb();
        let valid = self.pte.load(Ordering::Relaxed) != 0;
        self.saw.update(|saw| saw.flush_found_valid = valid);
    }

    /// Checks the result of [`unmap_and_count`](Self::unmap_and_count) and
    /// [`count_and_flush`](Self::count_and_flush).
    ///
    /// # Violations
    ///
    /// I1: the entry relies on a flush that has not removed its translation from the cache.
    pub fn check_covered(&self) {
        self.saw.check("I1", |saw| match saw.entry_before_flush && saw.flush_found_valid {
            true => Err("the flush began after the page was unmapped, and found it mapped".into()),
            false => Ok(()),
        });
    }

    /// Removes the translation from the cache and counts the flush as ended.
    pub fn flush_and_count(&self) {
        self.cached.store(0, Ordering::Relaxed);
        self.finish_cnt.fetch_add(1, self.order.release());
    }

    /// Models `fq_ring_free_locked`, which frees the page if the flush has ended.
    ///
    /// # Violations
    ///
    /// I1: the page is free while its old translation is in the cache.
    pub fn release(&self) {
        let finished = self.finish_cnt.load(self.order.acquire());
        let cached = self.cached.load(Ordering::Relaxed);
        if finished > 0 && cached != 0 {
            invariant_broken("I1", "the flush has ended, and the translation is in the cache");
        }
    }

    /// Models `iommu_dma_init_fq`, which initialises the rings and then publishes them.
    pub fn iommu_dma_init_fq(&self) {
        self.rings.store(1, Ordering::Relaxed);
        self.fq_domain.store(1, self.order.release());
    }

    /// Models `queue_iova` if there is a queue.
    ///
    /// # Violations
    ///
    /// NULL: the queue is published and its rings are not initialised.
    pub fn use_fq(&self) {
        if self.fq_domain.load(self.order.acquire()) == 0 {
            return;
        }
        if self.rings.load(Ordering::Relaxed) == 0 {
            invariant_broken("NULL", "the ring is used before it is initialised");
        }
    }

    /// Models `queue_iova` from the counter of its entry to the timer.
    ///
    /// # Violations
    ///
    /// I7: the entry needs a later flush than that of the timer, and the timer is not armed for
    /// one.
    pub fn count_and_arm(&self) {
        let counter = self.start_cnt.load(Ordering::Relaxed);
        self.order.smp_mb();
        let armed = self.timer_on.load(Ordering::Relaxed) != 0;
        if counter > 0 && armed {
            invariant_broken("I7", "the entry remains in its ring, and the timer is not armed");
        }
    }

    /// Models `fq_flush_timeout` up to the point where its flush counts as begun.
    pub fn timeout(&self) {
        self.timer_on.store(0, Ordering::Relaxed);
        self.order.smp_mb();
        self.start_cnt.fetch_add(1, Ordering::Relaxed);
    }

    /// Models the end of `queue_iova`, which arms the timer if it is not armed. No barrier makes a
    /// load and a store equivalent to the exchange, so the word is sequentially consistent here.
    ///
    /// # Violations
    ///
    /// L5: the timer is armed twice.
    pub fn arm(&self) {
        if self.timer_armed.load() != 0 {
            return;
        }
        let was_on = match self.order {
            Order::Ordered => self.timer_armed.swap(1) != 0,
            Order::Relaxed => {
                self.timer_armed.store(1);
                false
            }
        };
        if was_on {
            return;
        }
        self.saw.update(|saw| saw.armed += 1);
        self.saw.check("L5", |saw| match saw.armed {
            0 | 1 => Ok(()),
            _ => Err("the timer is armed twice".into()),
        });
    }
}
