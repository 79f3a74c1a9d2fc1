//! The mappings that the hardware may still use, tracked independently of the schemes.

use std::collections::VecDeque;

use selvedge_iova::Pages;

/// The mappings in the order in which they were unmapped. A flush removes those that were unmapped
/// before it began.
pub(super) struct Stale {
    /// The times at which mappings were unmapped that no flush has covered. The first has the
    /// number `covered`.
    unmapped: VecDeque<u64>,
    /// The number of covered mappings.
    covered: u64,
    /// For each page, the number of mappings that had been unmapped when its own was, including its
    /// own.
    pages: Vec<u64>,
    /// The longest time from an unmapping to the end of the flush that covered it.
    window: u64,
}

impl Stale {
    pub(super) fn new(pages: u64) -> Self {
        let pages = vec![0; usize::try_from(pages).expect("the allocator has allocated as many")];
        Self { unmapped: VecDeque::new(), covered: 0, pages, window: 0 }
    }

    pub(super) fn unmap(&mut self, pages: Pages, now: u64) {
        self.unmapped.push_back(now);
        let number = self.count();
        self.slice(pages).fill(number);
    }

    /// Returns the number of unmapped mappings, which a flush that begins now covers.
    pub(super) fn count(&self) -> u64 {
        self.covered + self.unmapped.len() as u64
    }

    /// Records the end of a flush that covers `count` mappings.
    pub(super) fn flushed(&mut self, count: u64, now: u64) {
        if count > self.covered {
            self.window = self.window_until(now);
            self.unmapped.drain(..(count - self.covered) as usize);
            self.covered = count;
        }
    }

    /// Records that the old mapping of these pages can no longer be used. Refreshes end in the
    /// order in which mappings were unmapped.
    pub(super) fn refreshed(&mut self, pages: Pages, now: u64) {
        let number = self.slice(pages)[0];
        assert_eq!(number, self.covered + 1, "refreshes overtake each other");
        self.flushed(number, now);
    }

    /// Returns the longest time so far for which an unmapped address could be used.
    pub(super) fn window_until(&self, now: u64) -> u64 {
        self.unmapped.front().map_or(self.window, |oldest| self.window.max(now - oldest))
    }

    /// Records that these pages are reused.
    ///
    /// # Panics
    ///
    /// If the hardware could still use the old mapping of these pages.
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
        assert_eq!(stale.window_until(60), 40, "no flush has covered the second");
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
