//! The bugs, each with the versions that have it and those in which it is fixed.

mod driver;
mod hotplug;

use selvedge_core::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    driver::scenarios().into_iter().chain(hotplug::scenarios()).collect()
}
