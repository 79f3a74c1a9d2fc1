//! Hints to the scheduler, as [`std::hint`].

use std::panic::Location;

use super::own;

/// Declares that the calling thread spins: it continues when something has changed that it has
/// looked at since the last time.
#[track_caller]
pub fn spin_loop() {
    own::spins(Location::caller());
}
