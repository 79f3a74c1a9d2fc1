//! `selvedge waits`.

use std::io::{self, Write};
use std::ops::ControlFlow;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use selvedge_core::{Checker, Length, Progress, Scenario};

use crate::half_of_free_memory;
use crate::progress::Bar;

/// Writes the longest wait of each thread, and returns whether every scenario was explored.
pub(crate) fn waits(scenarios: &[Scenario], out: &mut impl Write) -> io::Result<bool> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["scenario", "thread", "required", "possible"]);
    let mut unexplored = Vec::new();
    for scenario in scenarios {
        let bar = Bar::new(scenario);
        let listener = |progress: &Progress<'_>| {
            bar.update(progress);
            ControlFlow::Continue(())
        };
        let checker = Checker::native().memory_limit(half_of_free_memory()).on_progress(listener);
        match checker.longest_waits(scenario) {
            Ok(waits) => {
                for wait in waits {
                    let (required, possible) = lengths(wait.length);
                    table.add_row([
                        Cell::new(scenario.name()),
                        Cell::new(wait.thread),
                        Cell::new(required).set_alignment(CellAlignment::Right),
                        Cell::new(possible).set_alignment(CellAlignment::Right),
                    ]);
                }
            }
            Err(reason) => unexplored.push(format!("{}: {reason}", scenario.name())),
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim())?;
    }
    for line in &unexplored {
        writeln!(out, "{line}")?;
    }
    Ok(unexplored.is_empty())
}

fn lengths(length: Length) -> (String, String) {
    let for_good = || "for good".to_owned();
    match length {
        Length::Bounded { required, possible } => {
            let possible = possible.map_or_else(|| "unbounded".to_owned(), |most| most.to_string());
            (required.to_string(), possible)
        }
        Length::ForGood => (for_good(), for_good()),
    }
}
