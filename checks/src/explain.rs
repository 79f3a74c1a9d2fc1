//! `selvedge explain` and `selvedge replay`.

use std::io::Write;
use std::time::Instant;

use selvedge_core::{
    Checker, Counterexample, Engine, ReplayError, Report, Scenario, Schedule, Verdict,
};

use crate::Failure;
use crate::app::Outcome;
use crate::cli::{Explain, Replay};
use crate::json::ExplanationRecord;
use crate::lanes::{self, Layout};
use crate::{explained, interrupt, progress, show};

/// Explores a scenario and prints its counterexamples. Returns whether the verdict is as expected.
pub(crate) fn explain(
    scenario: &Scenario,
    options: &Explain,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let engine = options.engine.unwrap_or(Engine::Native);
    let started = Instant::now();
    let checker = Checker::new(engine).search(options.search.unwrap_or_default());
    interrupt::listen();
    let report = progress::explore(scenario, checker);
    let found = selected(&report, options.violation.as_deref()).map_err(Failure::Usage)?;
    let mut outcome = Outcome::default();
    let inconclusive = matches!(report.verdict, Verdict::Inconclusive { .. });
    outcome.note(report.as_expected(), inconclusive);
    if options.json {
        ExplanationRecord::new(scenario, &report, started.elapsed(), &found).write(out)?;
        return Ok(outcome);
    }
    show::heading(scenario, out)?;
    let scenario = report.instance().unwrap_or(scenario);
    let replay = |found: &Counterexample| show::replay(scenario, found);
    let layout = Layout::of_stdout(options.all_steps);
    explained::findings(scenario, &report, &found, layout, &replay, out)?;
    if matches!(report.verdict, Verdict::Proved(_)) && !report.preconditions.is_empty() {
        writeln!(out, "It rests on:")?;
        for precondition in &report.preconditions {
            writeln!(out, "  {precondition}")?;
        }
    }
    for remark in &report.remarks {
        writeln!(out, "Note: {remark}")?;
    }
    show::contradiction(&report, out)?;
    Ok(outcome)
}

/// Returns the counterexamples whose violation has `part` in its name.
fn selected<'a>(report: &'a Report, part: Option<&str>) -> Result<Vec<&'a Counterexample>, String> {
    let all = report.verdict.counterexamples();
    let Some(part) = part else { return Ok(all.iter().collect()) };
    let name = |found: &Counterexample| found.violation.kind.to_string();
    let found: Vec<&Counterexample> = all.iter().filter(|f| name(f).contains(part)).collect();
    match found.is_empty() {
        false => Ok(found),
        true if all.is_empty() => Err(format!("nothing is violated, so no `{part}`")),
        true => {
            let names: Vec<String> = all.iter().map(name).collect();
            Err(format!("no violation is named `{part}`; there are\n    {}", names.join("\n    ")))
        }
    }
}

/// Runs one schedule and prints it, with what it violates. Returns whether it violates anything.
pub(crate) fn replay(
    scenario: &Scenario,
    options: &Replay,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let layout = Layout::of_stdout(options.all_steps);
    let again = |found: &Counterexample| show::replay(scenario, found);
    replayed(scenario, &options.schedule, layout, &again, out)
}

/// Runs a schedule and prints it, with what it violates and the command that shows it again.
/// Returns whether it violates anything.
pub(crate) fn replayed(
    scenario: &Scenario,
    schedule: &Schedule,
    layout: Layout,
    again: &dyn Fn(&Counterexample) -> String,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    match scenario.replay(schedule) {
        Ok(found) => {
            show::heading(scenario, out)?;
            for counterexample in &found {
                show::counterexample(counterexample, layout, out)?;
                writeln!(out, "\nReplay: {}", again(counterexample))?;
            }
            Ok(true)
        }
        Err(error @ (ReplayError::NoViolation | ReplayError::TooShort)) => {
            let trace = scenario.follow(schedule);
            show::heading(scenario, out)?;
            writeln!(out)?;
            if let Ok(trace) = trace {
                lanes::write(&trace, None, layout, out)?;
            }
            writeln!(out, "\nNo violation: {error}.")?;
            Ok(false)
        }
        Err(error) => Err(Failure::Usage(format!("{}: {error}", scenario.name()))),
    }
}
