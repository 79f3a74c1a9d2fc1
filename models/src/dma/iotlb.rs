//! What the device can reach.

use selvedge_core::sync;

use crate::iova::Pfn;

/// The translation tables and the cache of translations, with the hardware as unhelpful as it may
/// be: it caches what is mapped as soon as it is, again after each flush, and keeps what it has
/// cached until a flush takes it.
///
/// A flush is two instructions, because it takes time. What was unmapped when it began is gone from
/// the cache when it has ended; of what was unmapped later nothing is certain. Flushes of several
/// CPUs may overlap.
///
/// Pages have numbers below 64. The table that translates a page has the page's number.
#[derive(Debug)]
pub struct Iotlb {
    state: sync::Hardware<State>,
}

/// A flush that runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flush(usize);

/// A bit for each page.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    mapped: u64,
    /// Unmapped, and maybe still cached.
    stale: u64,
    /// Tables that are unhooked and not freed.
    unhooked: u64,
    /// What each flush that runs will have covered.
    flushes: Vec<Option<u64>>,
    /// Whether flushes fail.
    out_of_resources: bool,
}

fn bit(pfn: Pfn) -> u64 {
    assert!(pfn < 64, "a model has fewer than 64 pages");
    1 << pfn
}

impl Iotlb {
    /// A device that can reach these pages.
    pub fn new(mapped: impl IntoIterator<Item = Pfn>) -> Self {
        let mapped = mapped.into_iter().map(bit).fold(0, |mask, bit| mask | bit);
        Self { state: sync::Hardware::new("IOTLB", State { mapped, ..State::default() }) }
    }

    /// The page's translation becomes valid.
    ///
    /// # Violations
    ///
    /// I1: the device may still reach what was there before. I2: something is there.
    #[track_caller]
    pub fn map_page(&self, pfn: Pfn) {
        self.state.execute_checked("map", |state| {
            if state.mapped & bit(pfn) != 0 {
                return Some(("I2", format!("page {pfn} is handed out twice")));
            }
            if state.stale & bit(pfn) != 0 {
                let before = "before a flush that began after it was unmapped";
                return Some(("I1", format!("page {pfn} is handed out again {before}")));
            }
            state.mapped |= bit(pfn);
            None
        });
    }

    /// The page's translation becomes invalid.
    ///
    /// # Violations
    ///
    /// I2: it is invalid already.
    #[track_caller]
    pub fn unmap_page(&self, pfn: Pfn) {
        self.state.execute_checked("unmap", |state| {
            if state.mapped & bit(pfn) == 0 {
                return Some(("I2", format!("page {pfn} is unmapped twice")));
            }
            state.mapped &= !bit(pfn);
            state.stale |= bit(pfn);
            None
        });
    }

    /// The table of a page, which is unmapped, is unhooked: a walk that has begun may still read it.
    #[track_caller]
    pub fn unhook_table(&self, pfn: Pfn) {
        self.state.execute("unhook the table", |state| state.unhooked |= bit(pfn));
    }

    /// How many pages are mapped.
    #[track_caller]
    pub fn mapped(&self) -> u64 {
        self.state.execute("how many are mapped?", |state| u64::from(state.mapped.count_ones()))
    }

    /// RPCIT over everything begins.
    #[track_caller]
    pub fn rpcit_begins(&self) -> Flush {
        self.state.execute("RPCIT begins", |state| {
            let stale = Some(state.stale);
            match state.flushes.iter().position(Option::is_none) {
                Some(free) => {
                    state.flushes[free] = stale;
                    Flush(free)
                }
                None => {
                    state.flushes.push(stale);
                    Flush(state.flushes.len() - 1)
                }
            }
        })
    }

    /// It has ended: whether it succeeded.
    #[track_caller]
    pub fn rpcit_ends(&self, flush: Flush) -> bool {
        self.state.execute("RPCIT ends", |state| {
            let covered = state.flushes[flush.0].take().expect("it has begun");
            while state.flushes.last() == Some(&None) {
                state.flushes.pop();
            }
            if !state.out_of_resources {
                state.stale &= !covered;
            }
            !state.out_of_resources
        })
    }

    /// RPCIT over everything, from its beginning to its end: whether it succeeded.
    pub fn rpcit(&self) -> bool {
        let flush = self.rpcit_begins();
        self.rpcit_ends(flush)
    }

    /// From now on every flush fails: the hypervisor has run out of resources.
    #[track_caller]
    pub fn run_out_of_resources(&self) {
        self.state.execute("RPCIT fails from now on", |state| state.out_of_resources = true);
    }

    /// The device is detached: it reaches nothing any more.
    #[track_caller]
    pub fn detach(&self) {
        self.state.execute("the device is detached", |state| state.stale = 0);
    }

    /// The memory of the table that translated a page is given back.
    ///
    /// # Violations
    ///
    /// I-4: a table walk that began before it was unhooked may still read it. I8: it was given back
    /// already.
    #[track_caller]
    pub fn free_table(&self, pfn: Pfn) {
        self.state.execute_checked("free the table", |state| {
            if state.unhooked & bit(pfn) == 0 {
                return Some(("I8", format!("the table of page {pfn} is freed twice")));
            }
            if state.stale & bit(pfn) != 0 {
                return Some(("I-4", format!("the table of page {pfn} is freed before a flush")));
            }
            state.unhooked &= !bit(pfn);
            None
        });
    }

    /// At the end: nobody flushes, and every table that was unhooked is given back.
    ///
    /// # Violations
    ///
    /// I8: one is not.
    pub fn check_at_rest(&self) {
        self.state.execute_checked("check at rest", |state| match state.unhooked {
            0 => None,
            left => Some(("I8", format!("the table of page {} leaks", left.trailing_zeros()))),
        });
    }
}
