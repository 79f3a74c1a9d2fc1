//! What `explain` and `replay` print.

use std::env;
use std::io::{self, Write};

use selvedge_core::observe::lockdep::splat;
use selvedge_core::{Classification, Counterexample, Prediction, Report, Scenario};

use crate::lanes::{self, Layout};
use crate::style::bad;

/// Writes what the scenario is and where it comes from.
pub(crate) fn heading(scenario: &Scenario, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}", scenario.name(), scenario.about())?;
    match scenario.source() {
        "" => Ok(()),
        source => writeln!(out, "Source: {source}"),
    }
}

/// Writes what was expected and what was found, and the expectation that would hold.
pub(crate) fn difference(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "expected {}, found {}", report.expected(), report.verdict.as_str())?;
    match &report.stopped {
        Some(reason) => writeln!(out, "{reason}"),
        None => writeln!(out, "this expectation would hold: {}", report.matching_expectation()),
    }
}

/// Writes the operations in order, and the violation.
pub(crate) fn counterexample(
    found: &Counterexample,
    layout: Layout,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out)?;
    lanes::write(&found.trace, found.violation.again_from, layout, out)?;
    writeln!(out, "\nViolation: {}", bad(&found.violation.kind))?;
    writeln!(out, "  {}", found.violation.reason)?;
    for wait in &found.violation.waits {
        writeln!(out, "  {wait}")?;
    }
    match splat(found) {
        Some(text) => writeln!(out, "\n{text}"),
        None => Ok(()),
    }
}

/// Returns the command that replays the counterexample.
pub(crate) fn replay(scenario: &Scenario, found: &Counterexample) -> String {
    format!("{} replay {} --schedule {}", program(), scenario.name(), found.schedule)
}

/// Returns how this program is called: in another crate, by cargo.
fn program() -> &'static str {
    let path = env::current_exe().unwrap_or_default();
    if path.file_stem().is_some_and(|name| name == "selvedge") {
        "selvedge"
    } else {
        "cargo run --"
    }
}

/// Writes a predicted inversion as lockdep would report it, and its classification.
pub(crate) fn prediction(prediction: &Prediction, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{}", prediction.inversion)?;
    match &prediction.classification {
        Classification::Feasible(schedule) => writeln!(out, "Feasible: with schedule {schedule}"),
        Classification::Infeasible => {
            writeln!(out, "Infeasible in this scenario: no interleaving deadlocks on these locks.")
        }
        Classification::Open => writeln!(out, "Open: not every interleaving was explored."),
    }
}
