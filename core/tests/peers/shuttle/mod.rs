//! Programs of shuttle's suite: sets of final values, and verdicts.

mod atomic;
mod condvar;
mod mutex;
mod rwlock;

use selvedge_core::{Scenario, ScenarioBuilder};

fn twice<W: Send + Sync + 'static>(
    name: &str,
    world: fn() -> W,
    thread: impl Fn(&W) + Copy + Send + Sync + 'static,
) -> ScenarioBuilder<W> {
    Scenario::builder(name, world).thread("T1", thread).thread("T2", thread)
}
