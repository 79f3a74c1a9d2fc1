//! `selvedge explain` and `selvedge replay`.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

use selvedge_core::{
    Checker, Classification, Counterexample, Engine, Expectation, Prediction, Progress,
    ReplayError, Report, Scenario, Verdict,
};

use crate::Failure;
use crate::cli::{Explain, Replay};
use crate::json::ExplanationRecord;
use crate::lanes::{self, Layout};
use crate::progress::Bar;
use crate::show;

/// Explores a scenario and prints its counterexamples. Returns whether the verdict is as expected.
pub(crate) fn explain(
    scenario: &Scenario,
    options: &Explain,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let engine = options.engine.unwrap_or_else(|| decisive(scenario));
    let started = Instant::now();
    let report = explore(scenario, engine, options);
    let found = selected(&report, options.violation.as_deref()).map_err(Failure::Usage)?;
    if options.json {
        ExplanationRecord::new(scenario, &report, started.elapsed(), &found).write(out)?;
        return Ok(report.as_expected());
    }
    show::heading(scenario, out)?;
    verdict(&report, out)?;
    for counterexample in found {
        show::counterexample(counterexample, Layout::of_stdout(options.all_steps), out)?;
        match scenario.replay(&counterexample.schedule).is_ok() {
            true => show::replay(scenario, counterexample, out)?,
            false => writeln!(
                out,
                "\nFound on {engine}, the only engine with weak memory. It has no replay."
            )?,
        }
    }
    for prediction in &report.predictions {
        show::prediction(prediction, out)?;
        if prediction.classification == Classification::Infeasible {
            obstacles(scenario, prediction, out)?;
        }
    }
    Ok(report.as_expected())
}

/// Writes why no threads deadlock on a predicted inversion.
fn obstacles(
    scenario: &Scenario,
    prediction: &Prediction,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match Checker::native().obstacles(scenario, &prediction.inversion) {
        Ok(obstacles) => {
            for obstacle in obstacles {
                writeln!(out, "{obstacle}")?;
            }
        }
        Err(reason) => writeln!(out, "Why is not known: {reason}.")?,
    }
    Ok(())
}

/// Returns the engine that decides the scenario. A violation that only weak memory has, only loom
/// can show.
fn decisive(scenario: &Scenario) -> Engine {
    match scenario.expected(Engine::Native) {
        Expectation::Inconclusive => Engine::Loom,
        _ => Engine::Native,
    }
}

fn explore(scenario: &Scenario, engine: Engine, options: &Explain) -> Report {
    let bar = Bar::new(scenario);
    let listener = |progress: &Progress<'_>| {
        bar.update(progress);
        ControlFlow::Continue(())
    };
    let checker = Checker::new(engine).search(options.search.unwrap_or_default());
    checker.on_progress(listener).run(scenario)
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

/// Writes the verdict, unless its counterexamples say it.
fn verdict(report: &Report, out: &mut impl Write) -> Result<(), Failure> {
    match &report.verdict {
        Verdict::Refuted(_) => return Ok(()),
        Verdict::Proved(fingerprint) => match fingerprint.states {
            Some(states) => {
                writeln!(out, "Proved: none of its {states} states violates anything.")?;
            }
            None => writeln!(
                out,
                "Proved on {}: none of its interleavings violates anything.",
                report.engine
            )?,
        },
        Verdict::Inconclusive { reason } => writeln!(out, "Inconclusive: {reason}.")?,
    }
    if matches!(report.verdict, Verdict::Proved(_)) && !report.preconditions.is_empty() {
        writeln!(out, "It rests on:")?;
        for precondition in &report.preconditions {
            writeln!(out, "  {precondition}")?;
        }
    }
    Ok(())
}

/// Runs one schedule and prints it, with what it violates. Returns whether it violates anything.
pub(crate) fn replay(
    scenario: &Scenario,
    options: &Replay,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let layout = Layout::of_stdout(options.all_steps);
    match scenario.replay(&options.schedule) {
        Ok(found) => {
            show::heading(scenario, out)?;
            for counterexample in &found {
                show::counterexample(counterexample, layout, out)?;
                show::replay(scenario, counterexample, out)?;
            }
            Ok(true)
        }
        Err(error @ (ReplayError::NoViolation | ReplayError::TooShort)) => {
            let trace = scenario.follow(&options.schedule);
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
