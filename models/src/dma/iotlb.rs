//! The translations that the device can use.

use selvedge_core::sync;

use crate::iova::Pfn;

/// The translation tables and the cache of translations, as adverse as the hardware may be. It
/// caches a mapped page as soon as it is mapped and again after each flush, and it keeps a cached
/// translation until a flush removes it.
///
/// A flush takes time, so it is two instructions. Pages that were unmapped when it began are no
/// longer cached when it has ended. For pages that were unmapped later, nothing is certain. Flushes
/// of several CPUs may overlap.
///
/// Page numbers are below 64. The table that translates a page has the number of the page.
#[derive(Debug)]
pub struct Iotlb {
    state: sync::Hardware<State>,
    shadowed: bool,
}

/// A flush that is running.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flush(usize);

/// One bit for each page.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    mapped: u64,
    /// Pages that are unmapped and possibly still cached.
    stale: u64,
    /// Tables that are unhooked and not freed.
    unhooked: u64,
    /// The pages that each running flush will have covered.
    flushes: Vec<Option<u64>>,
    /// Whether flushes fail.
    out_of_resources: bool,
}

fn bit(pfn: Pfn) -> u64 {
    assert!(pfn < 64, "a page number must be below 64");
    1 << pfn
}

impl Iotlb {
    /// Creates a device that can access these pages.
    pub fn new(mapped: impl IntoIterator<Item = Pfn>) -> Self {
        let mapped = mapped.into_iter().map(bit).fold(0, |mask, bit| mask | bit);
        let state = sync::Hardware::new("IOTLB", State { mapped, ..State::default() });
        Self { state, shadowed: false }
    }

    /// Makes a hypervisor shadow the tables (`zdev->tlb_refresh`), so that every new mapping is
    /// refreshed before its address is used.
    #[must_use]
    pub fn shadowed(self) -> Self {
        Self { shadowed: true, ..self }
    }

    /// Makes the translation of a page valid, and returns whether the page can be used. It cannot
    /// if a hypervisor that shadows the tables has run out of resources.
    ///
    /// # Violations
    ///
    /// I1: the device may still use the old translation. I2: the page is mapped already.
    #[track_caller]
    pub fn map_page(&self, pfn: Pfn) -> bool {
        let shadowed = self.shadowed;
        self.state.execute_checked("map", |state| {
            if state.mapped & bit(pfn) != 0 {
                return Some(("I2", format!("page {pfn} is allocated twice")));
            }
            if state.stale & bit(pfn) != 0 && !shadowed {
                let before = "before a flush that began after it was unmapped";
                return Some(("I1", format!("page {pfn} is allocated again {before}")));
            }
            state.mapped |= bit(pfn);
            None
        });
        !shadowed || self.refresh(pfn)
    }

    /// Executes the RPCIT of a new mapping. The mapping is undone if it fails.
    fn refresh(&self, pfn: Pfn) -> bool {
        self.state.execute("RPCIT of the new mapping", |state| {
            let refreshed = !state.out_of_resources;
            if refreshed {
                state.stale &= !bit(pfn);
            } else {
                state.mapped &= !bit(pfn);
            }
            refreshed
        })
    }

    /// Makes the translation of a page invalid.
    ///
    /// # Violations
    ///
    /// I2: the translation is invalid already.
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

    /// Unhooks the table of an unmapped page. A walk that has begun may still read the table.
    #[track_caller]
    pub fn unhook_table(&self, pfn: Pfn) {
        self.state.execute("unhook the table", |state| state.unhooked |= bit(pfn));
    }

    /// Returns the number of mapped pages.
    #[track_caller]
    pub fn mapped(&self) -> u64 {
        self.state.execute("count the mapped pages", |state| u64::from(state.mapped.count_ones()))
    }

    /// Begins an RPCIT of all pages.
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

    /// Ends the RPCIT and returns whether it succeeded.
    #[track_caller]
    pub fn rpcit_ends(&self, flush: Flush) -> bool {
        self.state.execute("RPCIT ends", |state| {
            let covered = state.flushes[flush.0].take().expect("the flush has begun");
            while state.flushes.last() == Some(&None) {
                state.flushes.pop();
            }
            if !state.out_of_resources {
                state.stale &= !covered;
            }
            !state.out_of_resources
        })
    }

    /// Executes an RPCIT of all pages and returns whether it succeeded.
    pub fn rpcit(&self) -> bool {
        let flush = self.rpcit_begins();
        self.rpcit_ends(flush)
    }

    /// Makes every later flush fail, since the hypervisor has run out of resources.
    #[track_caller]
    pub fn run_out_of_resources(&self) {
        self.state.execute("RPCIT fails from now on", |state| state.out_of_resources = true);
    }

    /// Detaches the device, which can no longer access any page.
    #[track_caller]
    pub fn detach(&self) {
        self.state.execute("the device is detached", |state| state.stale = 0);
    }

    /// Frees the memory of the table that translated a page.
    ///
    /// # Violations
    ///
    /// I-4: a table walk that began before the table was unhooked may still read it. I8: the table
    /// was freed already.
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

    /// Checks at the end that no flush is running and that every unhooked table is freed.
    ///
    /// # Violations
    ///
    /// I8: a table is not freed.
    pub fn check_at_rest(&self) {
        self.state.execute_checked("check at rest", |state| match state.unhooked {
            0 => None,
            left => Some(("I8", format!("the table of page {} leaks", left.trailing_zeros()))),
        });
    }
}
