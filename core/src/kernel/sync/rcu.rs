//! RCU, as `rust/kernel/sync/rcu.rs` (v6.15).
//!
//! The one domain of the kernel is made anew for each execution, when it is first needed:
//! `Revocable::new` does that. If no thread needs it before there are several, states cannot be
//! compared.

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::op::Place;
use crate::runtime::setting;
use crate::sync::Rcu;

/// Returns the domain.
#[track_caller]
pub(crate) fn domain() -> Arc<Rcu> {
    setting::of_static().unwrap_or_else(|| setting::set_static(Rcu::new()))
}

/// A read section, with the rules of [`sync::Rcu`](crate::sync::Rcu): it never waits, and the
/// thread may not sleep. Dropping it is `rcu_read_unlock`.
#[must_use = "the section lasts only as long as the guard lives"]
#[derive(Debug)]
pub struct Guard {
    rcu: Arc<Rcu>,
    at: Place,
    /// The thread that has begun the section ends it.
    not_send: PhantomData<*mut ()>,
}

impl Guard {
    /// `rcu_read_lock`: begins a read section.
    #[track_caller]
    pub fn new() -> Self {
        let (at, rcu) = (Location::caller(), domain());
        rcu.enter(at);
        Self { rcu, at, not_send: PhantomData }
    }

    /// `rcu_read_unlock`: ends the section.
    #[track_caller]
    pub fn unlock(mut self) {
        self.at = Location::caller();
    }
}

impl Default for Guard {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.rcu.leave(self.at);
    }
}

/// `rcu_read_lock`: begins a read section.
#[track_caller]
pub fn read_lock() -> Guard {
    Guard::new()
}

/// `synchronize_rcu`: waits until every section that is open now has ended. It may sleep.
#[track_caller]
pub fn synchronize_rcu() {
    domain().synchronize();
}
