//! `selvedge verify`.

use std::io::{self, Write};
use std::time::Instant;

use selvedge_core::{Limits, Scenario};

use crate::cli::Verify;
use crate::table::{Row, Table};
use crate::{json, progress};

/// Verifies the scenarios; whether every verdict is as expected.
pub(crate) fn verify(
    scenarios: &[&Scenario],
    options: &Verify,
    out: &mut impl Write,
) -> io::Result<bool> {
    let limits = limits(options);
    let mut all = true;
    let mut table = Table::default();
    for scenario in scenarios {
        for engine in &options.engine.0 {
            let limited = match options.executions_max {
                Some(executions) => (*scenario).clone().loom_executions_max(executions),
                None => (*scenario).clone(),
            };
            let started = Instant::now();
            let mut listener = progress::listener(scenario);
            let report = limited.verify_with(*engine, &limits, &mut listener);
            let elapsed = started.elapsed();
            drop(listener);
            all &= report.as_expected();
            if options.json {
                json::write(scenario, &report, elapsed, out)?;
                out.flush()?;
            } else {
                table.push(Row::new(scenario, &report, elapsed));
            }
        }
    }
    if !options.json {
        table.write(out)?;
    }
    Ok(all)
}

fn limits(options: &Verify) -> Limits {
    let mut limits = Limits::default();
    limits.search = options.search;
    if let Some(executions) = options.executions_max {
        limits.native_executions = executions;
        limits.loom_executions = executions;
        limits.shuttle_executions = executions;
    }
    limits
}
