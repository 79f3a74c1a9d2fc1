//! Every scenario of every driver.

use selvedge_core::Scenario;

use crate::{ap_perms, dma, iommu, kernel, vfio_ap};

/// Returns all scenarios of the catalogue. Their names are unique.
pub fn catalogue() -> Vec<Scenario> {
    let drivers = [
        ap_perms::scenarios::scenarios(),
        vfio_ap::scenarios::scenarios(),
        iommu::scenarios::scenarios(),
        dma::scenarios::scenarios(),
        kernel::scenarios(),
    ];
    drivers.into_iter().flatten().collect()
}

/// Returns the functions of each driver that the kernel calls, as scenarios with any number of
/// threads. Their clients are too many for the catalogue: [`Scenario::with_calls`] makes them.
pub fn clients() -> Vec<Scenario> {
    vfio_ap::scenarios::clients()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::catalogue;

    #[test]
    fn names_are_unique_paths_and_everything_has_a_source() {
        let mut names = BTreeSet::new();
        for scenario in catalogue() {
            let path = |c: char| c.is_ascii_alphanumeric() || "/-._".contains(c);
            assert!(scenario.name().chars().all(path), "{}", scenario.name());
            assert!(!scenario.about().is_empty(), "{}", scenario.name());
            assert!(!scenario.source().is_empty(), "{}", scenario.name());
            assert!(names.insert(scenario.name().to_owned()), "{}", scenario.name());
        }
    }
}
