//! `selvedge record` and `selvedge regress`: the schedules of violations, kept in a file.
//!
//! The file has a line of JSON for each violation. A schedule is replayed in microseconds, so the
//! file of a whole catalogue takes less than a second. If an edit has added or removed operations,
//! a schedule may be impossible although the violation is still there. Then the scenario is
//! explored for it, and the file gets the new schedule.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use selvedge_core::{Checker, Engine, Scenario, Schedule};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::json::FORMAT;
use crate::{select, show};

/// A violation with a schedule that shows it.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    format: u32,
    scenario: String,
    violation: String,
    schedule: String,
}

/// Explores the scenarios, and writes the schedules of all violations to a file.
pub(crate) fn record(
    scenarios: &[Scenario],
    file: &Path,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let entries: Vec<Entry> = scenarios.iter().flat_map(explored).collect();
    write(file, &entries).map_err(Failure::Usage)?;
    let violations = show::count(entries.len(), "violation");
    let scenarios = show::count(scenarios.len(), "scenario");
    writeln!(out, "{violations} of {scenarios}: {}", file.display())?;
    Ok(())
}

/// Returns the violations of a scenario that the native engine can replay.
fn explored(scenario: &Scenario) -> Vec<Entry> {
    let report = Checker::new(Engine::Native).run(scenario);
    let entry = |found: &selvedge_core::Counterexample| Entry {
        format: FORMAT,
        scenario: report.instance().unwrap_or(scenario).name().to_owned(),
        violation: found.violation.kind.to_string(),
        schedule: found.schedule.to_string(),
    };
    report.verdict.counterexamples().iter().map(entry).collect()
}

/// Replays the schedules in a file. Returns whether all violate what they did.
pub(crate) fn regress(
    known: &[Scenario],
    file: &Path,
    update: bool,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let entries = read(file).map_err(Failure::Usage)?;
    let (mut kept, mut gone, mut changed) = (Vec::new(), 0, 0);
    for entry in &entries {
        let Entry { scenario, violation, .. } = entry;
        match replayed(known, entry) {
            Replayed::Same => kept.push(entry.clone()),
            Replayed::Other(schedule) => {
                writeln!(out, "{scenario}: {violation}: another schedule now, {schedule}")?;
                changed += 1;
                kept.push(Entry { schedule, ..entry.clone() });
            }
            Replayed::Gone(why) => {
                writeln!(out, "{scenario}: {violation}: {why}")?;
                gone += 1;
            }
        }
    }
    if update && changed + gone > 0 {
        write(file, &kept).map_err(Failure::Usage)?;
        writeln!(out, "{} written", file.display())?;
    }
    let same = entries.len() - gone - changed;
    writeln!(out, "{same} as recorded, {changed} with another schedule, {gone} gone.")?;
    Ok(gone == 0)
}

/// What has become of a violation.
enum Replayed {
    Same,
    /// It has this schedule now.
    Other(String),
    Gone(&'static str),
}

fn replayed(known: &[Scenario], entry: &Entry) -> Replayed {
    let Ok(scenario) = select::named(known, &entry.scenario) else {
        return Replayed::Gone("there is no such scenario any more");
    };
    let schedule = entry.schedule.parse::<Schedule>().ok();
    let found = schedule.and_then(|schedule| scenario.replay(&schedule).ok()).unwrap_or_default();
    if found.iter().any(|found| found.violation.kind.to_string() == entry.violation) {
        return Replayed::Same;
    }
    let again = explored(&scenario).into_iter().find(|again| again.violation == entry.violation);
    again.map_or(Replayed::Gone("not violated any more"), |again| Replayed::Other(again.schedule))
}

fn read(file: &Path) -> Result<Vec<Entry>, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    let parse = |(number, line): (usize, &str)| {
        let entry = serde_json::from_str::<Entry>(line)
            .map_err(|error| format!("{name}, line {}: not a record: {error}", number + 1))?;
        match entry.format == FORMAT && entry.schedule.parse::<Schedule>().is_ok() {
            true => Ok(entry),
            false => Err(format!("{name}, line {}: of another format", number + 1)),
        }
    };
    text.lines().enumerate().map(parse).collect()
}

/// Replaces the file as a whole.
fn write(file: &Path, entries: &[Entry]) -> Result<(), String> {
    let lines = || -> io::Result<String> {
        let lines: Result<Vec<String>, _> = entries.iter().map(serde_json::to_string).collect();
        Ok(lines?.into_iter().map(|line| line + "\n").collect())
    };
    lines()
        .and_then(|text| fs::write(file, text))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
}
