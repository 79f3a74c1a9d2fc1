//! Which README has which tables.

use selvedge_core::Scenario;
use selvedge_models::{Rule, ap_perms, dma, iommu, kernel, vfio_ap};

use super::{rules, scenarios};

/// A driver with a README of its own.
pub(super) struct Driver {
    /// Relative to the root of the workspace.
    pub(super) readme: &'static str,
    /// The first parts of the names of its scenarios. The longest prefix of all drivers counts.
    prefixes: &'static [&'static str],
    rules: &'static [Rule],
    /// The name of each table with the scenarios in it, as [`scenarios::table`] describes them.
    tables: &'static [(&'static str, &'static str)],
}

pub(super) const DRIVERS: &[Driver] = &[
    Driver {
        readme: "models/src/vfio_ap/README.md",
        prefixes: &["vfio-ap/", "driver/vfio-ap/"],
        rules: vfio_ap::RULES,
        tables: &[
            ("bugs", "vfio-ap/bugs/{row}/{version}"),
            ("reset", "vfio-ap/reset/{row}/{version}"),
            ("mutants", "vfio-ap/mutants/{row}/{version}"),
            ("in-use-by-guest", "vfio-ap/in-use-by-guest/{row}"),
            ("hook-store", "vfio-ap/hook-store/{row}"),
        ],
    },
    Driver {
        readme: "models/src/ap_perms/README.md",
        prefixes: &[
            "vfio-ap/ap-perms/",
            "vfio-ap/default-driver/",
            "vfio-ap/driver-override/",
            "vfio-ap/in-use/",
            "vfio-ap/parse-mask/",
            "vfio-ap/virtual-qci/",
        ],
        rules: ap_perms::RULES,
        tables: &[
            ("races", "vfio-ap/ap-perms/{version}/{row}"),
            ("in-use", "vfio-ap/in-use/{row}"),
            ("override", "vfio-ap/driver-override/{version}/{row}"),
            ("default-driver", "vfio-ap/default-driver/{row}"),
            ("virtual-qci", "vfio-ap/virtual-qci/{row}"),
            ("parse-mask", "vfio-ap/parse-mask/{row}"),
        ],
    },
    Driver {
        readme: "models/src/iommu/README.md",
        prefixes: &["iommu/"],
        rules: iommu::RULES,
        tables: &[
            ("seed", "iommu/seed/{version}/{row}"),
            ("races", "iommu/{version}/{row}"),
            ("bugs", "iommu/bugs/{row}/{version}"),
        ],
    },
    Driver {
        readme: "models/src/dma/README.md",
        prefixes: &["iommu/flush/", "iommu/ordering/"],
        rules: dma::RULES,
        tables: &[
            ("races", "iommu/flush/{version}/{row}"),
            ("ordering", "iommu/ordering/{version}/{row}"),
        ],
    },
    Driver {
        readme: "models/src/kernel/README.md",
        prefixes: &["kernel/"],
        rules: kernel::RULES,
        tables: &[("reports", "kernel/{row}/{version}")],
    },
];

impl Driver {
    /// Generates one of the tables of the README.
    pub(super) fn table(&self, name: &str, catalogue: &[Scenario]) -> Result<String, String> {
        let own = catalogue.iter().filter(|scenario| self.has(scenario.name()));
        if name == "rules" {
            return rules::table(self.rules, &own.collect::<Vec<_>>());
        }
        let known = self.tables.iter().find(|(table, _)| *table == name);
        let Some((_, pattern)) = known else {
            let names: Vec<_> = self.tables.iter().map(|(name, _)| *name).collect();
            return Err(format!("unknown table `{name}`; available: rules, {}", names.join(", ")));
        };
        Ok(scenarios::table(pattern, own))
    }

    fn has(&self, scenario: &str) -> bool {
        let longest = |driver: &Driver| {
            let prefixes = driver.prefixes.iter().filter(|prefix| scenario.starts_with(**prefix));
            prefixes.map(|prefix| prefix.len()).max()
        };
        longest(self).is_some() && longest(self) == DRIVERS.iter().map(longest).max().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_belongs_to_one_driver() {
        for scenario in selvedge_models::catalogue() {
            let drivers = DRIVERS.iter().filter(|driver| driver.has(scenario.name()));
            assert_eq!(drivers.count(), 1, "{}", scenario.name());
        }
    }
}
