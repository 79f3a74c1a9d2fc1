//! `selvedge verify`.

use std::io::Write;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::thread;
use std::time::Instant;

use selvedge_checks::half_of_free_memory;
use selvedge_core::{Checkpoint, Engine, Limits, Progress, Report, Scenario, Search, Verdict};

use crate::aside::{self, Aside};
use crate::cli::Verify;
use crate::json::Line;
use crate::table::{Row, Table};
use crate::{Failure, known, progress, select};

/// Verifies scenarios; whether every verdict is as expected.
pub(crate) fn verify(options: &Verify, out: &mut impl Write) -> Result<bool, Failure> {
    let resumed = options.resume.as_deref().map(aside::read).transpose().map_err(Failure::Usage)?;
    let patterns = match &resumed {
        Some(checkpoint) if options.patterns.is_empty() => vec![checkpoint.scenario().to_owned()],
        _ => options.patterns.clone(),
    };
    let known = known(&patterns);
    let scenarios = select::select(&known, &patterns).map_err(Failure::Usage)?;
    let mut aside = None;
    if resumed.is_some() || options.checkpoint.is_some() {
        alone(&scenarios, options).map_err(Failure::Usage)?;
        aside =
            options.checkpoint.as_deref().map(Aside::new).transpose().map_err(Failure::Usage)?;
    }
    let limits = limits(options).map_err(Failure::Usage)?;
    let mut all = true;
    let mut table = Table::default();
    for scenario in scenarios {
        for engine in &options.engine.0 {
            let started = Instant::now();
            let report = explore(scenario, *engine, &limits, resumed.as_ref(), aside.as_mut())?;
            let line = Line::new(scenario, &report, started.elapsed());
            all &= line.as_expected;
            if options.json {
                line.write(out)?;
                out.flush()?;
            } else {
                table.push(Row::new(line, reasons(&report)));
            }
        }
    }
    if !options.json {
        table.write(out)?;
    }
    Ok(all)
}

fn explore(
    scenario: &Scenario,
    engine: Engine,
    limits: &Limits,
    resumed: Option<&Checkpoint>,
    mut aside: Option<&mut Aside>,
) -> Result<Report, Failure> {
    let line = progress::Line::new(scenario);
    let mut listener = |progress: Progress<'_>| {
        line.update(&progress);
        match aside.as_mut().and_then(|aside| aside.update(&progress)) {
            None => ControlFlow::Continue(()),
            Some(reason) => ControlFlow::Break(reason),
        }
    };
    match resumed {
        None => Ok(scenario.verify_with(engine, limits, &mut listener)),
        Some(checkpoint) => scenario
            .resume(checkpoint, limits, &mut listener)
            .map_err(|error| Failure::Usage(format!("{}: {error}", scenario.name()))),
    }
}

fn reasons(report: &Report) -> Vec<String> {
    match &report.verdict {
        Verdict::Refuted(found) => found.iter().map(|f| f.violation.reason.clone()).collect(),
        Verdict::Proved(_) | Verdict::Inconclusive { .. } => Vec::new(),
    }
}

/// A file has room for one search.
fn alone(scenarios: &[&Scenario], options: &Verify) -> Result<(), String> {
    if scenarios.len() != 1 {
        let count = scenarios.len();
        return Err(format!("--checkpoint and --resume are for one scenario, not for {count}"));
    }
    if options.engine.0 != [Engine::Native] {
        return Err("--checkpoint and --resume are for the native engine".to_owned());
    }
    Ok(())
}

/// The limits that the command line sets; memory and processors as this machine has them.
fn limits(options: &Verify) -> Result<Limits, String> {
    let mut limits = Limits::default();
    for (flag, given) in [
        ("--strategy", options.strategy.is_some()),
        ("--shortest", options.shortest),
        ("--jobs", options.jobs.is_some()),
        ("--memory-max", options.memory_max.is_some()),
    ] {
        if given && !options.engine.0.contains(&Engine::Native) {
            return Err(format!("{flag} is for the native engine, and --engine leaves it out"));
        }
    }
    limits.search = match options.strategy {
        _ if options.shortest => Search::Shortest,
        given => given.unwrap_or_default(),
    };
    if let Some(executions) = options.executions_max {
        limits.native_executions = executions;
        limits.loom_executions = Some(executions);
        limits.shuttle_executions = executions;
    }
    limits.native_memory = options.memory_max.map_or_else(half_of_free_memory, |size| size.0);
    let processors = || thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    limits.jobs = options.jobs.unwrap_or_else(processors);
    if let Some(shard) = options.shard {
        if limits.search != Search::Dpor || options.engine.0 != [Engine::Native] {
            let right = "--strategy dpor on the native engine";
            return Err(format!("--shard is a share of the orderings, which takes {right}"));
        }
        limits.shard = shard;
    }
    Ok(limits)
}
