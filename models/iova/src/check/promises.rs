//! What an allocator promises.

/// What an allocator promises beyond that no page is allocated twice, that a page is reused only
/// after a flush if it was parked, and that no page is lost.
///
/// [`eager`](Self::eager) promises most. Each method takes a promise back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promises {
    pub(super) parks: bool,
    pub(super) parked_max: u64,
    pub(super) knows_mappings: bool,
    pub(super) complete: bool,
    pub(super) uniform: bool,
    pub(super) flushes_overlap: bool,
}

impl Promises {
    /// Freed pages are free at once. Only the pages of one request can be freed. What fits is never
    /// refused.
    pub const fn eager() -> Self {
        Self {
            parks: false,
            parked_max: 0,
            knows_mappings: true,
            complete: true,
            uniform: false,
            flushes_overlap: true,
        }
    }

    /// Freed pages are parked until a flush, and at most `pages` are at any time.
    pub const fn parks(self, pages: u64) -> Self {
        Self { parks: true, parked_max: pages, ..self }
    }

    /// It knows which pages are allocated, and not which of them belong to one request.
    pub const fn knows_only_pages(self) -> Self {
        Self { knows_mappings: false, ..self }
    }

    /// It may refuse a request that fits, as long as other pages are allocated.
    pub const fn incomplete(self) -> Self {
        Self { complete: false, ..self }
    }

    /// It keeps its promises only if all requests are aligned to their size and none has a limit.
    pub const fn only_uniform_requests(self) -> Self {
        Self { uniform: true, ..self }
    }

    /// It refuses to begin a flush while another is running.
    pub const fn one_flush_at_a_time(self) -> Self {
        Self { flushes_overlap: false, ..self }
    }
}
