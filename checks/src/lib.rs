//! The `selvedge` command, for any scenarios.
//!
//! A crate that has scenarios gets a command with `list`, `verify`, `explain`, `replay`, `waits`,
//! `compare` and `merge` over them:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use selvedge_core::Scenario;
//! use selvedge_core::sync::Mutex;
//!
//! fn main() -> ExitCode {
//!     let world = || (Mutex::new("list_lock", ()), Mutex::new("device->mutex", ()));
//!     let scenario = Scenario::builder("example/probe-remove", world)
//!         .thread("probe", |(list, device)| {
//!             let device = device.lock();
//!             list.lock().unlock();
//!             device.unlock();
//!         })
//!         .thread("remove", |(list, device)| {
//!             let list = list.lock();
//!             device.lock().unlock();
//!             list.unlock();
//!         });
//!     selvedge_checks::main(vec![scenario.expect_proof()])
//! }
//! ```
//!
//! [`catalogue`] has the scenarios of the models in this repository.

#![deny(missing_docs)]

mod app;
#[cfg(feature = "catalogue")]
mod catalogue;
mod certify;
mod check;
mod checkpoint_file;
mod cli;
mod clients;
mod compare;
mod explain;
mod explained;
mod families;
mod harness;
mod interrupt;
mod json;
mod lanes;
mod matrix;
mod memory;
mod merge;
mod new;
mod progress;
mod regress;
mod report;
mod same;
mod select;
mod show;
#[cfg(feature = "catalogue")]
mod sources;
mod splat;
mod style;
mod table;
pub mod text;
mod verify;
mod waits;

use std::process::ExitCode;

use selvedge_core::Scenario;

use app::{Failure, Known};
#[cfg(feature = "catalogue")]
pub use catalogue::catalogue;
pub use harness::test_main;
pub use memory::half_of_free_memory;
pub use report::Reports;

/// Runs the command over these scenarios, with the arguments of the process.
///
/// Returns 0 if every verdict is as expected, 1 if some verdict is not, and 2 if the command line
/// is wrong.
pub fn main(scenarios: Vec<Scenario>) -> ExitCode {
    Selvedge::new(scenarios).main()
}

/// The command over some scenarios.
#[derive(Debug)]
#[must_use = "the command does nothing until it runs"]
pub struct Selvedge {
    known: Known,
}

impl Selvedge {
    /// Creates the command. Without a pattern, `list` and `verify` take all of these scenarios.
    pub fn new(scenarios: Vec<Scenario>) -> Self {
        let (programs, drivers) = Default::default();
        Self { known: Known { scenarios, programs, drivers } }
    }

    /// Sets the scenarios that `compare` takes without a pattern, instead of all. `verify` and
    /// `explain` take them if a pattern selects them.
    pub fn compares(mut self, programs: Vec<Scenario>) -> Self {
        self.known.programs = programs;
        self
    }

    /// Sets the scenarios of which `clients` takes the functions without a pattern, those that
    /// [`any_number_of`](selvedge_core::ScenarioBuilder::any_number_of) threads run. `explain`,
    /// `replay` and `certify` take them and their clients by name.
    pub fn enumerates(mut self, drivers: Vec<Scenario>) -> Self {
        self.known.drivers = drivers;
        self
    }

    /// Runs the command with the arguments of the process, as [`main`] does.
    pub fn main(self) -> ExitCode {
        app::main(&self.known)
    }
}
