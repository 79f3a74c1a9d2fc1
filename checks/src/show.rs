//! What `explain` and `replay` print.

use std::env;
use std::io::{self, Write};

use selvedge_core::observe::lockdep::splat;
use selvedge_core::{
    Classification, Counterexample, Prediction, Report, Scenario, Schedule, Verdict,
};

use crate::lanes::{self, Layout};
use crate::style::bad;

/// Writes what the scenario is and where it comes from.
pub(crate) fn heading(scenario: &Scenario, out: &mut impl Write) -> io::Result<()> {
    // A text may say its name itself, and a scenario nothing.
    match (scenario.name(), scenario.about()) {
        (name, "") => writeln!(out, "{name}")?,
        (name, about) if about.starts_with(&format!("{name}: ")) => writeln!(out, "{about}")?,
        (name, about) => writeln!(out, "{name}: {about}")?,
    }
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

/// Writes what was expected, if the verdict is not that.
pub(crate) fn contradiction(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let expected = report.expected();
    match (report.as_expected(), &report.verdict) {
        (true, _) => return Ok(()),
        (false, Verdict::Inconclusive { .. }) => {
            return writeln!(out, "The scenario expects {expected}.");
        }
        (false, _) => writeln!(out, "NOT as expected: the scenario expects {expected}.")?,
    }
    match report.complete {
        true => writeln!(out, "This expectation would hold: {}", report.matching_expectation()),
        false => Ok(()),
    }
}

/// Returns a number of things: `1 step`, `2 steps`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Returns a schedule as an argument: the empty one too.
pub(crate) fn argument(schedule: &Schedule) -> String {
    if schedule.is_empty() { "''".to_owned() } else { schedule.to_string() }
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
    let schedule = argument(&found.schedule);
    format!("{} replay {} --schedule {schedule}", program(), scenario.name())
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

#[cfg(test)]
mod tests {
    use selvedge_core::sync::Mutex;
    use selvedge_core::{Engine, Scenario, ViolationKind};

    use super::*;

    fn twice(finishes: bool) -> String {
        let builder = Scenario::builder("mine/twice", || Mutex::new("A", ())).thread("T", |a| {
            let _a = a.lock();
            let _again = a.lock();
        });
        let scenario = match finishes {
            true => builder.expect_proof(),
            false => builder.expect_violations([ViolationKind::deadlock(["A"])]),
        };
        let mut text = Vec::new();
        contradiction(&scenario.verify(Engine::Native), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_was_expected_is_said_if_it_was_not_found() {
        assert_eq!(
            twice(true),
            "NOT as expected: the scenario expects proved.\n\
             This expectation would hold: \
             .expect_violations([ViolationKind::deadlock([\"A\"])])\n"
        );
        assert_eq!(twice(false), "");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([count(0, "step"), count(1, "step")], ["0 steps", "1 step"]);
    }
}
