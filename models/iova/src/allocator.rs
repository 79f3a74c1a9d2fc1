//! What every allocator can be asked.

use core::fmt;

use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// Hands out pages of a device's address space and takes them back.
///
/// Some park what they get and hand it out again only after a flush; all others take back what has
/// been flushed, and for them a flush means nothing.
pub trait Allocator {
    /// Pages that nobody has. `cpu` is the number of the CPU that asks, for those who keep
    /// something for each.
    ///
    /// # Errors
    ///
    /// There are none, or none before a flush.
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused>;

    /// Gives back, or parks, the pages of one request.
    ///
    /// # Errors
    ///
    /// They are not allocated. [`NotFreed::Full`] if they cannot be parked before a flush.
    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed>;

    /// A flush begins. What is parked now will be free when it has ended.
    ///
    /// # Errors
    ///
    /// One runs already, and only one can.
    fn begin_flush(&mut self) -> Result<(), BadFlush> {
        Ok(())
    }

    /// A flush has ended.
    ///
    /// # Errors
    ///
    /// None runs, for those that know.
    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        Ok(())
    }

    /// How many pages are parked.
    fn parked(&self) -> u64 {
        0
    }

    /// Whether nothing may be freed between the beginning of a flush and its end: the lock is held
    /// over it.
    fn flushes_alone(&self) -> bool {
        false
    }
}

/// A flush that begins or ends out of turn. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadFlush {
    /// One runs already.
    Running,
    /// None runs.
    NotRunning,
}

impl fmt::Display for BadFlush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "a flush runs already",
            Self::NotRunning => "no flush runs",
        })
    }
}

impl core::error::Error for BadFlush {}
