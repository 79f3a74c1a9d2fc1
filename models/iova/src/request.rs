//! Requests to an allocator, and the errors of an allocator.

use core::fmt;

/// The number of a page of 4 KiB in the address space of a device.
pub type Pfn = u64;

/// The number of pages of the whole address space. An address has 64 bits, 12 of them within a
/// page.
const SPACE: u64 = 1 << 52;

/// A range of consecutive pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pages {
    /// The first page.
    pub pfn: Pfn,
    /// The number of pages.
    pub count: u64,
}

impl Pages {
    /// Checks that the pages can be an aperture.
    ///
    /// # Panics
    ///
    /// If they are not a valid range of pages.
    pub(crate) fn checked(self) -> Self {
        assert!(self.end().is_some(), "not a valid range of pages: {self:?}");
        self
    }

    /// Returns the beginning and the end of these pages within `aperture`, if they are in it.
    #[inline]
    pub(crate) fn within(self, aperture: Self) -> Option<(u64, u64)> {
        let from = self.pfn.checked_sub(aperture.pfn)?;
        let room = aperture.count.checked_sub(from)?;
        (0 < self.count && self.count <= room).then_some((from, from + self.count))
    }

    /// Returns the page after the last, or [`None`] if this is not a valid range of pages.
    pub fn end(self) -> Option<Pfn> {
        self.pfn.checked_add(self.count).filter(|end| self.count > 0 && *end <= SPACE)
    }
}

/// The number of pages that are requested, and constraints on their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    count: u64,
    align: u64,
    limit: Pfn,
}

impl Request {
    /// Requests `count` pages without a constraint.
    ///
    /// # Errors
    ///
    /// If `count` is 0 or exceeds the number of addresses.
    pub const fn pages(count: u64) -> Result<Self, BadRequest> {
        match count {
            0 => Err(BadRequest::ZeroSize),
            1..=SPACE => Ok(Self { count, align: 1, limit: SPACE }),
            _ => Err(BadRequest::TooLarge),
        }
    }

    /// Requires the first page to be a multiple of the size, rounded up to a power of two. Linux
    /// requires this of each mapping.
    pub const fn size_aligned(self) -> Self {
        Self { align: self.count.next_power_of_two(), ..self }
    }

    /// Requires pages below this address in bytes, for a device with fewer address lines.
    ///
    /// # Errors
    ///
    /// If the address is not a multiple of the page size.
    pub const fn below(self, address: u64) -> Result<Self, BadRequest> {
        match address % 4096 {
            0 => Ok(Self { limit: address / 4096, ..self }),
            _ => Err(BadRequest::UnalignedLimit),
        }
    }

    /// Rounds the number of pages up to the next power of two and requires that alignment.
    pub(crate) const fn rounded(self) -> Self {
        let count = self.count.next_power_of_two();
        Self { count, align: count, ..self }
    }

    /// Returns the number of pages, which is at least 1.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Returns the alignment of the first page: 1, or the number of pages rounded up to a power of
    /// two.
    pub const fn align(self) -> u64 {
        self.align
    }

    /// Returns the limit at or before which the pages end.
    pub const fn limit(self) -> Pfn {
        self.limit
    }
}

/// The error for an invalid request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadRequest {
    /// The request is for 0 pages.
    ZeroSize,
    /// The request is for more than 2^52 pages.
    TooLarge,
    /// The limit is not a multiple of 4,096 bytes.
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

/// The reason why no pages were allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// A flush may free parked pages.
    Dry,
    /// The flush that is running may free parked pages.
    Flushing,
    /// No flush can help.
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

/// The reason why pages were not freed. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotFreed {
    /// Not all of the pages are allocated, or they are not those of one request.
    NotAllocated,
    /// The pages are parked already and wait for a flush.
    Parked,
    /// There is no room to park the pages. The caller flushes and frees them again.
    Full,
}

impl fmt::Display for NotFreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllocated => "not allocated",
            Self::Parked => "freed already",
            Self::Full => "no room before a flush",
        })
    }
}

impl core::error::Error for NotFreed {}
