//! The scenarios of vfio_ap.

mod alternatives;
mod bugs;
mod client;
mod entry_points;
pub(crate) mod fixtures;
mod hotplug;
mod kvm_lock;
mod matrix;
mod mutants;
mod postconditions;
mod questions;
mod reset;
mod sources;

use selvedge_core::Scenario;

/// Returns the functions of the driver that the kernel calls, as a scenario for each version.
pub(crate) fn clients() -> Vec<Scenario> {
    entry_points::clients()
}

/// Returns every scenario of the driver.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let families = [
        matrix::scenarios(),
        alternatives::scenarios(),
        hotplug::scenarios(),
        reset::scenarios(),
        bugs::scenarios(),
        mutants::scenarios(),
        postconditions::scenarios(),
        questions::scenarios(),
        kvm_lock::scenarios(),
        client::scenarios(),
    ];
    families.into_iter().flatten().collect()
}
