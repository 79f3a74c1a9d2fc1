//! The catalogue, with what each engine can be expected to make of it.
//!
//! The models know no engine, and what they claim of a scenario is what is true of it. The native
//! engine finds all of it. loom and shuttle run every ordering from its beginning, so some
//! scenarios are beyond them; and they explore at most one spurious wake-up of each thread, so
//! where threads sleep they refute but do not prove. Which scenarios these are is written down
//! here, as `selvedge verify --engine loom` and `--engine shuttle` found it.

#![deny(missing_docs)]

use globset::{Glob, GlobSet, GlobSetBuilder};
use selvedge_core::{Engine, Expected, Scenario};

/// Threads sleep on a wait queue, and the claim is a proof.
const SLEEPS: &[&str] = &[
    "vfio-ap/matrix/v5.15-bisect-set/pqap-upd",
    "vfio-ap/reset/{slow,another-ones,handed-over}/v6.6",
    "vfio-ap/reset/ioctl/v5.13",
    "vfio-ap/hotplug/{v6.8,2026}/slow-reset*",
];

/// More orderings than loom gets through in its limit of executions. The three administrators
/// that write both masks did not end in 6,000,000 executions either.
const BEYOND_LOOM: &[&str] = &[
    "vfio-ap/ap-perms/{p12,p18,v6.0}/apmask-aqmask-assign",
    "vfio-ap/matrix/{v5.3-set,v5.15-set,v5.15-unset}/pqap-upd-pv",
    "vfio-ap/matrix/*/pqap-upd-pv-admin",
    "vfio-ap/hotplug/*/apmask-{apmask,aqmask-unbind,assign-unassign,exit}",
    "vfio-ap/hotplug/*/config-{assign-assign,unbind}",
    "vfio-ap/bugs/b23-assign-under-mutex/v6.0",
    "vfio-ap/bugs/b24-container/v6.2-three",
];

/// Every scenario of [`selvedge_models::catalogue`], with the verdict that each engine is expected
/// to come to.
///
/// # Panics
///
/// If a pattern here is no path glob.
pub fn catalogue() -> Vec<Scenario> {
    let (sleeps, beyond_loom) = (globs(SLEEPS), globs(BEYOND_LOOM));
    let expect = |mut scenario: Scenario| {
        let sleeps = sleeps.is_match(scenario.name());
        if sleeps || beyond_loom.is_match(scenario.name()) {
            scenario = scenario.on(Engine::Loom, Expected::Inconclusive);
        }
        if sleeps {
            scenario = scenario.on(Engine::Shuttle, Expected::Inconclusive);
        }
        scenario
    };
    selvedge_models::catalogue().into_iter().map(expect).collect()
}

fn globs(patterns: &[&str]) -> GlobSet {
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        globs.add(Glob::new(pattern).expect("a path glob"));
    }
    globs.build().expect("path globs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_matches_something() {
        for pattern in SLEEPS.iter().chain(BEYOND_LOOM) {
            let matcher = globs(&[pattern]);
            let matches = |scenario: &Scenario| matcher.is_match(scenario.name());
            assert!(selvedge_models::catalogue().iter().any(matches), "{pattern}");
        }
    }
}
