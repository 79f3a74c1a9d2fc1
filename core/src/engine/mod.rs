//! What runs a scenario over schedules.
//!
//! - [`Native`](Engine::Native) runs threads on coroutines of its own and explores every state,
//!   breadth first.
//! - [`Loom`](Engine::Loom) runs threads on loom 0.7, with loom's own search. A proof means that
//!   loom completed it.
//! - [`Shuttle`](Engine::Shuttle) runs threads on shuttle 0.9 and explores every trace by
//!   source-DPOR if they are few enough, and otherwise random and PCT schedules.
//!
//! shuttle's search is the native engine's [`Search::Dpor`](crate::Search::Dpor) on other threads,
//! so an interleaving that one of them runs wrongly shows as a difference of the two. All of them
//! take the same scenarios, report violations by the same names, and write schedules that the
//! native engine replays.

#[cfg(any(loom, feature = "loom"))]
mod loom;
pub(crate) mod native;
#[cfg(feature = "shuttle")]
mod shuttle;

use crate::incomplete::Incomplete;
use crate::limits::{Limits, Listener};
use crate::report::Report;
use crate::scenario::Scenario;
use crate::search::Engine;

/// Explores a scenario.
pub(crate) fn verify(
    scenario: &Scenario,
    engine: Engine,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Report {
    match engine {
        Engine::Native => native::verify(scenario, limits, listener),
        _ if scenario.clients().is_some() => {
            Report::untried(scenario, engine, Incomplete::AnyNumberOnEngine { engine })
        }
        _ if scenario.starvation_free() => {
            Report::untried(scenario, engine, Incomplete::StarvationOnEngine { engine })
        }
        #[cfg(any(loom, feature = "loom"))]
        Engine::Loom => loom::verify(scenario, limits, listener),
        #[cfg(feature = "shuttle")]
        Engine::Shuttle => shuttle::verify(scenario, limits, listener),
        #[cfg(not(all(any(loom, feature = "loom"), feature = "shuttle")))]
        absent => Report::untried(scenario, absent, Incomplete::Absent { engine: absent }),
    }
}
