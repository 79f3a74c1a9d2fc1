//! The proofs that are timed.

use selvedge_checks::catalogue;
use selvedge_core::{Checker, Engine, Expectation, Report, Scenario, Search};

/// Returns the scenarios of the locking around the AP bus's masks that have several threads and
/// that both the native engine and loom prove.
pub fn proved_by_loom() -> Vec<Scenario> {
    let mut scenarios = catalogue();
    scenarios.retain(|scenario| {
        scenario.name().starts_with("vfio-ap/ap-perms/")
            && scenario.threads().count() > 1
            && *scenario.expected(Engine::Loom) == Expectation::Proved
    });
    scenarios
}

/// Explores `scenario` to its end.
///
/// # Panics
///
/// If the verdict is not as expected, since a search that proves nothing must not be timed.
pub fn prove(scenario: &Scenario, engine: Engine, search: Search) -> Report {
    let report = Checker::new(engine).search(search).run(scenario);
    assert!(report.as_expected() && report.complete, "{}: {report}", scenario.name());
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_and_search_proves_what_is_measured() {
        let scenarios = proved_by_loom();
        assert!(!scenarios.is_empty());
        for scenario in scenarios {
            for search in Search::ALL {
                prove(&scenario, Engine::Native, *search);
            }
            prove(&scenario, Engine::Loom, Search::default());
        }
    }
}
