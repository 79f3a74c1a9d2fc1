//! What is asked of an allocator, and how it says no.

use core::fmt;

/// The number of a page of 4 KiB in the address space of a device.
pub type Pfn = u64;

/// The pages of the whole address space: 64 bits of address, 12 of them within a page.
const SPACE: u64 = 1 << 52;

/// Consecutive pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pages {
    /// The first of them.
    pub pfn: Pfn,
    /// How many they are.
    pub count: u64,
}

impl Pages {
    /// The pages of an aperture.
    ///
    /// # Panics
    ///
    /// If there are no such pages.
    pub(crate) fn checked(self) -> Self {
        assert!(self.end().is_some(), "no pages: {self:?}");
        self
    }

    /// Where in `aperture` these pages begin and end, if they are in it.
    #[inline]
    pub(crate) fn within(self, aperture: Self) -> Option<(u64, u64)> {
        let from = self.pfn.checked_sub(aperture.pfn)?;
        let room = aperture.count.checked_sub(from)?;
        (0 < self.count && self.count <= room).then_some((from, from + self.count))
    }

    /// The page after the last; [`None`] if there can be no such pages.
    pub fn end(self) -> Option<Pfn> {
        self.pfn.checked_add(self.count).filter(|end| self.count > 0 && *end <= SPACE)
    }
}

/// How many pages, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    count: u64,
    align: u64,
    limit: Pfn,
}

impl Request {
    /// So many pages, anywhere.
    ///
    /// # Errors
    ///
    /// None at all, or more than there are addresses for.
    pub const fn pages(count: u64) -> Result<Self, BadRequest> {
        match count {
            0 => Err(BadRequest::ZeroSize),
            1..=SPACE => Ok(Self { count, align: 1, limit: SPACE }),
            _ => Err(BadRequest::TooLarge),
        }
    }

    /// Beginning at a multiple of the size, rounded up to a power of two: what Linux asks for in
    /// each mapping.
    pub const fn size_aligned(self) -> Self {
        Self { align: self.count.next_power_of_two(), ..self }
    }

    /// Below this address in bytes: what a device that has fewer address lines asks for.
    ///
    /// # Errors
    ///
    /// An address within a page.
    pub const fn below(self, address: u64) -> Result<Self, BadRequest> {
        match address % 4096 {
            0 => Ok(Self { limit: address / 4096, ..self }),
            _ => Err(BadRequest::UnalignedLimit),
        }
    }

    /// As many pages as the next power of two, beginning at a multiple of that.
    pub(crate) const fn rounded(self) -> Self {
        let count = self.count.next_power_of_two();
        Self { count, align: count, ..self }
    }

    /// The number of pages, at least 1.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// A power of two, of which the first page's number is a multiple: 1, or the number of pages
    /// rounded up.
    pub const fn align(self) -> u64 {
        self.align
    }

    /// The pages end here at the latest.
    pub const fn limit(self) -> Pfn {
        self.limit
    }
}

/// A request that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadRequest {
    /// No pages.
    ZeroSize,
    /// More than 2^52 pages.
    TooLarge,
    /// A limit that is not a multiple of 4,096 bytes.
    UnalignedLimit,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroSize => "no pages",
            Self::TooLarge => "more than 2^52 pages",
            Self::UnalignedLimit => "a limit within a page",
        })
    }
}

impl core::error::Error for BadRequest {}

/// Why nothing was allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// There may be something once a flush has made parked pages free.
    Dry,
    /// There may be something once the flush that runs has ended.
    Flushing,
    /// There is nothing, flushed or not.
    Exhausted,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dry => "nothing free before a flush",
            Self::Flushing => "nothing free before the flush has ended",
            Self::Exhausted => "nothing free",
        })
    }
}

impl core::error::Error for Refused {}

/// Why pages were not taken back. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotFreed {
    /// They are not, or not all of them, allocated; or not by one request.
    NotAllocated,
    /// They are given back already and wait for a flush.
    Parked,
    /// There is no room to park them: the caller flushes and gives them back again.
    Full,
}

impl fmt::Display for NotFreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllocated => "not allocated",
            Self::Parked => "given back already",
            Self::Full => "no room before a flush",
        })
    }
}

impl core::error::Error for NotFreed {}
