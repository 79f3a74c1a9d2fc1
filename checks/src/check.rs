//! `selvedge check`: the scenarios of a text.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use selvedge_core::{
    Checker, Counterexample, Expectation, Report, Scenario, Verdict, ViolationKind,
};

use crate::app::{Failure, Outcome, complain};
use crate::cli::Check;
use crate::lanes::Layout;
use crate::text::{self, Text};
use crate::{explain, explained, interrupt, progress, show, splat};

/// Checks each text, and returns whether the verdicts are as expected. Where a text expects
/// nothing, a proof is.
pub(crate) fn check(options: &Check, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    for path in &options.files {
        let file = path.display().to_string();
        let text = parsed(path)?;
        if options.rust {
            let wanted = text.select(options.scenario.as_deref()).map_err(Failure::Usage)?;
            write!(out, "{}", text::rust(&wanted))?;
            continue;
        }
        for remark in text.remarks() {
            complain(&remark.to_string());
        }
        verify(&file, &text, options, &mut outcome, out)?;
    }
    Ok(outcome)
}

/// Returns the scenarios of these texts.
pub(crate) fn scenarios(files: &[PathBuf]) -> Result<Vec<Scenario>, Failure> {
    let mut scenarios = Vec::new();
    for path in files {
        let text = parsed(path)?;
        let programs = text.select(None).map_err(Failure::Usage)?;
        scenarios.extend(programs.iter().map(|program| program.scenario()));
    }
    Ok(scenarios)
}

/// Reads a text.
fn parsed(path: &Path) -> Result<Text, Failure> {
    let file = path.display().to_string();
    let text = read(path)?;
    Text::new(&file, &text).map_err(|error| {
        Failure::Usage(match splat::is_log(&text) {
            true => format!(
                "{file} looks like a kernel log and not like a text: `selvedge splat {file}` makes \
                 a text of a report in it"
            ),
            false => error.to_string(),
        })
    })
}

/// Reads a file, or the standard input.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        if path == Path::new("-") {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text)?;
            return Ok(text);
        }
        fs::read(path)
    };
    let text = read().map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn verify(
    file: &str,
    text: &Text,
    options: &Check,
    outcome: &mut Outcome,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let wanted = text.select(options.scenario.as_deref()).map_err(Failure::Usage)?;
    let several = text.count() > 1;
    interrupt::listen();
    for (at, program) in wanted.iter().enumerate() {
        if interrupt::is_requested() {
            let count = wanted.len();
            complain(&format!("{file}: {at} of {count} scenarios were checked"));
            outcome.note(false, true);
            break;
        }
        if at > 0 {
            writeln!(out)?;
        }
        let scenario = program.scenario();
        let again = |found: &Counterexample| {
            let of =
                if several { format!(" --scenario '{}'", program.short()) } else { String::new() };
            format!("selvedge check {file}{of} --schedule {}", show::argument(&found.schedule))
        };
        if let Some(schedule) = &options.schedule {
            let layout = Layout::of_stdout(options.all_steps);
            let violated = explain::replayed(&scenario, schedule, layout, &again, out)?;
            outcome.note(violated, false);
            continue;
        }
        for engine in &options.engine.0 {
            let report = progress::explore(&scenario, Checker::new(*engine));
            if options.engine.0.len() > 1 {
                writeln!(out, "On {engine}:")?;
            }
            show::heading(&scenario, out)?;
            if let Verdict::Refuted(all) = &report.verdict {
                let kinds: Vec<String> =
                    all.iter().map(|found| found.violation.kind.to_string()).collect();
                let count = show::count(all.len(), "violation");
                writeln!(out, "Refuted: {count}: {}.", kinds.join(", "))?;
            }
            let found: Vec<&Counterexample> = report.verdict.counterexamples().iter().collect();
            let layout = Layout::of_stdout(options.all_steps);
            explained::findings(&scenario, &report, &found, layout, &again, out)?;
            // What goes wrong ends an execution, so that no proof depends on the rest.
            let proved = matches!(report.verdict, Verdict::Proved(_));
            let unreached = proved.then(|| program.unreached()).flatten();
            expected(&report, (unreached, program.has_loops()), outcome, out)?;
        }
    }
    Ok(())
}

/// Writes what the verdict takes for granted, and whether it is as the text expects.
fn expected(
    report: &Report,
    (unreached, has_loops): (Option<String>, bool),
    outcome: &mut Outcome,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for given in report.preconditions.iter().filter(|given| applies(given, has_loops)) {
        writeln!(out, "Given that {given}.")?;
    }
    for remark in report.remarks.iter().chain(&unreached) {
        writeln!(out, "Note: {remark}.")?;
    }
    let unstated = *report.expected() == Expectation::Unstated;
    let inconclusive = matches!(report.verdict, Verdict::Inconclusive { .. });
    if unstated {
        outcome.note(matches!(report.verdict, Verdict::Proved(_)), inconclusive);
        if report.complete && !inconclusive {
            writeln!(out, "To keep this: {}", claims(report).join("; "))?;
        }
        return Ok(());
    }
    outcome.note(report.as_expected(), inconclusive);
    if report.as_expected() {
        writeln!(out, "As expected.")?;
        return Ok(());
    }
    if inconclusive {
        writeln!(out, "The text expects {}.", report.expected())?;
        return Ok(());
    }
    writeln!(out, "NOT as expected: the text expects {}.", report.expected())?;
    if report.complete {
        writeln!(out, "These claims would hold:")?;
        for claim in claims(report) {
            writeln!(out, "    {claim}")?;
        }
    }
    Ok(())
}

/// Returns whether a text takes this for granted. Its locks hold no values, and without a loop
/// there are no rounds that could carry something over.
fn applies(given: &str, has_loops: bool) -> bool {
    !given.contains("`Hash`") && (has_loops || !given.starts_with("rounds of `poll`"))
}

/// Returns the claims that the report matches, as a text has them.
pub(crate) fn claims(report: &Report) -> Vec<String> {
    let found = report.verdict.counterexamples();
    let mut claims: Vec<String> =
        found.iter().map(|found| format!("expect {}", claim(&found.violation.kind))).collect();
    if found.is_empty() {
        claims.push("expect proof".to_owned());
    }
    for classes in report.predictions.iter().map(|p| p.inversion.classes()) {
        let deadlocks = |found: &Counterexample| {
            found.violation.kind == ViolationKind::Deadlock(classes.clone())
        };
        if !found.iter().any(deadlocks) {
            claims.push(format!("expect inversion({})", quoted(&classes)));
        }
    }
    claims
}

fn claim(kind: &ViolationKind) -> String {
    match kind {
        ViolationKind::Deadlock(classes) => format!("deadlock({})", quoted(classes)),
        ViolationKind::Invariant(id) => format!("invariant({})", quoted(std::slice::from_ref(id))),
        other => other.to_string(),
    }
}

/// Returns names as a text has them: in quotes, if they have characters that mean something.
fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| text::quoted(name)).collect();
    names.join(", ")
}
