//! SRCU, as `rust/kernel/sync/srcu.rs`, which v6.15 does not have (it is in commit 59cf3a5bda61).

use crate::name::Name;
use crate::sync::{self, SrcuReader};

/// Creates an [`Srcu`](crate::kernel::sync::Srcu) without readers, with a name or else that of the
/// line.
#[macro_export]
macro_rules! new_srcu {
    ($($name:literal)? $(,)?) => {
        $crate::kernel::sync::Srcu::new($crate::kernel_name!($($name)?))
    };
}

/// A domain of readers that may sleep, with the rules of [`sync::Srcu`].
///
/// ```
/// use selvedge_core::kernel::sync::new_srcu;
///
/// selvedge_core::check(|| {
///     let srcu = new_srcu!("srcu");
///     srcu.read_lock().unlock();
///     srcu.synchronize();
/// });
/// ```
#[derive(Debug)]
pub struct Srcu {
    srcu: sync::Srcu,
}

impl Srcu {
    /// Creates a domain without readers.
    pub fn new(name: impl Into<Name>) -> Self {
        Self { srcu: sync::Srcu::new(name) }
    }

    /// `srcu_read_lock`: begins a read section, and never waits.
    #[track_caller]
    pub fn read_lock(&self) -> Guard<'_> {
        Guard(self.srcu.read_lock())
    }

    /// `synchronize_srcu`: waits until every section that is open now has ended.
    #[track_caller]
    pub fn synchronize(&self) {
        self.srcu.synchronize();
    }

    /// `synchronize_srcu_expedited`: the same, since there is no time here.
    #[track_caller]
    pub fn synchronize_expedited(&self) {
        self.srcu.synchronize();
    }
}

/// A read section of an [`Srcu`]. Dropping it is `srcu_read_unlock`.
#[must_use = "the section lasts only as long as the guard lives"]
#[derive(Debug)]
pub struct Guard<'a>(SrcuReader<'a>);

impl Guard<'_> {
    /// `srcu_read_unlock`: ends the section.
    #[track_caller]
    pub fn unlock(self) {
        self.0.unlock();
    }
}
