//! The reference: the state of each page.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::APERTURE;
use crate::request::{Pages, Pfn, Request};

/// The state of a page. The number of a call tells where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Page {
    Free,
    /// Allocated by this call.
    Out(usize),
    /// Freed by this call, when this number of flushes had begun.
    Parked(usize, usize),
}

pub(super) struct Reference {
    pages: Vec<Page>,
    /// The allocated mappings.
    pub(super) out: Vec<Pages>,
    flushes_begun: usize,
    /// The numbers of the running flushes.
    running: Vec<usize>,
}

impl Reference {
    pub(super) fn new() -> Self {
        let pages = vec![Page::Free; APERTURE.count as usize];
        Self { pages, out: vec![], flushes_begun: 0, running: vec![] }
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    fn slice(&mut self, pages: Pages) -> Option<&mut [Page]> {
        let from = pages.pfn.checked_sub(APERTURE.pfn)? as usize;
        let to = from.checked_add(pages.count as usize)?;
        self.pages.get_mut(from..to).filter(|slice| !slice.is_empty())
    }

    /// Allocates pages.
    ///
    /// # Errors
    ///
    /// If they are not free.
    pub(super) fn alloc(&mut self, call: usize, pages: Pages) -> Result<(), String> {
        let Some(slice) = self.slice(pages) else {
            let (from, to) = (APERTURE.pfn, APERTURE.pfn + APERTURE.count);
            let Pages { pfn, count } = pages;
            let (what, is) = if count == 1 { ("page", "is") } else { ("pages", "are") };
            return Err(format!("{count} {what} at page {pfn} {is} not within {from}..{to}"));
        };
        for (pfn, page) in (pages.pfn..).zip(&*slice) {
            match page {
                Page::Free => {}
                Page::Out(by) => return Err(format!("page {pfn} is allocated, by call {by}")),
                Page::Parked(by, _) => {
                    return Err(format!(
                        "page {pfn} is parked by call {by}, and no flush has begun and ended since"
                    ));
                }
            }
        }
        slice.fill(Page::Out(call));
        self.out.push(pages);
        Ok(())
    }

    /// Returns the lowest page at which a request fits. If `flushed` is set, parked pages count as
    /// free.
    pub(super) fn fits(&self, request: Request, flushed: bool) -> Option<Pfn> {
        let last = request.limit().min(APERTURE.pfn + APERTURE.count);
        (APERTURE.pfn..=last.saturating_sub(request.count())).find(|pfn| {
            let from = (pfn - APERTURE.pfn) as usize;
            let slice = self.pages.get(from..from + request.count() as usize);
            pfn % request.align() == 0
                && slice.is_some_and(|slice| {
                    slice.iter().all(|page| match page {
                        Page::Free => true,
                        Page::Out(_) => false,
                        Page::Parked(..) => flushed,
                    })
                })
        })
    }

    /// Frees or parks a mapping.
    pub(super) fn free(&mut self, call: usize, at: usize, parks: bool) {
        let pages = self.out.swap_remove(at);
        let to = if parks { Page::Parked(call, self.flushes_begun) } else { Page::Free };
        self.slice(pages).expect("the pages were allocated").fill(to);
    }

    pub(super) fn begin_flush(&mut self) {
        self.flushes_begun += 1;
        self.running.push(self.flushes_begun);
    }

    /// Ends a flush. It began after a page was parked if its number exceeds that of the page.
    pub(super) fn finish_flush(&mut self, at: usize) {
        let flush = self.running.swap_remove(at);
        for page in &mut self.pages {
            if matches!(page, Page::Parked(_, begun) if *begun < flush) {
                *page = Page::Free;
            }
        }
    }

    /// Returns whether all of these pages are allocated.
    pub(super) fn all_out(&mut self, pages: Pages) -> bool {
        self.slice(pages).is_some_and(|slice| slice.iter().all(|page| matches!(page, Page::Out(_))))
    }

    pub(super) fn parked(&self) -> u64 {
        self.pages.iter().filter(|page| matches!(page, Page::Parked(..))).count() as u64
    }
}
