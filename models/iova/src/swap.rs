//! Flush on exhaustion, in which the parked list becomes the free list.

use alloc::vec::Vec;
use core::mem;

use crate::allocator::BadFlush;
use crate::request::Refused;

/// Items of one size, free or parked. When no item is free, one flush frees all items that were
/// parked before it began. No bit is read, since a whole list is moved.
///
/// Items that are parked during the flush wait for the next one. A caller that frees an item
/// therefore never waits for a flush, and the caller that flushes need not hold a lock during it.
///
/// It does not record which items are allocated. That is the responsibility of the caller.
///
/// The idea is from Niklas Schnelle, "Re: \[PATCH v4 1/2\] iommu/s390: Fix race with release_device
/// ops", 1 September 2022. Linux records what is allocated and not what is free, and has no such
/// scheme.
///
/// ```
/// use selvedge_iova::{Refused, Swap};
/// let mut swap = Swap::new(vec![1]);
/// assert_eq!(swap.alloc(), Ok(1));
/// swap.free(1);
/// assert_eq!(swap.alloc(), Err(Refused::Dry));
/// swap.begin_flush()?;
/// assert_eq!(swap.alloc(), Err(Refused::Flushing));
/// swap.finish_flush()?;
/// assert_eq!(swap.alloc(), Ok(1));
/// assert_eq!(swap.alloc(), Err(Refused::Exhausted));
/// # Ok::<_, selvedge_iova::BadFlush>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Swap<T> {
    free: Vec<T>,
    parked: Vec<T>,
    /// The items that were parked before the running flush, if there is one.
    flushing: Option<Vec<T>>,
}

impl<T> Swap<T> {
    /// Creates a list of free items, the last of which is allocated first.
    pub fn new(free: Vec<T>) -> Self {
        Self { free, parked: Vec::new(), flushing: None }
    }

    /// Allocates the item that was freed last.
    ///
    /// # Errors
    ///
    /// [`Refused::Dry`] if the caller has to flush, between [`begin_flush`](Self::begin_flush) and
    /// [`finish_flush`](Self::finish_flush), and retry. [`Refused::Flushing`] if another caller is
    /// flushing. [`Refused::Exhausted`] if no item is parked.
    pub fn alloc(&mut self) -> Result<T, Refused> {
        self.alloc_if(|_| true)
    }

    /// Allocates the last freed item that `suits` accepts. The search is linear in the items it
    /// rejects.
    ///
    /// # Errors
    ///
    /// Those of [`alloc`](Self::alloc).
    pub fn alloc_if(&mut self, suits: impl Fn(&T) -> bool) -> Result<T, Refused> {
        match self.free.iter().rposition(suits) {
            Some(at) => Ok(self.free.swap_remove(at)),
            None => Err(match (&self.flushing, self.parked.is_empty()) {
                (Some(flushing), _) if !flushing.is_empty() => Refused::Flushing,
                (_, true) => Refused::Exhausted,
                (Some(_), false) => Refused::Flushing,
                (None, false) => Refused::Dry,
            }),
        }
    }

    /// Adds an item that is free already.
    pub(crate) fn put(&mut self, one: T) {
        self.free.push(one);
    }

    /// Parks an item.
    pub fn free(&mut self, one: T) {
        self.parked.push(one);
    }

    /// Begins a flush, which will cover the items that are parked now.
    ///
    /// # Errors
    ///
    /// If a flush is already running.
    pub fn begin_flush(&mut self) -> Result<(), BadFlush> {
        match self.flushing {
            Some(_) => Err(BadFlush::Running),
            None => {
                self.flushing = Some(mem::take(&mut self.parked));
                Ok(())
            }
        }
    }

    /// Ends the flush, which frees the items that were parked when it began.
    ///
    /// # Errors
    ///
    /// If no flush is running.
    pub fn finish_flush(&mut self) -> Result<(), BadFlush> {
        let mut flushed = self.flushing.take().ok_or(BadFlush::NotRunning)?;
        if self.free.is_empty() {
            self.free = flushed;
        } else {
            self.free.append(&mut flushed);
        }
        Ok(())
    }

    /// Returns the number of parked items.
    pub fn parked(&self) -> usize {
        self.parked.len() + self.flushing.as_ref().map_or(0, Vec::len)
    }
}
