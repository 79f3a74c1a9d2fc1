//! Every scenario, in the order in which the story goes.
//!
//! Adding one is a function that makes it and a line in the list of its family.

mod alternatives;
mod ap_perms;
mod bugs;
mod effects;
mod flush;
mod hotplug;
mod hotplug_bugs;
mod in_use;
mod iommu;
mod iommu_bugs;
mod iommu_seed;
mod matrix;
mod mutants;
mod reset;
mod sources;

pub use ap_perms::instance as ap_perms_instance;
use selvedge_core::Scenario;

/// The whole catalogue. Names are unique.
pub fn catalogue() -> Vec<Scenario> {
    let mut scenarios = ap_perms::scenarios();
    scenarios.extend(in_use::scenarios());
    scenarios.extend(matrix::scenarios());
    scenarios.extend(alternatives::scenarios());
    scenarios.extend(hotplug::scenarios());
    scenarios.extend(reset::scenarios());
    scenarios.extend(bugs::scenarios());
    scenarios.extend(hotplug_bugs::scenarios());
    scenarios.extend(mutants::scenarios());
    scenarios.extend(effects::scenarios());
    scenarios.extend(iommu::scenarios());
    scenarios.extend(iommu_seed::scenarios());
    scenarios.extend(iommu_bugs::scenarios());
    scenarios.extend(flush::scenarios());
    scenarios
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
