//! The table of verdicts, grouped by family.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, presets};

use crate::json::VerdictRecord;
use crate::matrix;
use crate::same::difference;
use crate::show;
use crate::style::{bad, good};

/// One scenario on one engine.
pub(crate) struct Row {
    family: String,
    name: String,
    record: VerdictRecord,
    /// Lines under the row: the reasons of its violations, the predictions of lockdep.
    remarks: Vec<String>,
}

impl Row {
    /// Creates the row of a record, with the reasons of its violations.
    pub(crate) fn new(record: VerdictRecord, reasons: Vec<String>) -> Self {
        let (family, name) = record.scenario.rsplit_once('/').unwrap_or(("", &record.scenario));
        let (family, name) = (family.to_owned(), name.to_owned());
        Self { family, name, remarks: remarks(&record, reasons), record }
    }
}

fn remarks(record: &VerdictRecord, reasons: Vec<String>) -> Vec<String> {
    let mut remarks = reasons;
    if remarks.is_empty() {
        remarks.extend(record.reason.clone());
    }
    if let Some(instance) = &record.instance {
        remarks.push(format!("found in {instance}, which `explain` and `replay` take"));
    }
    for inversion in &record.lockdep {
        let classes = inversion.classes.join(", ");
        match inversion.classification.as_str() {
            // The deadlock is a remark already.
            "feasible" => {}
            "infeasible" => {
                remarks.push(format!("lockdep would report {classes}: cannot happen here"));
            }
            _ => remarks.push(format!("lockdep would report {classes}")),
        }
    }
    remarks.extend(record.remarks.iter().map(|remark| format!("note: {remark}")));
    remarks
}

/// Rows, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Writes the table, families as headings and remarks under their rows, and a summary. So many
    /// scenarios have not been verified.
    pub(crate) fn write(&self, not_verified: usize, out: &mut impl Write) -> io::Result<()> {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["  scenario", "engine", "expected", "found", "executions", "time", ""]);
        for row in &self.rows {
            table.add_row([
                Cell::new(format!("  {}", row.name)),
                Cell::new(&row.record.engine),
                Cell::new(&row.record.expected),
                Cell::new(&row.record.found),
                Cell::new(row.record.executions).set_alignment(CellAlignment::Right),
                Cell::new(time(row.record.seconds)).set_alignment(CellAlignment::Right),
                Cell::new(note(&row.record)),
            ]);
        }
        let mut lines = table.lines();
        let mut family = None;
        writeln!(out, "{}", lines.next().unwrap_or_default().trim_end())?;
        for (row, line) in self.rows.iter().zip(lines) {
            if family != Some(&row.family) {
                writeln!(out, "{}", row.family)?;
                family = Some(&row.family);
            }
            let line = line.trim_end();
            match row.record.as_expected {
                true => writeln!(out, "{line}")?,
                false => writeln!(out, "{}", bad(line))?,
            }
            for remark in &row.remarks {
                writeln!(out, "       {remark}")?;
            }
        }
        matrix::write(self.records(), out)?;
        write_preconditions(self.records(), out)?;
        write_summary(self.records(), not_verified, out)
    }

    fn records(&self) -> impl Iterator<Item = &VerdictRecord> + Clone {
        self.rows.iter().map(|row| &row.record)
    }
}

/// Writes the preconditions of the proofs, and how many have each.
pub(crate) fn write_preconditions<'a>(
    records: impl Iterator<Item = &'a VerdictRecord>,
    out: &mut impl Write,
) -> io::Result<()> {
    let is_proof = |record: &&VerdictRecord| record.complete && record.refuted.is_none();
    let proofs: Vec<&VerdictRecord> = records.filter(is_proof).collect();
    let mut preconditions: Vec<(&str, usize)> = Vec::new();
    for text in proofs.iter().flat_map(|record| &record.preconditions) {
        match preconditions.iter_mut().find(|(known, _)| known == text) {
            Some((_, count)) => *count += 1,
            None => preconditions.push((text, 1)),
        }
    }
    if preconditions.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nPreconditions of the proofs:")?;
    for (text, count) in preconditions {
        match count == proofs.len() {
            true => writeln!(out, "  all   {text}")?,
            false => writeln!(out, "  {count:<5} {text}")?,
        }
    }
    Ok(())
}

/// Writes how many verdicts there are, and whether they are as expected.
pub(crate) fn write_summary<'a>(
    records: impl Iterator<Item = &'a VerdictRecord> + Clone,
    not_verified: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out)?;
    let verdicts = show::count(records.clone().count(), "verdict");
    let count =
        |is: fn(&VerdictRecord) -> bool| records.clone().filter(|record| is(record)).count();
    let (wrong, missing) = (count(VerdictRecord::is_wrong), count(VerdictRecord::is_missing));
    let unstated = count(|record| record.expected == "unstated");
    let mut parts = Vec::new();
    if wrong > 0 {
        parts.push(format!("{wrong} NOT as expected"));
    }
    if missing > 0 {
        parts.push(format!("{missing} inconclusive"));
    }
    if unstated > 0 {
        parts.push(format!("{unstated} of which nothing is expected"));
    }
    if not_verified > 0 {
        parts.push(format!("{} not verified", show::count(not_verified, "scenario")));
    }
    let line = match parts.as_slice() {
        [] => format!("{verdicts}, all as expected."),
        parts => format!("{verdicts}, {}.", parts.join(", ")),
    };
    let is_good = wrong + missing + not_verified == 0;
    writeln!(out, "{}", if is_good { good(line) } else { bad(line) })?;
    match records.filter(|record| record.same_as.is_some()).count() {
        0 => Ok(()),
        1 => writeln!(out, "1 behaves exactly as an earlier one."),
        count => writeln!(out, "{count} behave exactly as an earlier one."),
    }
}

/// Returns what the last column says: a wrong verdict, or the row that this one equals.
fn note(record: &VerdictRecord) -> String {
    if record.is_wrong() {
        return "NOT AS EXPECTED".to_owned();
    }
    let same = record.same_as.as_deref();
    let part = same.and_then(|earlier| difference(earlier, &record.scenario));
    part.map_or_else(String::new, |part| format!("= {part}"))
}

/// Returns a time in the unit that suits it.
pub(crate) fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}
