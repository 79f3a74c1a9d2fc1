//! Selvedge next to loom on programs of ordinary Rust, one source under two sets of names.
//!
//! `cargo run --release -p selvedge-benches --bin from-loom`. Quote the ratios, since computers
//! differ.

use std::process::{Command, Stdio};
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
    /// Run only the program with this number, on loom, and print the outcome in words
    #[arg(long, hide = true)]
    loom_alone: Option<usize>,
}

fn main() {
    let cli = Cli::parse();
    let limit = Duration::from_secs(cli.seconds_max);
    if let Some(number) = cli.loom_alone {
        let Outcome { verdict, executions, time } = std_names::on_loom_alone(number, limit);
        println!("{}\n{executions}\n{verdict}", time.as_nanos());
        return;
    }
    let loom = |number| on_loom(number, cli.seconds_max);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["program", "bug", "Selvedge", "loom", "loom / Selvedge"]);
    for row in std_names::rows(&cli.pattern, limit, loom) {
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

/// Runs the program with this number on loom in a process of its own, which loom may abort.
fn on_loom(number: usize, seconds_max: u64) -> Outcome {
    let this = std::env::current_exe().expect("it runs");
    let mut alone = Command::new(this);
    alone.args(["--loom-alone", &number.to_string(), "--seconds-max", &seconds_max.to_string()]);
    let output = alone.stderr(Stdio::null()).output().expect("it runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    match lines[..] {
        [time, executions, verdict] => Outcome {
            verdict: verdict.to_owned(),
            executions: executions.parse().expect("it is printed above"),
            time: Duration::from_nanos(time.parse().expect("it is printed above")),
        },
        _ => Outcome { verdict: "aborted".to_owned(), executions: 0, time: Duration::ZERO },
    }
}

fn shown(outcome: &Outcome) -> String {
    let Outcome { verdict, executions, time } = outcome;
    format!("{verdict}, {executions} executions, {:.1} ms", time.as_secs_f64() * 1e3)
}
