//! Counterexamples as tables: a column for each thread, a row for each operation.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use selvedge_core::observe::lockdep::splat;
use selvedge_core::{Classification, Counterexample, Prediction, Scenario, Step};

/// Writes what the scenario is and where it comes from.
pub(crate) fn heading(scenario: &Scenario, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}", scenario.name(), scenario.about())?;
    match scenario.source() {
        "" => Ok(()),
        source => writeln!(out, "Source: {source}"),
    }
}

/// Writes the operations in order, and the violation.
pub(crate) fn counterexample(found: &Counterexample, out: &mut impl Write) -> io::Result<()> {
    let threads = &found.trace.threads;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let header = ["".to_owned()].into_iter().chain(threads.iter().cloned());
    table.set_header(header.chain(["holds then".to_owned(), "where".to_owned()]));
    for (number, step) in found.trace.steps.iter().enumerate() {
        if found.violation.again_from == Some(number) {
            table.add_row(["", "the cycle begins:"]);
        }
        let mut row = vec![(number + 1).to_string()];
        row.extend((0..threads.len()).map(|thread| cell(step, thread)));
        row.extend([step.held.join(", "), step.place()]);
        table.add_row(row);
    }
    writeln!(out, "\n{table}")?;
    writeln!(out, "\nViolation: {}", found.violation.kind)?;
    writeln!(out, "  {}", found.violation.reason)?;
    for wait in &found.violation.waits {
        writeln!(out, "  {wait}")?;
    }
    match splat(found) {
        Some(text) => writeln!(out, "\n{text}"),
        None => Ok(()),
    }
}

/// Writes the command that replays the counterexample.
pub(crate) fn replay(
    scenario: &Scenario,
    found: &Counterexample,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "\nReplay: selvedge replay {} --schedule {}", scenario.name(), found.schedule)
}

fn cell(step: &Step, thread: usize) -> String {
    if step.thread == thread { step.to_string() } else { String::new() }
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
