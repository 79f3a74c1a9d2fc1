//! Critical sections with nothing in them.
//!
//! `let _ = a.lock();` locks and unlocks at once, and rustc's own help suggests it for a guard that is
//! not used. What was to be protected then runs without the lock, and a deadlock over it is not there
//! to be found. So a section whose guard is dropped by the expression that took the lock, with no
//! operation in between and no look at the data, is noted. [`MutexGuard::unlock`] says that it is
//! meant.
//!
//! [`MutexGuard::unlock`]: crate::sync::MutexGuard::unlock

use rustc_hash::{FxHashMap, FxHashSet};

use crate::op::Place;

/// The lines that take a lock for nothing. By address, as in [`Coverage`](crate::observe::coverage::Reached).
#[derive(Debug, Default)]
pub(super) struct EmptySections {
    /// Where a section was empty, and the class of the lock.
    empty: FxHashMap<usize, (Place, &'static str)>,
    /// Where one was not.
    used: FxHashSet<usize>,
}

impl EmptySections {
    /// The section that began at `at` was empty, unless it is said to be used.
    pub(super) fn empty(&mut self, at: Place, class: &'static str) {
        self.empty.insert(address(at), (at, class));
    }

    /// In a section that began at `at` the data were looked at.
    pub(super) fn used(&mut self, at: Place) {
        self.used.insert(address(at));
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.empty.extend(&other.empty);
        self.used.extend(&other.used);
    }

    /// What there is to say of lines whose sections were all empty, in their order.
    pub(super) fn remarks(&self) -> Vec<String> {
        let empty = self.empty.iter().filter(|(address, _)| !self.used.contains(address));
        let mut empty: Vec<_> =
            empty.map(|(_, (at, class))| (at.file(), at.line(), at.column(), *class)).collect();
        empty.sort_unstable();
        let remark = |(file, line, _, class): (&str, u32, u32, &str)| {
            format!(
                "{class} is taken at {file}:{line} and given back at once, with nothing in between: \
                 `let _ = ..` drops a guard where it stands, `let _held = ..` keeps it; write \
                 `.unlock()` (`.up_read()`, `.up_write()`) if only waiting for the holder is meant"
            )
        };
        empty.into_iter().map(remark).collect()
    }
}

fn address(at: Place) -> usize {
    std::ptr::from_ref(at).addr()
}
