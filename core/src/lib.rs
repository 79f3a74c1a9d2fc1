//! Selvedge model-checks the locking protocols of Linux kernel drivers.
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod data;
mod engine;
mod explore;
mod machine;
mod object;
pub mod observe;
mod op;
pub mod runtime;
mod scenario;
pub mod sync;
pub mod thread;
mod verdict;
mod violation;

pub use data::Value;
pub use engine::{Engine, Limits, Listener, Progress, ReplayError, UnknownEngine};
pub use explore::{Schedule, ScheduleError};
pub use observe::{Step, Trace};
pub use runtime::{Function, function, invariant_broken};
pub use scenario::{Expected, Scenario, ScenarioBuilder};
pub use verdict::{Certificate, Counterexample, Prediction, Report, Settled, Verdict};
pub use violation::{Violation, ViolationKind, Wait};

/// Runs an example of the documentation as the only thread of a scenario.
#[doc(hidden)]
pub fn doctest(example: impl Fn() + Send + Sync + 'static) {
    let scenario = Scenario::builder("doctest", || ()).thread("T", move |()| example()).proved();
    scenario.assert_as_expected(Engine::Native);
}
