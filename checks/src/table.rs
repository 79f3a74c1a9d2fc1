//! The table of verdicts, grouped by family.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, presets};
use selvedge_core::{Engine, Report, Scenario, Settled, Verdict};

/// One scenario on one engine.
pub(crate) struct Row {
    family: String,
    name: String,
    engine: Engine,
    expected: &'static str,
    found: &'static str,
    as_expected: bool,
    executions: u64,
    elapsed: Duration,
    /// Lines under the row: why it is refuted, what was predicted.
    remarks: Vec<String>,
}

impl Row {
    pub(crate) fn new(scenario: &Scenario, report: &Report, elapsed: Duration) -> Self {
        let family = scenario.family().to_owned();
        let name = scenario.name().trim_start_matches(&family).trim_start_matches('/').to_owned();
        Self {
            family,
            name,
            engine: report.engine,
            expected: report.expected().as_str(),
            found: report.verdict.as_str(),
            as_expected: report.as_expected(),
            executions: report.executions,
            elapsed,
            remarks: remarks(report),
        }
    }
}

fn remarks(report: &Report) -> Vec<String> {
    let mut remarks = match &report.verdict {
        Verdict::Proved(_) => Vec::new(),
        Verdict::Refuted(found) => found.iter().map(|f| f.violation.reason.clone()).collect(),
        Verdict::Inconclusive { reason } => vec![reason.clone()],
    };
    for prediction in &report.predictions {
        let classes = prediction.inversion.classes().join(", ");
        match prediction.settled {
            // The deadlock itself is a remark already.
            Settled::Feasible(_) => {}
            Settled::Infeasible => {
                remarks.push(format!("lockdep would report {classes}: cannot happen here"));
            }
            Settled::Open => remarks.push(format!("lockdep would report {classes}")),
        }
    }
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
                Cell::new(row.engine),
                Cell::new(row.expected),
                Cell::new(row.found),
                Cell::new(row.executions).set_alignment(CellAlignment::Right),
                Cell::new(time(row.elapsed)).set_alignment(CellAlignment::Right),
                Cell::new(if row.as_expected { "" } else { "NOT AS EXPECTED" }),
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
        self.write_summary(out)
    }

    fn write_summary(&self, out: &mut impl Write) -> io::Result<()> {
        let not = self.rows.iter().filter(|row| !row.as_expected).count();
        writeln!(out)?;
        match not {
            0 => writeln!(out, "{} verdicts, all as expected.", self.rows.len()),
            _ => writeln!(out, "{} verdicts, {not} NOT as expected.", self.rows.len()),
        }
    }
}

fn time(elapsed: Duration) -> String {
    match elapsed.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}
