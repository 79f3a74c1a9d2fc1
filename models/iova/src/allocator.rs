//! The interface of every allocator.

use core::fmt;

use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// An allocator of pages in the address space of a device.
///
/// Some allocators park freed pages and reuse them only after a flush. The others are given pages
/// that have been flushed already, and a flush has no effect on them.
pub trait Allocator {
    /// Allocates pages. `cpu` is the number of the calling CPU, for allocators that keep state for
    /// each CPU.
    ///
    /// # Errors
    ///
    /// If no pages fit, or none do before a flush.
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused>;

    /// Frees or parks the pages of one request.
    ///
    /// # Errors
    ///
    /// If the pages are not allocated. [`NotFreed::Full`] if they cannot be parked before a flush.
    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed>;

    /// Begins a flush. The pages that are parked now will be free when it has ended.
    ///
    /// # Errors
    ///
    /// If a flush is running and the allocator supports only one.
    fn begin_flush(&mut self) -> Result<(), BadFlush> {
        Ok(())
    }

    /// Ends a flush.
    ///
    /// # Errors
    ///
    /// If no flush is running, for allocators that track this.
    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        Ok(())
    }

    /// Returns the number of parked pages.
    fn parked(&self) -> u64 {
        0
    }

    /// Returns the number of nodes that all searches for free pages have visited so far, or 0 if it
    /// does not count them. It is a cost that no computer changes.
    fn visited(&self) -> u64 {
        0
    }

    /// Returns whether no page may be freed between the beginning and the end of a flush, because
    /// the caller has to hold the lock during it.
    fn flushes_alone(&self) -> bool {
        false
    }
}

/// The error for a flush that begins or ends out of turn. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadFlush {
    /// A flush is already running.
    Running,
    /// No flush is running.
    NotRunning,
}

impl fmt::Display for BadFlush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "a flush is already running",
            Self::NotRunning => "no flush is running",
        })
    }
}

impl core::error::Error for BadFlush {}
