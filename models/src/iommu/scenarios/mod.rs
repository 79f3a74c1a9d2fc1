//! The scenarios of the IOMMU.

mod bugs;
mod races;
mod seed;

use selvedge_core::Scenario;

/// Returns every scenario of the driver.
pub(crate) fn scenarios() -> Vec<Scenario> {
    [races::scenarios(), seed::scenarios(), bugs::scenarios()].into_iter().flatten().collect()
}
