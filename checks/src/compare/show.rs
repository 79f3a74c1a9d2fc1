//! The runs on one scenario, as a table and as `--json`.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use selvedge_core::{Scenario, Verdict};
use serde::Serialize;

use super::{Faster, Run, loom};
use crate::json::FORMAT;

/// Writes a heading and a table with a row for each run.
pub(super) fn table(scenario: &Scenario, runs: &[Run], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["", "executions", "states", "traces", "time", "vs loom", "verdict"]);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for run in runs {
        let fingerprint = run.report.fingerprint;
        let count = |count: Option<u64>| right(count.map_or(String::new(), |n| n.to_string()));
        table.add_row([
            Cell::new(run.contestant),
            right(run.report.executions.to_string()),
            count(fingerprint.states),
            count(fingerprint.traces),
            right(format!("{:.1?}", run.elapsed)),
            right(faster(run, runs).map_or(String::new(), |faster| faster.to_string())),
            Cell::new(verdict(scenario, run)),
        ]);
    }
    writeln!(out, "{}: {}\n\n{table}\n", scenario.name(), scenario.about())
}

fn verdict(scenario: &Scenario, run: &Run) -> String {
    let found = run.report.verdict.as_str();
    match &run.report.verdict {
        Verdict::Inconclusive { reason } => reason.to_string(),
        _ if run.contradicts(scenario) => format!("{found}, NOT as expected"),
        _ => found.to_owned(),
    }
}

fn faster(run: &Run, runs: &[Run]) -> Option<Faster> {
    run.faster_than(loom(runs)?)
}

#[derive(Serialize)]
struct RunRecord<'a> {
    format: u32,
    scenario: &'a str,
    engine: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<&'a str>,
    found: &'a str,
    contradicts: bool,
    complete: bool,
    executions: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faster_than_loom: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Writes an object for each run. `docs/cli.md` describes the format, which is a contract.
pub(super) fn json(scenario: &Scenario, runs: &[Run], out: &mut impl Write) -> io::Result<()> {
    for run in runs {
        let faster = faster(run, runs);
        let record = RunRecord {
            format: FORMAT,
            scenario: scenario.name(),
            engine: run.contestant.engine.as_str(),
            search: run.contestant.search.map(|search| search.as_str()),
            found: run.report.verdict.as_str(),
            contradicts: run.contradicts(scenario),
            complete: run.report.complete,
            executions: run.report.executions,
            seconds: run.elapsed.as_secs_f64(),
            states: run.report.fingerprint.states,
            traces: run.report.fingerprint.traces,
            faster_than_loom: faster.map(Faster::ratio),
            at_least: faster.map(|faster| matches!(faster, Faster::AtLeast(_))),
            reason: match &run.report.verdict {
                Verdict::Inconclusive { reason } => Some(reason.to_string()),
                _ => None,
            },
        };
        serde_json::to_writer(&mut *out, &record)?;
        writeln!(out)?;
    }
    Ok(())
}
