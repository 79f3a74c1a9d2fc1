//! What the flush queue asks of the memory, in as few accesses as show it.
//!
//! The rest of these models takes memory for sequentially consistent. Linux does not: it has a full
//! barrier in `queue_iova`, a write barrier in `iommu_dma_init_fq`, and counters whose increments
//! order nothing. Each shape here has what Linux has, or what would be enough in its place, and one
//! in which it is missing.
//!
//! Source: `drivers/iommu/dma-iommu.c`, v6.7.

use std::sync::atomic::Ordering;

use selvedge_core::invariant_broken;
use selvedge_core::sync::{Atomic, Ghost, WeakAtomic, smp_mb};

/// Whether an order is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Barriers, acquire and release where they are needed.
    Ordered,
    /// None: every access is relaxed, and an exchange is a load and a store.
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

/// One page, one entry, one flush.
#[derive(Debug)]
pub struct Litmus {
    order: Order,
    /// Whether the page's translation is valid.
    pte: WeakAtomic,
    /// Whether the hardware has a translation of the page in its cache.
    cached: WeakAtomic,
    /// `fq_flush_start_cnt`.
    start_cnt: WeakAtomic,
    /// `fq_flush_finish_cnt`.
    finish_cnt: WeakAtomic,
    /// `fq_timer_on`.
    timer_on: WeakAtomic,
    /// The same, where its order is not at issue.
    timer_armed: Atomic,
    /// `cookie->fq_domain`.
    fq_domain: WeakAtomic,
    /// Whether the rings are initialised.
    rings: WeakAtomic,
    saw: Ghost<Saw>,
}

/// What the proof knows.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Saw {
    /// The entry notes that the flush had not begun.
    entry_before_flush: bool,
    /// The flush found the translation valid.
    flush_found_valid: bool,
    /// How often the timer was armed.
    armed: u8,
}

impl Litmus {
    /// A page that is mapped and cached; the timer is armed if `timer_on`.
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

    /// The page is unmapped, and `queue_iova` notes how many flushes have begun.
    pub fn unmap_and_count(&self) {
        self.pte.store(0, Ordering::Relaxed);
        self.order.smp_mb();
        let counter = self.start_cnt.load(Ordering::Relaxed);
        self.saw.update(|saw| saw.entry_before_flush = counter == 0);
    }

    /// A flush counts as begun, and looks at the tables. RPCIT is a full barrier.
    pub fn count_and_flush(&self) {
        self.start_cnt.fetch_add(1, Ordering::Relaxed);
        self.order.smp_mb();
        let valid = self.pte.load(Ordering::Relaxed) != 0;
        self.saw.update(|saw| saw.flush_found_valid = valid);
    }

    /// At the end of these two.
    ///
    /// # Violations
    ///
    /// I1: the entry trusts a flush that has left its translation in the cache.
    pub fn check_covered(&self) {
        self.saw.check("I1", |saw| match saw.entry_before_flush && saw.flush_found_valid {
            true => Err("the flush began after the page was unmapped, and found it mapped".into()),
            false => Ok(()),
        });
    }

    /// A flush takes the translation out of the cache, and counts as ended.
    pub fn flush_and_count(&self) {
        self.cached.store(0, Ordering::Relaxed);
        self.finish_cnt.fetch_add(1, self.order.release());
    }

    /// `fq_ring_free_locked`: if the flush has ended, the page is free.
    ///
    /// # Violations
    ///
    /// I1: it is, and whoever gets it can meet its old translation.
    pub fn release(&self) {
        let finished = self.finish_cnt.load(self.order.acquire());
        let cached = self.cached.load(Ordering::Relaxed);
        if finished > 0 && cached != 0 {
            invariant_broken("I1", "the flush has ended, and the translation is in the cache");
        }
    }

    /// `iommu_dma_init_fq`: the rings are made, then announced.
    pub fn iommu_dma_init_fq(&self) {
        self.rings.store(1, Ordering::Relaxed);
        self.fq_domain.store(1, self.order.release());
    }

    /// `queue_iova`, if there is a queue.
    ///
    /// # Violations
    ///
    /// NULL: there is, and its rings are not.
    pub fn use_fq(&self) {
        if self.fq_domain.load(self.order.acquire()) == 0 {
            return;
        }
        if self.rings.load(Ordering::Relaxed) == 0 {
            invariant_broken("NULL", "the ring is used before it is there");
        }
    }

    /// `queue_iova`, from the counter of its entry to the timer.
    ///
    /// # Violations
    ///
    /// I7: the entry waits for a later flush than the timer's, and the timer is not armed for one.
    pub fn count_and_arm(&self) {
        let counter = self.start_cnt.load(Ordering::Relaxed);
        self.order.smp_mb();
        let armed = self.timer_on.load(Ordering::Relaxed) != 0;
        if counter > 0 && armed {
            invariant_broken("I7", "the entry is left in its ring, and the timer is not armed");
        }
    }

    /// `fq_flush_timeout`, up to where its flush counts as begun.
    pub fn timeout(&self) {
        self.timer_on.store(0, Ordering::Relaxed);
        self.order.smp_mb();
        self.start_cnt.fetch_add(1, Ordering::Relaxed);
    }

    /// The end of `queue_iova`: arms the timer if nobody has. Here no order helps, if a look and a
    /// store stand in for the exchange, so the word has all of it.
    ///
    /// # Violations
    ///
    /// L5: somebody has.
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
