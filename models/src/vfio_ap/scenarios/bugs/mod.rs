//! The bugs, each with the versions that have it and those in which it is fixed.

mod driver;
mod hotplug;
mod pins;

use selvedge_core::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    [driver::scenarios(), hotplug::scenarios(), pins::scenarios()].into_iter().flatten().collect()
}
