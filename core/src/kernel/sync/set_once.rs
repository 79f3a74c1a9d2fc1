//! A cell that is populated once, as `rust/kernel/sync/set_once.rs`, which v6.15 does not have (it
//! is in commit 821fe7bf16c5).

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::name::Name;
use crate::runtime;
use crate::sync::WeakAtomic;

const EMPTY: u32 = 0;
const BUSY: u32 = 1;
const POPULATED: u32 = 2;

/// A cell that at most one thread populates. Another that tries meanwhile does not wait, and finds
/// it neither empty nor populated.
///
/// States with such a cell cannot be compared. It belongs to an execution, so it is not `const`.
///
/// ```
/// use selvedge_core::kernel::sync::SetOnce;
///
/// selvedge_core::check(|| {
///     let value = SetOnce::new();
///     assert_eq!(value.as_ref(), None);
///     assert!(value.populate(42u8));
///     assert!(!value.populate(101));
///     assert_eq!(value.copy(), Some(42));
/// });
/// ```
pub struct SetOnce<T> {
    init: WeakAtomic<u32>,
    value: OnceLock<T>,
}

impl<T> SetOnce<T> {
    /// Creates an empty cell.
    #[track_caller]
    pub fn new() -> Self {
        runtime::note_opaque();
        Self { init: WeakAtomic::new(Name::here(), EMPTY), value: OnceLock::new() }
    }

    /// Returns the value, if the cell is populated.
    #[track_caller]
    pub fn as_ref(&self) -> Option<&T> {
        if self.init.load(Acquire) == POPULATED { self.value.get() } else { None }
    }

    /// Populates the cell, and returns whether it was empty.
    #[track_caller]
    pub fn populate(&self, value: T) -> bool {
        if self.init.compare_exchange(EMPTY, BUSY, Relaxed, Relaxed).is_err() {
            return false;
        }
        _ = self.value.set(value);
        self.init.store(POPULATED, Release);
        true
    }

    /// Returns a copy of the value, if the cell is populated.
    #[track_caller]
    pub fn copy(&self) -> Option<T>
    where
        T: Copy,
    {
        self.as_ref().copied()
    }
}

impl<T> Default for SetOnce<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}
