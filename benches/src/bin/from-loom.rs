//! Selvedge next to loom on programs of ordinary Rust, one source under two sets of names.
//!
//! `cargo run --release -p selvedge-benches --bin from-loom`. Quote the ratios, since computers
//! differ.

use std::time::Duration;

use clap::{Parser, value_parser};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use selvedge_benches::std_names::{self, Outcome};

/// Runs Selvedge and loom on small forms of what crates test with loom.
#[derive(Debug, Parser)]
struct Cli {
    /// Only the programs whose names contain this
    #[arg(default_value = "")]
    pattern: String,
    /// Stop each checker after this many seconds
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        value_parser = value_parser!(u64).range(1..)
    )]
    seconds_max: u64,
}

fn main() {
    let cli = Cli::parse();
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["program", "bug", "Selvedge", "loom", "loom / Selvedge"]);
    for row in std_names::rows(&cli.pattern, Duration::from_secs(cli.seconds_max)) {
        let ratio = row.loom.time.as_secs_f64() / row.selvedge.time.as_secs_f64();
        table.add_row([
            row.name.to_owned(),
            row.bug.unwrap_or("none").to_owned(),
            shown(&row.selvedge),
            shown(&row.loom),
            format!("{ratio:.1}"),
        ]);
    }
    let ratios = table.column_mut(4).expect("there are five columns");
    ratios.set_cell_alignment(CellAlignment::Right);
    println!("{table}");
}

fn shown(outcome: &Outcome) -> String {
    let Outcome { verdict, executions, time } = outcome;
    format!("{verdict}, {executions} executions, {:.1} ms", time.as_secs_f64() * 1e3)
}
