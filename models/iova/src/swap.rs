//! Flush on exhaustion: what is parked becomes what is free.

use alloc::vec::Vec;
use core::mem;

use crate::allocator::BadFlush;
use crate::request::Refused;

/// Things of one size, free or parked. When nothing is free any more, one flush makes everything
/// free that was parked before it began: no bit is looked at, a list changes hands.
///
/// What is parked while the flush runs waits for the next one. So nobody who frees ever waits for
/// a flush, and the caller need not hold a lock over it.
///
/// It hands out what it was given and keeps no account of what is out: that is the caller's.
///
/// The idea: Niklas Schnelle, "Re: \[PATCH v4 1/2\] iommu/s390: Fix race with release_device ops",
/// 1 September 2022. Linux keeps what is allocated, not what is free, and has nothing like it.
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
    /// Parked before the flush that runs, if one does.
    flushing: Option<Vec<T>>,
}

impl<T> Swap<T> {
    /// All of this is free; the last is handed out first.
    pub fn new(free: Vec<T>) -> Self {
        Self { free, parked: Vec::new(), flushing: None }
    }

    /// What was freed last.
    ///
    /// # Errors
    ///
    /// [`Refused::Dry`]: the caller flushes, between [`begin_flush`](Self::begin_flush) and
    /// [`finish_flush`](Self::finish_flush), and asks again. [`Refused::Flushing`]: somebody does.
    /// [`Refused::Exhausted`]: nothing is parked.
    pub fn alloc(&mut self) -> Result<T, Refused> {
        self.alloc_if(|_| true)
    }

    /// What was freed last of what `suits`. The search is linear in what does not.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
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

    /// Adds one that is free already.
    pub(crate) fn put(&mut self, one: T) {
        self.free.push(one);
    }

    /// Parks one.
    pub fn free(&mut self, one: T) {
        self.parked.push(one);
    }

    /// A flush begins, which will cover what is parked now.
    ///
    /// # Errors
    ///
    /// One runs already.
    pub fn begin_flush(&mut self) -> Result<(), BadFlush> {
        match self.flushing {
            Some(_) => Err(BadFlush::Running),
            None => {
                self.flushing = Some(mem::take(&mut self.parked));
                Ok(())
            }
        }
    }

    /// The flush has ended: what was parked when it began is free.
    ///
    /// # Errors
    ///
    /// None runs.
    pub fn finish_flush(&mut self) -> Result<(), BadFlush> {
        let mut flushed = self.flushing.take().ok_or(BadFlush::NotRunning)?;
        if self.free.is_empty() {
            self.free = flushed;
        } else {
            self.free.append(&mut flushed);
        }
        Ok(())
    }

    /// How many are parked.
    pub fn parked(&self) -> usize {
        self.parked.len() + self.flushing.as_ref().map_or(0, Vec::len)
    }
}
