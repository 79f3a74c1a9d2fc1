//! What several tests of the catalogue need.

use selvedge_checks::catalogue;
use selvedge_core::Scenario;

/// Returns a scenario of the catalogue.
pub(crate) fn named(name: &str) -> Scenario {
    let mut catalogue = catalogue().into_iter();
    catalogue.find(|scenario| scenario.name() == name).expect("a scenario of the catalogue")
}
