//! `selvedge merge`: the shards of a search, combined into one verdict.
//!
//! One shard proves nothing. All of them together do, if each is there once, was explored to its
//! end, and is of the same search of the same program. Input that leaves a doubt of that is
//! rejected with its place, and nothing is printed. A shard that reached a limit is accepted, but
//! there is no proof with it.

mod shard;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use selvedge_core::{Counterexample, Engine, Found, Scenario, ViolationKind};

use crate::app::Outcome;
use crate::cli::Merge;
use crate::json::{self, Inversion, VerdictRecord};
use crate::table::{Row, Table};
use crate::{Failure, Known};
use shard::ShardResult;

/// The number of missing shards that are named.
const NAMED: usize = 8;

/// Merges the shards in the files, and returns whether the verdicts are as expected.
pub(crate) fn merge(
    known: &Known,
    options: &Merge,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let known = known.all();
    let verdicts = verdicts(&options.files, &known).map_err(Failure::Usage)?;
    let mut outcome = Outcome::default();
    verdicts.iter().for_each(|(record, _)| outcome.add(record));
    if options.json {
        for (record, _) in &verdicts {
            record.write(out)?;
        }
    } else {
        let mut table = Table::default();
        for (record, reasons) in verdicts {
            table.push(Row::new(record, reasons));
        }
        table.write(0, out)?;
    }
    Ok(outcome)
}

/// Returns a record for each scenario that has shards, with the reasons of its violations.
fn verdicts(
    files: &[PathBuf],
    known: &[Scenario],
) -> Result<Vec<(VerdictRecord, Vec<String>)>, String> {
    let mut shards: BTreeMap<String, Vec<ShardResult>> = BTreeMap::new();
    for file in files {
        for shard in shard::read(file, known)? {
            shards.entry(shard.record.scenario.clone()).or_default().push(shard);
        }
    }
    let mut verdicts = Vec::new();
    for scenario in known {
        if let Some(shards) = shards.get(scenario.name()) {
            check_whole(shards)?;
            let findings = findings(shards);
            let reasons = findings.values().map(|found| found.violation.reason.clone()).collect();
            verdicts.push((merged(scenario, shards, &findings), reasons));
        }
    }
    Ok(verdicts)
}

/// Checks that these are all shards of one search, each once.
fn check_whole(shards: &[ShardResult]) -> Result<(), String> {
    for (number, shard) in shards.iter().enumerate() {
        for other in &shards[..number] {
            shard.check_fits(other)?;
        }
    }
    let ShardResult { place, record, shard, .. } = &shards[0];
    let is_missing = |number: &u32| shards.iter().all(|shard| shard.shard.number() != *number);
    let mut missing = (1..=shard.of()).filter(is_missing);
    let mut named: Vec<String> =
        missing.by_ref().take(NAMED).map(|number| format!("{number}/{}", shard.of())).collect();
    if named.is_empty() {
        return Ok(());
    }
    named.extend(missing.next().map(|_| "more".to_owned()));
    let named = named.join(", ");
    Err(format!("{place}: shard {shard} of {}; missing: {named}", record.scenario))
}

/// Returns the shortest counterexample of each kind.
fn findings(shards: &[ShardResult]) -> BTreeMap<&ViolationKind, &Counterexample> {
    let mut findings = BTreeMap::new();
    for found in shards.iter().flat_map(|shard| &shard.counterexamples) {
        let shortest = findings.entry(&found.violation.kind).or_insert(found);
        if found.schedule.len() < shortest.schedule.len() {
            *shortest = found;
        }
    }
    findings
}

/// Returns the record that `verify` might have written for the whole search.
fn merged(
    scenario: &Scenario,
    shards: &[ShardResult],
    findings: &BTreeMap<&ViolationKind, &Counterexample>,
) -> VerdictRecord {
    // A violation that is not a deadlock stops an execution that might have shown another.
    let only_deadlocks = findings.keys().all(|kind| matches!(kind, ViolationKind::Deadlock(_)));
    let undone = shards.iter().find(|shard| !shard.done);
    let complete = undone.is_none() && only_deadlocks;
    let found = match undone {
        _ if !findings.is_empty() => "refuted",
        Some(_) => "inconclusive",
        None => "proved",
    };
    let reason = match undone {
        Some(ShardResult { shard, record, .. }) => {
            let reason = record.reason.as_deref().unwrap_or("it was not explored to its end");
            Some(format!("shard {shard}: {reason}"))
        }
        None if complete => None,
        None => Some("a violation may have stopped executions with other interleavings".to_owned()),
    };
    let lockdep = inversions(shards, findings, found == "proved");
    let all_found = Found {
        violations: findings.keys().copied().collect(),
        inversions: lockdep.iter().map(|inversion| inversion.classes.clone()).collect(),
        complete,
        thorough: only_deadlocks,
    };
    let mut violations = findings.iter().map(|(kind, found)| json::Violation {
        violation: kind.to_string(),
        schedule: found.schedule.to_string(),
    });
    VerdictRecord {
        format: json::FORMAT,
        scenario: scenario.name().to_owned(),
        engine: Engine::Native.to_string(),
        search: shards[0].record.search.clone(),
        expected: json::expected(scenario, Engine::Native).to_owned(),
        found: json::found(found, &lockdep).to_owned(),
        as_expected: scenario.claim_on(Engine::Native).fits(&all_found),
        complete,
        executions: shards.iter().map(|shard| shard.record.executions).sum(),
        seconds: shards.iter().map(|shard| shard.record.seconds).sum(),
        states: None,
        unreduced_states: None,
        views: None,
        traces: shards.iter().map(|shard| shard.record.traces).sum(),
        digest: digest(shards).map(json::hex),
        shard: None,
        refuted: violations.next(),
        reason,
        instance: None,
        also: violations.collect(),
        lockdep,
        preconditions: all(shards.iter().map(|shard| &shard.record.preconditions)),
        remarks: all(shards.iter().map(|shard| &shard.record.remarks)),
        same_as: None,
    }
}

/// Returns the lines of all shards, each once, in the order of the first occurrence.
fn all<'a>(lines: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for record in lines.flatten() {
        if !all.contains(record) {
            all.push(record.clone());
        }
    }
    all
}

/// No trace is in two shards, so the sum is the digest of the whole.
fn digest(shards: &[ShardResult]) -> Option<u64> {
    shards.iter().try_fold(0_u64, |sum, shard| Some(sum.wrapping_add(shard.digest?)))
}

/// Returns what any shard has predicted. A prediction is infeasible if no shard found a violation.
fn inversions(
    shards: &[ShardResult],
    findings: &BTreeMap<&ViolationKind, &Counterexample>,
    proved: bool,
) -> Vec<Inversion> {
    let predicted = shards.iter().flat_map(|shard| &shard.record.lockdep);
    let predicted: BTreeSet<&Vec<String>> = predicted.map(|inversion| &inversion.classes).collect();
    let classify = |classes: &Vec<String>| {
        let classification = match findings.contains_key(&ViolationKind::Deadlock(classes.clone()))
        {
            true => "feasible",
            false if proved => "infeasible",
            false => "open",
        };
        Inversion { classes: classes.clone(), classification: classification.to_owned() }
    };
    predicted.into_iter().map(classify).collect()
}
