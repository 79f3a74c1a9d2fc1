//! The machine's own account of what it may still reach, apart from what any scheme believes.

use std::collections::VecDeque;

use selvedge_models::iova::Pages;

/// Mappings in the order in which they were unmapped. A flush makes the machine forget those that
/// were unmapped before it began.
pub(super) struct Stale {
    /// When each was unmapped that no flush has covered; the first has the number `covered`.
    unmapped: VecDeque<u64>,
    /// How many have been covered.
    covered: u64,
    /// For each page, how many had been unmapped when its own mapping was, that one included.
    pages: Vec<u64>,
    /// The longest time from an unmapping to the end of the flush that covered it.
    window: u64,
}

impl Stale {
    pub(super) fn new(pages: u64) -> Self {
        let pages = vec![0; usize::try_from(pages).expect("the allocator has found room too")];
        Self { unmapped: VecDeque::new(), covered: 0, pages, window: 0 }
    }

    pub(super) fn unmap(&mut self, pages: Pages, now: u64) {
        self.unmapped.push_back(now);
        let number = self.count();
        self.slice(pages).fill(number);
    }

    /// How many have been unmapped. A flush that begins now covers them.
    pub(super) fn count(&self) -> u64 {
        self.covered + self.unmapped.len() as u64
    }

    /// A flush has ended that covers so many.
    pub(super) fn flushed(&mut self, count: u64, now: u64) {
        if count > self.covered {
            self.window = self.window_until(now);
            self.unmapped.drain(..(count - self.covered) as usize);
            self.covered = count;
        }
    }

    /// What these pages were mapped to cannot be reached any more: refreshes end in the order in
    /// which mappings were unmapped.
    pub(super) fn refreshed(&mut self, pages: Pages, now: u64) {
        let number = self.slice(pages)[0];
        assert_eq!(number, self.covered + 1, "refreshes overtake each other");
        self.flushed(number, now);
    }

    /// The longest time so far that an address was unmapped and could be reached.
    pub(super) fn window_until(&self, now: u64) -> u64 {
        self.unmapped.front().map_or(self.window, |oldest| self.window.max(now - oldest))
    }

    /// # Panics
    ///
    /// If the machine could still reach what these pages were mapped to before.
    pub(super) fn reuse(&mut self, pages: Pages) {
        let covered = self.covered;
        let safe = self.slice(pages).iter().all(|number| *number <= covered);
        assert!(safe, "{pages:?} are reused before a flush has covered them");
    }

    fn slice(&mut self, pages: Pages) -> &mut [u64] {
        &mut self.pages[pages.pfn as usize..][..pages.count as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Pages = Pages { pfn: 1, count: 1 };

    #[test]
    fn a_flush_covers_what_was_unmapped_before_it_began() {
        let mut stale = Stale::new(4);
        stale.reuse(PAGE);
        stale.unmap(PAGE, 10);
        let covers = stale.count();
        stale.unmap(Pages { pfn: 2, count: 2 }, 20);
        stale.flushed(covers, 35);
        stale.reuse(PAGE);
        assert_eq!(stale.window_until(35), 25);
        assert_eq!(stale.window_until(60), 40, "the second is still to be covered");
    }

    #[test]
    #[should_panic = "are reused before a flush has covered them"]
    fn what_is_reused_too_early_is_noticed() {
        let mut stale = Stale::new(4);
        let covers = stale.count();
        stale.unmap(PAGE, 10);
        stale.flushed(covers, 20);
        stale.reuse(PAGE);
    }
}
