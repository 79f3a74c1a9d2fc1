//! `selvedge verify`.

use std::io::Write;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use selvedge_core::{Checker, Checkpoint, Engine, Progress, Report, Scenario, Search};

use crate::app::{Outcome, complain};
use crate::checkpoint_file::{self, CheckpointFile};
use crate::cli::Verify;
use crate::families::Families;
use crate::json::VerdictRecord;
use crate::progress::Bar;
use crate::same::Seen;
use crate::table::{Row, Table};
use crate::{Failure, Known, half_of_free_memory, interrupt, select};

/// The number of scenarios up to which each has a row without `--verbose`. More are summarised.
const ROWS_MAX: usize = 40;

/// Verifies scenarios, and returns whether the verdicts are as expected.
pub(crate) fn verify(
    known: &Known,
    options: &Verify,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    check_options(options).map_err(Failure::Usage)?;
    let resumed =
        options.resume.as_deref().map(checkpoint_file::read).transpose().map_err(Failure::Usage)?;
    let patterns = match &resumed {
        Some(checkpoint) if options.patterns.is_empty() => vec![checkpoint.scenario().to_owned()],
        _ => options.patterns.clone(),
    };
    let known = known.selectable(&patterns);
    let selected = select::select(&known, &patterns).map_err(Failure::Usage)?;
    let general = |scenario: &&Scenario| select::of_any_number(scenario);
    let general: Option<Vec<Scenario>> =
        options.any_number.then(|| selected.iter().map(general).collect());
    let scenarios = general.as_ref().map_or(selected, |all| all.iter().collect());
    let mut file = None;
    if resumed.is_some() || options.checkpoint.is_some() {
        check_single(&scenarios, options).map_err(Failure::Usage)?;
        let new = options.checkpoint.as_deref().map(CheckpointFile::new);
        file = new.transpose().map_err(Failure::Usage)?;
    }
    let mut outcome = Outcome::default();
    let rows = options.verbose || scenarios.len() <= ROWS_MAX;
    let (mut table, mut families) = (Table::default(), Families::default());
    let mut seen = Seen::default();
    let (count, mut not_verified) = (scenarios.len(), 0);
    interrupt::listen();
    for (at, scenario) in scenarios.into_iter().enumerate() {
        if interrupt::is_requested() {
            not_verified = count - at;
            outcome.note(false, true);
            break;
        }
        for engine in &options.engine.0 {
            let started = Instant::now();
            let report = explore(scenario, *engine, options, resumed.as_ref(), file.as_mut())?;
            let mut record = VerdictRecord::new(scenario, &report, started.elapsed());
            record.same_as = seen.same_as(&record);
            outcome.add(&record);
            if options.json {
                record.write(out)?;
                out.flush()?;
            } else if !rows {
                families.add(record, &report, out)?;
            } else {
                table.push(Row::new(record, reasons(&report)));
            }
        }
    }
    match (options.json, rows) {
        (true, _) if not_verified > 0 => complain(&format!("{not_verified} not verified")),
        (true, _) => {}
        (false, true) => table.write(not_verified, out)?,
        (false, false) => families.end(not_verified, out)?,
    }
    Ok(outcome)
}

fn explore(
    scenario: &Scenario,
    engine: Engine,
    options: &Verify,
    resumed: Option<&Checkpoint>,
    mut file: Option<&mut CheckpointFile>,
) -> Result<Report, Failure> {
    let bar = Bar::new(scenario);
    let listener = |progress: &Progress<'_>| {
        bar.update(progress);
        file.iter_mut().for_each(|file| file.update(progress));
        interrupt::reason().map_or(ControlFlow::Continue(()), ControlFlow::Break)
    };
    let checker = checker(engine, options).on_progress(listener);
    match resumed {
        None => Ok(checker.run(scenario)),
        Some(checkpoint) => checker
            .resume(scenario, checkpoint)
            .map_err(|error| Failure::Usage(format!("{}: {error}", scenario.name()))),
    }
}

fn reasons(report: &Report) -> Vec<String> {
    let found = report.verdict.counterexamples();
    let mut reasons: Vec<String> =
        found.iter().map(|found| found.violation.reason.clone()).collect();
    if !report.as_expected() {
        reasons.extend(report.stopped.iter().map(ToString::to_string));
        reasons.push(format!("expected: {}", report.expected()));
    }
    if !report.as_expected() && report.complete {
        reasons.push(format!("this expectation would hold: {}", report.matching_expectation()));
    }
    reasons
}

/// A checkpoint file has room for one search.
fn check_single(scenarios: &[&Scenario], options: &Verify) -> Result<(), String> {
    if scenarios.len() != 1 {
        let count = scenarios.len();
        return Err(format!("--checkpoint and --resume take one scenario; {count} were selected"));
    }
    if options.engine.0 != [Engine::Native] {
        return Err("--checkpoint and --resume need the native engine".to_owned());
    }
    Ok(())
}

/// Checks the options that need the native engine, or one search of it.
fn check_options(options: &Verify) -> Result<(), String> {
    let native = options.engine.0.contains(&Engine::Native);
    for (flag, given) in [
        ("--search", options.search.is_some()),
        ("--jobs", options.jobs.is_some()),
        ("--memory-max", options.memory_max.is_some()),
        ("--any-number", options.any_number),
    ] {
        if given && !native {
            return Err(format!("{flag} needs the native engine, which --engine excludes"));
        }
    }
    let by_dpor = options.search == Some(Search::Dpor) && options.engine.0 == [Engine::Native];
    if options.shard.is_some() && !by_dpor {
        return Err("--shard needs --search dpor on the native engine".to_owned());
    }
    Ok(())
}

/// Creates the checker that the options ask for, with the memory and the processors of this
/// computer.
fn checker<'a>(engine: Engine, options: &Verify) -> Checker<'a> {
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    let memory = options.memory_max.map_or_else(half_of_free_memory, |size| size.0);
    let mut checker = Checker::new(engine)
        .search(options.search.unwrap_or_default())
        .threads(options.jobs.map_or_else(processors, usize::from))
        .memory_limit(memory);
    if let Some(executions) = options.executions_max {
        checker = checker.executions(executions);
    }
    if let Some(seconds) = options.seconds_max {
        checker = checker.time_limit(Duration::from_secs(seconds));
    }
    if let Some(shard) = options.shard {
        checker = checker.shard(shard);
    }
    checker
}
