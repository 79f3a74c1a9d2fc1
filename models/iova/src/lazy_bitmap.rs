//! The bitmap of the s390 DMA code, with a second bit for parked pages.

use alloc::vec::Vec;

use crate::allocator::{Allocator, BadFlush};
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};
use crate::words;

/// A bitmap with one bit for each page that is mapped or parked, and one for each page that is
/// parked. Allocation advances through the aperture. When no free pages follow, one global flush
/// frees all parked pages and allocation starts again at the beginning.
///
/// It knows pages and not mappings. When several pages are freed, it checks whether each is mapped,
/// and not whether they were mapped together.
///
/// Source: `dma_alloc_address` and `dma_free_address` in `arch/s390/pci/pci_dma.c`, v4.7 to v6.6.
///
/// ```
/// use selvedge_iova::{LazyBitmap, Pages, Refused, Request};
/// let mut bitmap = LazyBitmap::new(Pages { pfn: 16, count: 2 });
/// let page = Request::pages(1)?;
/// assert_eq!(bitmap.alloc(page), Ok(16));
/// assert_eq!(bitmap.alloc(page), Ok(17));
/// bitmap.free(Pages { pfn: 16, count: 1 })?;
/// assert_eq!(bitmap.alloc(page), Err(Refused::Dry));
/// // Here the caller flushes.
/// bitmap.recycle();
/// assert_eq!(bitmap.alloc(page), Ok(16));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LazyBitmap {
    aperture: Pages,
    /// The pages that are mapped or parked.
    taken: Vec<u64>,
    parked: Vec<u64>,
    parked_count: u64,
    /// The start of the next search, in pages from the beginning of the aperture.
    next: u64,
}

impl LazyBitmap {
    /// Creates an aperture in which every page is free.
    ///
    /// # Panics
    ///
    /// If `aperture` is not a valid range of pages.
    pub fn new(aperture: Pages) -> Self {
        Self {
            aperture: aperture.checked(),
            taken: words::zeros(aperture.count),
            parked: words::zeros(aperture.count),
            parked_count: 0,
            next: 0,
        }
    }

    /// Allocates the first pages that satisfy the request, from the end of the last allocation on.
    ///
    /// # Errors
    ///
    /// [`Refused::Dry`] if there are none. The caller then flushes the whole aperture, calls
    /// [`recycle`](Self::recycle) and retries. [`Refused::Exhausted`] if that cannot help, because
    /// no page is parked and the search began at the start. (The kernel flushes before it fails
    /// even then.)
    pub fn alloc(&mut self, request: Request) -> Result<Pfn, Refused> {
        let Some(at) = self.search(request) else {
            let whole = self.next == 0 && self.parked_count == 0;
            return Err(if whole { Refused::Exhausted } else { Refused::Dry });
        };
        self.next = at + request.count();
        words::set(&mut self.taken, at, self.next);
        Ok(self.aperture.pfn + at)
    }

    fn search(&self, request: Request) -> Option<u64> {
        let start = self.aperture.pfn;
        let end = request.limit().saturating_sub(start).min(self.aperture.count);
        let mut from = self.next;
        loop {
            let zero = words::first_zero(&self.taken, from, end)?;
            let at = (start + zero).next_multiple_of(request.align()) - start;
            let to = at + request.count();
            if to > end {
                return None;
            }
            match words::first_one(&self.taken, at, to) {
                None => return Some(at),
                Some(one) => from = one + 1,
            }
        }
    }

    /// Parks pages, which are free after the next [`recycle`](Self::recycle).
    ///
    /// # Errors
    ///
    /// If not all of the pages are mapped.
    pub fn free(&mut self, pages: Pages) -> Result<(), NotFreed> {
        let (from, to) = self.mapped(pages)?;
        words::set(&mut self.parked, from, to);
        self.parked_count += pages.count;
        Ok(())
    }

    /// Frees pages at once, as in strict mode. This is correct if they have been flushed.
    ///
    /// # Errors
    ///
    /// If not all of the pages are mapped.
    pub fn free_now(&mut self, pages: Pages) -> Result<(), NotFreed> {
        let (from, to) = self.mapped(pages)?;
        words::clear(&mut self.taken, from, to);
        Ok(())
    }

    /// Returns the place of `pages` in the bitmap if they are mapped.
    fn mapped(&self, pages: Pages) -> Result<(u64, u64), NotFreed> {
        let (from, to) = pages.within(self.aperture).ok_or(NotFreed::NotAllocated)?;
        if !words::all_ones(&self.taken, from, to) {
            return Err(NotFreed::NotAllocated);
        }
        match words::all_zeros(&self.parked, from, to) {
            true => Ok((from, to)),
            false => Err(NotFreed::Parked),
        }
    }

    /// Frees all parked pages and restarts the search at the beginning. The caller has flushed the
    /// whole aperture after the last [`free`](Self::free), and to guarantee that it holds the lock
    /// all the time.
    pub fn recycle(&mut self) {
        for (taken, parked) in self.taken.iter_mut().zip(&mut self.parked) {
            *taken &= !*parked;
            *parked = 0;
        }
        self.parked_count = 0;
        self.next = 0;
    }

    /// Returns the number of parked pages.
    pub fn parked(&self) -> u64 {
        self.parked_count
    }
}

impl Allocator for LazyBitmap {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        self.alloc(request)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        self.free(pages)
    }

    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        self.recycle();
        Ok(())
    }

    fn parked(&self) -> u64 {
        self.parked_count
    }

    fn flushes_alone(&self) -> bool {
        true
    }
}
