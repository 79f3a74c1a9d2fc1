//! One share of the orderings of a scenario, as it was read.
//!
//! What it says was violated is not taken from it: the schedule is replayed here.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use selvedge_core::{Counterexample, Scenario, Schedule, Shard};

use crate::json::{self, Line, Violation};
use crate::select;

/// Where a share was read.
pub(super) struct Place {
    file: String,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)
    }
}

/// A share of the orderings of one scenario.
pub(super) struct Share {
    pub(super) place: Place,
    pub(super) line: Line,
    pub(super) shard: Shard,
    /// How many parts all shares have together, if this one has come to the last.
    parts: Option<u64>,
    /// Which program it is, if it has come to a part.
    program: Option<String>,
    pub(super) done: bool,
    pub(super) digest: Option<u64>,
    pub(super) counterexamples: Vec<Counterexample>,
}

/// The shares in a file.
pub(super) fn read(file: &Path, known: &[Scenario]) -> Result<Vec<Share>, String> {
    let (name, text) = match file.to_str() {
        Some("-") => ("standard input".to_owned(), io::read_to_string(io::stdin())),
        _ => (file.display().to_string(), fs::read_to_string(file)),
    };
    let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut shares = Vec::new();
    for (number, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let place = Place { file: name.clone(), line: number + 1 };
        let at = place.to_string();
        let share = Share::parse(place, text, known).map_err(|error| format!("{at}: {error}"))?;
        shares.push(share);
    }
    if shares.is_empty() { Err(format!("{name}: there is no share in it")) } else { Ok(shares) }
}

impl Share {
    fn parse(place: Place, text: &str, known: &[Scenario]) -> Result<Self, String> {
        let line: Line = serde_json::from_str(text)
            .map_err(|error| format!("not what `verify --json` writes: {}", what(&error)))?;
        let scenario = select::named(known, &line.scenario)?;
        let (Some(share), Some(_)) = (&line.share, &line.strategy) else {
            return Err("this is no share, as `verify --shard` writes them".to_owned());
        };
        if share.sources != json::hex(json::SOURCES) {
            return Err("models or engine have changed since it was explored".to_owned());
        }
        let shard = share.shard.parse::<Shard>().map_err(|error| error.to_string())?;
        let digest = line.digest.as_deref().map(|digest| u64::from_str_radix(digest, 16));
        let digest = digest.transpose().map_err(|error| format!("`digest`: {error}"))?;
        if share.done && (line.traces.is_none() || digest.is_none()) {
            return Err("a share that is done has `traces` and `digest`, this has not".to_owned());
        }
        if (line.found == "refuted") != line.refuted.is_some() {
            return Err("`found` and `violation` contradict each other".to_owned());
        }
        Ok(Self {
            shard,
            parts: share.done.then_some(share.parts),
            program: (share.parts > 0).then(|| share.program.clone()),
            done: share.done,
            digest,
            counterexamples: counterexamples(&line, scenario)?,
            place,
            line,
        })
    }

    /// That this and `other` can be shares of the same search, or why not.
    pub(super) fn insist_on_fitting(&self, other: &Self) -> Result<(), String> {
        let of = |share: &Self| Some(share.shard.of().to_string());
        let parts = |share: &Self| share.parts.map(|parts| parts.to_string());
        for (what, here, there) in [
            ("number of shares", of(self), of(other)),
            ("strategy", self.line.strategy.clone(), other.line.strategy.clone()),
            ("program", self.program.clone(), other.program.clone()),
            ("number of parts", parts(self), parts(other)),
        ] {
            if let (Some(here), Some(there)) = (here, there)
                && here != there
            {
                return Err(format!(
                    "{}: foreign: share {} of {} with another {what} ({here}) than share {} in {} \
                     ({there})",
                    self.place, self.shard, self.line.scenario, other.shard, other.place
                ));
            }
        }
        if self.shard == other.shard {
            return Err(format!(
                "{}: share {} of {} is there twice; it is in {} too",
                self.place, self.shard, self.line.scenario, other.place
            ));
        }
        Ok(())
    }
}

/// What the line says was violated, as it is seen when replayed.
fn counterexamples(line: &Line, scenario: &Scenario) -> Result<Vec<Counterexample>, String> {
    let replay = |claim: &Violation| {
        let Violation { violation, schedule } = claim;
        let schedule: Schedule =
            schedule.parse().map_err(|error| format!("`schedule`: {error}"))?;
        let found = scenario.replay(&schedule).unwrap_or_default();
        let found = found.into_iter().find(|found| found.violation.kind.to_string() == *violation);
        found.ok_or_else(|| format!("schedule {schedule} does not show {violation}"))
    };
    line.refuted.iter().chain(&line.also).map(replay).collect()
}

/// The error without its position, which counts lines from the one that it is in.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
