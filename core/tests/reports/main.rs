//! Bugs that were reported against the kernel, each as a short scenario with its fix.
//!
//! The scenarios are written from the reports: a mail by its title and date, or a syzbot report.
//! They concern subsystems other than those of the catalogue, and the first lines of each state
//! what the threads did to each other. Where the search of interleavings completes it has to agree
//! with that of states, and so has shuttle; loom has to where it completes within seconds.

mod interrupts;
mod order;
mod pointers;
mod promises;
mod removal;
mod sysfs;
mod teardown;
mod waits;

use selvedge_core::{Checker, Engine, Report, Scenario, Search, Verdict, ViolationKind};

fn search(scenario: &Scenario, engine: Engine, search: Search) -> Report {
    Checker::new(engine).search(search).run(scenario)
}

/// Checks that the search reaches the claim and its end, and that each counterexample replays.
fn agrees(scenario: &Scenario, engine: Engine, by: Search) {
    let report = search(scenario, engine, by);
    assert!(report.as_expected() && report.complete, "{} {by:?}: {report}", scenario.name());
    let Verdict::Refuted(found) = &report.verdict else { return };
    for found in found {
        let again = scenario.replay(&found.schedule);
        let again = again.unwrap_or_else(|e| panic!("{} {}: {e}", scenario.name(), found.schedule));
        assert!(again.contains(found), "{}: {again:#?}", found.schedule);
    }
}

/// Checks by states, where the interleavings have no end, or too distant a one.
fn by_states(scenario: &Scenario) {
    assert!(!scenario.source().is_empty(), "{} has no source", scenario.name());
    agrees(scenario, Engine::Native, Search::Auto);
    agrees(scenario, Engine::Native, Search::Full);
}

/// Checks by states and by interleavings, the latter on shuttle too.
fn by_orderings(scenario: &Scenario) {
    by_states(scenario);
    agrees(scenario, Engine::Native, Search::Dpor);
    let shuttle = scenario.verify(Engine::Shuttle);
    assert!(shuttle.as_expected(), "{}: {shuttle}", scenario.name());
}

/// Checks by all of these, and by loom.
fn everywhere(scenario: &Scenario) {
    by_orderings(scenario);
    let loom = scenario.verify(Engine::Loom);
    assert!(loom.as_expected(), "{}: {loom}", scenario.name());
}

fn deadlock<const N: usize>(classes: [&str; N]) -> ViolationKind {
    ViolationKind::deadlock(classes)
}
