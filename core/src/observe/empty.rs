//! Empty critical sections.
//!
//! `let _ = a.lock();` locks and unlocks at once, and rustc's own help suggests it for an unused
//! guard. The code that was to be protected then runs without the lock, and a deadlock over it
//! cannot be found. A section is therefore reported if the expression that took the lock also drops
//! its guard, with no operation in between and no access to the data. [`MutexGuard::unlock`]
//! declares that it is intended.
//!
//! [`MutexGuard::unlock`]: crate::sync::MutexGuard::unlock

use rustc_hash::{FxHashMap, FxHashSet};

use crate::op::Place;
use crate::operations::OpKind;

/// Returns whether it releases what a guard stands for. The function of a timer, a work, an
/// interrupt or a thread begins and returns without one.
pub(super) fn releases_by_guard(kind: OpKind) -> bool {
    use OpKind::{IrqReturns, KthreadExits, TaskletReturns, TimerReturns, WorkReturns};
    let returns = [IrqReturns, KthreadExits, TaskletReturns, TimerReturns, WorkReturns];
    kind.row().releases && !returns.contains(&kind)
}

/// The lines that take a lock in vain. By address, as in
/// [`Coverage`](crate::observe::coverage::Coverage).
#[derive(Debug, Default)]
pub(super) struct EmptySections {
    /// The places where a section was empty, and the class of the lock.
    empty: FxHashMap<usize, (Place, &'static str)>,
    /// The places where a section was not empty.
    used: FxHashSet<usize>,
}

impl EmptySections {
    /// Notes that the section that began at `at` was empty, unless it is known to be used.
    pub(super) fn empty(&mut self, at: Place, class: &'static str) {
        self.empty.insert(address(at), (at, class));
    }

    /// Notes that the data were accessed in a section that began at `at`.
    pub(super) fn used(&mut self, at: Place) {
        self.used.insert(address(at));
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.empty.extend(&other.empty);
        self.used.extend(&other.used);
    }

    /// Returns the remarks on lines whose sections were all empty, in order.
    pub(super) fn remarks(&self) -> Vec<String> {
        let empty = self.empty.iter().filter(|(address, _)| !self.used.contains(address));
        let mut empty: Vec<_> =
            empty.map(|(_, (at, class))| (at.file(), at.line(), at.column(), *class)).collect();
        empty.sort_unstable();
        let remark = |(file, line, _, class): (&str, u32, u32, &str)| {
            format!(
                "{class} is taken at {file}:{line} and released at once, with nothing in between: \
                 `let _ = ..` drops a guard at once, `let _held = ..` keeps it; write \
                 `.unlock()` (`.up_read()`, `.up_write()`) if the wait for the holder is intended"
            )
        };
        empty.into_iter().map(remark).collect()
    }
}

fn address(at: Place) -> usize {
    std::ptr::from_ref(at).addr()
}
