//! One shard of the interleavings of a scenario, as it was read.
//!
//! Its violations are not trusted: each schedule is replayed.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use selvedge_core::{Counterexample, Scenario, Schedule, Shard};

use crate::json::{self, VerdictRecord, Violation};
use crate::select;

/// Where a shard was read.
pub(super) struct Place {
    file: String,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)
    }
}

/// A shard of the interleavings of one scenario.
pub(super) struct ShardResult {
    pub(super) place: Place,
    pub(super) record: VerdictRecord,
    pub(super) shard: Shard,
    /// The number of subtrees of all shards together, if this one has reached the last.
    subtrees: Option<u64>,
    /// The number of the program, if the shard has reached a subtree.
    program: Option<String>,
    pub(super) done: bool,
    pub(super) digest: Option<u64>,
    pub(super) counterexamples: Vec<Counterexample>,
}

/// Reads the shards in a file.
pub(super) fn read(file: &Path, known: &[Scenario]) -> Result<Vec<ShardResult>, String> {
    let (name, text) = match file.to_str() {
        Some("-") => ("standard input".to_owned(), io::read_to_string(io::stdin())),
        _ => (file.display().to_string(), fs::read_to_string(file)),
    };
    let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut shards = Vec::new();
    for (number, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let place = Place { file: name.clone(), line: number + 1 };
        let at = place.to_string();
        let shard =
            ShardResult::parse(place, text, known).map_err(|error| format!("{at}: {error}"))?;
        shards.push(shard);
    }
    if shards.is_empty() { Err(format!("{name} has no shard in it")) } else { Ok(shards) }
}

impl ShardResult {
    fn parse(place: Place, text: &str, known: &[Scenario]) -> Result<Self, String> {
        let record: VerdictRecord = serde_json::from_str(text)
            .map_err(|error| format!("not a record of `verify --json`: {}", what(&error)))?;
        let scenario = select::named(known, &record.scenario)?;
        let (Some(part), Some(_)) = (&record.shard, &record.search) else {
            return Err("not a shard, as `verify --shard` writes them".to_owned());
        };
        if part.sources != json::hex(json::SOURCES) {
            return Err(
                "the sources of the models or of the engine have changed since it was explored"
                    .to_owned(),
            );
        }
        let shard = part.shard.parse::<Shard>().map_err(|error| error.to_string())?;
        let digest = record.digest.as_deref().map(|digest| u64::from_str_radix(digest, 16));
        let digest = digest.transpose().map_err(|error| format!("`digest`: {error}"))?;
        if part.done && (record.traces.is_none() || digest.is_none()) {
            return Err(
                "a shard that is done has `traces` and `digest`; this one lacks them".to_owned()
            );
        }
        // Sums of these would be no numbers of a search.
        let possible = record.executions < 1 << 48 && (0.0..1e12).contains(&record.seconds);
        if !possible {
            return Err("`executions` or `seconds` is no number that a search has".to_owned());
        }
        if (record.found == "refuted") != record.refuted.is_some() {
            return Err("`found` and `violation` contradict each other".to_owned());
        }
        Ok(Self {
            shard,
            subtrees: part.done.then_some(part.subtrees),
            program: (part.subtrees > 0).then(|| part.program.clone()),
            done: part.done,
            digest,
            counterexamples: counterexamples(&record, &scenario)?,
            place,
            record,
        })
    }

    /// Checks that this and `other` can be shards of the same search.
    pub(super) fn check_fits(&self, other: &Self) -> Result<(), String> {
        let of = |shard: &Self| Some(shard.shard.of().to_string());
        let subtrees = |shard: &Self| shard.subtrees.map(|subtrees| subtrees.to_string());
        for (what, here, there) in [
            ("number of shards", of(self), of(other)),
            ("search", self.record.search.clone(), other.record.search.clone()),
            ("program", self.program.clone(), other.program.clone()),
            ("number of subtrees", subtrees(self), subtrees(other)),
        ] {
            if let (Some(here), Some(there)) = (here, there)
                && here != there
            {
                return Err(format!(
                    "{}: shard {} of {} has another {what} ({here}) than shard {} in {} ({there})",
                    self.place, self.shard, self.record.scenario, other.shard, other.place
                ));
            }
        }
        if self.shard == other.shard {
            return Err(format!(
                "{}: shard {} of {} is duplicated; it is in {} too",
                self.place, self.shard, self.record.scenario, other.place
            ));
        }
        Ok(())
    }
}

/// Replays the schedules of the record and returns the violations that it names.
fn counterexamples(
    record: &VerdictRecord,
    scenario: &Scenario,
) -> Result<Vec<Counterexample>, String> {
    let replay = |claim: &Violation| {
        let Violation { violation, schedule } = claim;
        let schedule: Schedule =
            schedule.parse().map_err(|error| format!("`schedule`: {error}"))?;
        let found = scenario.replay(&schedule).unwrap_or_default();
        let found = found.into_iter().find(|found| found.violation.kind.to_string() == *violation);
        found.ok_or_else(|| format!("schedule {schedule} does not show {violation}"))
    };
    record.refuted.iter().chain(&record.also).map(replay).collect()
}

/// Returns the error without its position, which counts lines from the record.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
