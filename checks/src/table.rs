//! The table of verdicts, grouped by family.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, presets};

use crate::json::Line;
use crate::matrix;

/// One scenario on one engine.
pub(crate) struct Row {
    family: String,
    name: String,
    line: Line,
    /// Lines under the row: why it is refuted, what was predicted.
    remarks: Vec<String>,
}

impl Row {
    /// A row that says what `line` does, with the reasons of its violations.
    pub(crate) fn new(line: Line, reasons: Vec<String>) -> Self {
        let (family, name) = line.scenario.rsplit_once('/').unwrap_or(("", &line.scenario));
        let (family, name) = (family.to_owned(), name.to_owned());
        Self { family, name, remarks: remarks(&line, reasons), line }
    }
}

fn remarks(line: &Line, reasons: Vec<String>) -> Vec<String> {
    let mut remarks = reasons;
    if remarks.is_empty() {
        remarks.extend(line.reason.clone());
    }
    for inversion in &line.lockdep {
        let classes = inversion.classes.join(", ");
        match inversion.classification.as_str() {
            // The deadlock itself is a remark already.
            "feasible" => {}
            "infeasible" => {
                remarks.push(format!("lockdep would report {classes}: cannot happen here"));
            }
            _ => remarks.push(format!("lockdep would report {classes}")),
        }
    }
    remarks.extend(line.remarks.iter().map(|remark| format!("note: {remark}")));
    remarks
}

/// Rows in the order in which they came.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Writes the table, families as headings and remarks under their rows, and a summary.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["  scenario", "engine", "expected", "found", "executions", "time", ""]);
        for row in &self.rows {
            table.add_row([
                Cell::new(format!("  {}", row.name)),
                Cell::new(&row.line.engine),
                Cell::new(&row.line.expected),
                Cell::new(&row.line.found),
                Cell::new(row.line.executions).set_alignment(CellAlignment::Right),
                Cell::new(time(row.line.seconds)).set_alignment(CellAlignment::Right),
                Cell::new(if row.line.as_expected { "" } else { "NOT AS EXPECTED" }),
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
            writeln!(out, "{}", line.trim_end())?;
            for remark in &row.remarks {
                writeln!(out, "       {remark}")?;
            }
        }
        matrix::write(self.rows.iter().map(|row| &row.line), out)?;
        self.write_given(out)?;
        self.write_summary(out)
    }

    /// What the proofs take for granted, and how many of them do.
    fn write_given(&self, out: &mut impl Write) -> io::Result<()> {
        let proofs: Vec<&Line> = self
            .rows
            .iter()
            .map(|row| &row.line)
            .filter(|line| line.complete && line.refuted.is_none())
            .collect();
        let mut given: Vec<(&str, usize)> = Vec::new();
        for text in proofs.iter().flat_map(|line| &line.given) {
            match given.iter_mut().find(|(known, _)| known == text) {
                Some((_, count)) => *count += 1,
                None => given.push((text, 1)),
            }
        }
        if given.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nWhat the proofs take for granted:")?;
        for (text, count) in given {
            match count == proofs.len() {
                true => writeln!(out, "  all   {text}")?,
                false => writeln!(out, "  {count:<5} {text}")?,
            }
        }
        Ok(())
    }

    fn write_summary(&self, out: &mut impl Write) -> io::Result<()> {
        let not = self.rows.iter().filter(|row| !row.line.as_expected).count();
        writeln!(out)?;
        match not {
            0 => writeln!(out, "{} verdicts, all as expected.", self.rows.len()),
            _ => writeln!(out, "{} verdicts, {not} NOT as expected.", self.rows.len()),
        }
    }
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}
