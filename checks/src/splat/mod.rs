//! `selvedge splat`: from a report in a kernel log to a text of [`crate::text`].

mod class;
mod draft;
mod kinds;
mod lines;
mod report;
mod stack;

use std::io::Write;
use std::time::Duration;
use std::{fs, io};

use selvedge_core::{Checker, Verdict};

use crate::app::Failure;
use crate::check;
use crate::cli::Splat;
use crate::show;
use crate::text::Text;
use kinds::Read;
use lines::Line;
use report::{BEGINNINGS, Kind, Report};

/// Reads the log and writes the text, the questions and the verdicts.
pub(crate) fn splat(options: &Splat, out: &mut impl Write) -> Result<(), Failure> {
    let log = check::read(&options.file)?;
    let file = options.file.display().to_string();
    let written = text_of(&file, &log, options.report).map_err(Failure::Usage)?;
    let name = options.output.as_ref().map_or_else(
        || format!("{}.selvedge", options.file.file_stem().unwrap_or_default().to_string_lossy()),
        |path| path.display().to_string(),
    );
    match &options.output {
        Some(path) => {
            let failed = |error: io::Error| {
                Failure::Usage(match error.kind() {
                    io::ErrorKind::AlreadyExists => {
                        format!("{} exists; --force replaces it", path.display())
                    }
                    _ => format!("{}: {error}", path.display()),
                })
            };
            // The text that is there may have been corrected by hand.
            let mut open = fs::File::options();
            match options.force {
                true => open.write(true).create(true).truncate(true),
                false => open.write(true).create_new(true),
            };
            let mut file = open.open(path).map_err(failed)?;
            file.write_all(written.text.as_bytes()).map_err(failed)?;
            answers(&name, &written, out)?;
        }
        None => {
            out.write_all(written.text.as_bytes())?;
            out.flush()?;
            answers(&name, &written, &mut io::stderr().lock())?;
        }
    }
    Ok(())
}

/// Returns whether this is a kernel log, by how its first line or the first of a report begins.
pub(crate) fn is_log(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let begins = |line: &Line| Kind::of(&line.text).is_some_and(|_| !is_comment(&line.text));
    first.is_some_and(lines::has_prefix) || lines::lines(text).iter().any(begins)
}

/// A text may have a report in its comments, or in its `about`.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["#", "//", "about", "source"].iter().any(|begins| line.starts_with(begins))
}

/// How long the search for a verdict may take. `check` has no such limit.
const LIMIT: Duration = Duration::from_secs(10);

/// A text, and what belongs beside it.
struct Written {
    text: String,
    questions: Vec<String>,
    remarks: Vec<String>,
}

/// Returns the text of a report of the log, the first or that of this number.
fn text_of(file: &str, log: &str, number: usize) -> Result<Written, String> {
    let lines = lines::lines(log);
    let reports = report::reports(&lines);
    let Some(report) = reports.get(number - 1) else {
        return Err(refused(file, &reports, number));
    };
    let Read { draft, classes, mut unread } = kinds::read(report).map_err(|missing| {
        format!("{file}:{}: {}, but {missing}", report.first(), report.kind.name())
    })?;
    let mut remarks =
        vec![format!("{file}:{}: {}: {}", report.first(), report.kind.name(), classes.join(", "))];
    unread.extend(report.unread_classes());
    unread.sort_unstable();
    unread.dedup();
    if !unread.is_empty() {
        let unread: Vec<String> = unread.iter().map(usize::to_string).collect();
        remarks.push(format!("{file}: not understood: line {}", unread.join(", ")));
    }
    if reports.len() > 1 {
        let others = reports.iter().enumerate().filter(|(at, _)| at + 1 != number);
        let others: Vec<String> = others
            .map(|(at, other)| {
                format!("{} ({}, line {})", at + 1, other.kind.name(), other.first())
            })
            .collect();
        remarks.push(format!("{file}: other reports, for --report: {}", others.join("; ")));
    }
    Ok(Written { text: draft.text(), questions: draft.questions, remarks })
}

fn refused(file: &str, reports: &[Report], number: usize) -> String {
    if !reports.is_empty() {
        let has = show::count(reports.len(), "report");
        return format!("{file} has {has}, and no report {number}");
    }
    let looked: Vec<String> = BEGINNINGS.iter().map(|(text, _)| format!("`{text}`")).collect();
    format!(
        "{file} has no report; a line with WARNING:, BUG: or INFO: was looked for and one of {}",
        looked.join(", ")
    )
}

/// Writes the questions, and the verdict of each answer.
fn answers(file: &str, written: &Written, out: &mut dyn Write) -> Result<(), Failure> {
    for remark in &written.remarks {
        writeln!(out, "{remark}")?;
    }
    if !written.questions.is_empty() {
        writeln!(out, "\nWhat the report does not tell:")?;
    }
    for question in &written.questions {
        writeln!(out, "  ? {question}")?;
    }
    let text = Text::new(file, &written.text).map_err(|error| {
        Failure::Usage(format!("the text that was made of the report is wrong:\n{error}"))
    })?;
    writeln!(out, "\nVerdicts of `selvedge check`:")?;
    for program in text.select(None).map_err(Failure::Usage)? {
        let scenario = program.scenario();
        let report = Checker::native().time_limit(LIMIT).run(&scenario);
        let found: Vec<String> = match &report.verdict {
            Verdict::Refuted(found) => {
                found.iter().map(|found| found.violation.kind.to_string()).collect()
            }
            verdict => vec![verdict.as_str().to_owned()],
        };
        let more = if report.stopped.is_some() { ", and not all was explored" } else { "" };
        writeln!(out, "  {}: {}{more}", program.short(), found.join(", "))?;
    }
    Ok(())
}
