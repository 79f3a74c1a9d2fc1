//! The output of the schemes: as a table, or as JSON for `--json`.

use std::io::{self, Write};
use std::time::Duration;

use crate::nvme::{Outcome, Scheme};
use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::cli::{Preset, Simulate};

/// Writes a heading and a table with a row for each scheme.
pub(super) fn table(
    options: &Simulate,
    rows: &[(Scheme, Outcome)],
    out: &mut impl Write,
) -> io::Result<()> {
    let preset = options.preset.to_possible_value();
    let name = preset.as_ref().map_or("", |value| value.get_name());
    writeln!(out, "{name}: {} s simulated, seed {}\n", options.seconds, options.seed)?;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "",
        "mail",
        "ratio",
        "requests/s",
        "global flushes",
        "pages parked, at most",
        "mapped after unmapping, at most",
    ]);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for (scheme, outcome) in rows {
        // The mail has no figures of a partition.
        let mail = scheme.in_the_mail().filter(|_| options.preset == Preset::Guest);
        table.add_row([
            Cell::new(scheme),
            right(mail.unwrap_or_default().to_owned()),
            right(format!("{:.3}", ratio(outcome, rows))),
            right(format!("{:.0}", outcome.iops)),
            right(outcome.flushes.to_string()),
            right(outcome.parked_max.to_string()),
            right(window(outcome.window_max)),
        ]);
    }
    writeln!(out, "{table}")
}

fn window(window: Duration) -> String {
    match window.as_micros() {
        ..10_000 => format!("{:.1} us", window.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", window.as_secs_f64() * 1e3),
    }
}

/// Returns the throughput relative to the first scheme, which is the bitmap.
fn ratio(outcome: &Outcome, rows: &[(Scheme, Outcome)]) -> f64 {
    rows.first().map_or(1.0, |(_, bitmap)| outcome.iops / bitmap.iops)
}

/// The version of the format of `--json`, as `docs/iova.md` describes it.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct SchemeRecord {
    format: u32,
    scheme: String,
    ratio: f64,
    flushes: u64,
    parked_max: u64,
    window_ms_max: f64,
}

/// Writes one object per scheme. The format is stable.
pub(super) fn json(rows: &[(Scheme, Outcome)], out: &mut impl Write) -> io::Result<()> {
    for (scheme, outcome) in rows {
        let record = SchemeRecord {
            format: FORMAT,
            scheme: scheme.to_string(),
            ratio: ratio(outcome, rows),
            flushes: outcome.flushes,
            parked_max: outcome.parked_max,
            window_ms_max: outcome.window_max.as_secs_f64() * 1e3,
        };
        serde_json::to_writer(&mut *out, &record)?;
        writeln!(out)?;
    }
    Ok(())
}
