//! Flush on exhaustion over a bitmap: the parked pages are merged into the free pages.

use alloc::vec::Vec;
use core::mem;

use crate::allocator::{Allocator, BadFlush};
use crate::blocks::Blocks;
use crate::extents::Extents;
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};
use crate::words;

/// The idea of [`Swap`](crate::Swap) for pages of all sizes. It has the bitmap of free pages behind
/// [`Radix`](crate::Radix), a bitmap of parked pages, and a bitmap of the pages that were parked
/// before the running flush. Neighbours that are freed separately are one block again after a
/// flush, whatever their sizes were.
///
/// The end of a flush costs a word for each 64 pages of the aperture. This is the longest possible
/// call.
#[derive(Clone, Debug)]
pub struct SwapBitmap {
    free: Blocks,
    parked: Bits,
    flushing: Bits,
    running: bool,
    out: Extents,
}

#[derive(Clone, Debug)]
struct Bits {
    words: Vec<u64>,
    pages: u64,
}

impl SwapBitmap {
    /// Creates an aperture in which every page is free.
    ///
    /// # Panics
    ///
    /// If `aperture` is not a valid range of pages.
    pub fn new(aperture: Pages) -> Self {
        let free = Blocks::new(aperture.checked());
        let none = Bits { words: alloc::vec![0; free.words()], pages: 0 };
        Self {
            free,
            parked: none.clone(),
            flushing: none,
            running: false,
            out: Extents::new(aperture),
        }
    }
}

impl Allocator for SwapBitmap {
    fn alloc(&mut self, _: usize, request: Request) -> Result<Pfn, Refused> {
        let pfn = self.free.take(request).ok_or(match (self.running, self.parked.pages) {
            (true, _) => Refused::Flushing,
            (false, 0) => Refused::Exhausted,
            (false, _) => Refused::Dry,
        })?;
        self.out.insert(Pages { pfn, count: request.count() });
        Ok(pfn)
    }

    fn free(&mut self, _: usize, pages: Pages) -> Result<(), NotFreed> {
        self.out.remove(pages)?;
        let (from, to) = self.free.bits(pages);
        words::set(&mut self.parked.words, from, to);
        self.parked.pages += pages.count;
        Ok(())
    }

    fn begin_flush(&mut self) -> Result<(), BadFlush> {
        if self.running {
            return Err(BadFlush::Running);
        }
        self.running = true;
        mem::swap(&mut self.parked, &mut self.flushing);
        Ok(())
    }

    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        if !self.running {
            return Err(BadFlush::NotRunning);
        }
        self.running = false;
        self.free.put_words(&mut self.flushing.words);
        self.flushing.pages = 0;
        Ok(())
    }

    fn parked(&self) -> u64 {
        self.parked.pages + self.flushing.pages
    }
}
