//! `selvedge merge`: the shares of a search, put together into one verdict.
//!
//! A share alone proves nothing. All of them do, if they are all: each there once, explored to its
//! end, and of the same search of the same program. Whatever leaves a doubt of that is refused
//! with its place and nothing is printed: files that do not belong together have no verdict. A
//! share that hit a limit is no reason to refuse, but there is no proof with it.

mod share;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use selvedge_core::{Counterexample, Engine, Found, Scenario, ViolationKind};

use crate::cli::Merge;
use crate::json::{self, Inversion, Line};
use crate::table::{Row, Table};
use crate::{Failure, everything};
use share::Share;

/// How many missing shares are named.
const NAMED: usize = 8;

/// Merges the shares in the files; whether every verdict is as expected.
pub(crate) fn merge(options: &Merge, out: &mut impl Write) -> Result<bool, Failure> {
    let known = everything();
    let verdicts = verdicts(&options.files, &known).map_err(Failure::Usage)?;
    let all = verdicts.iter().all(|(line, _)| line.as_expected);
    if options.json {
        for (line, _) in &verdicts {
            line.write(out)?;
        }
    } else {
        let mut table = Table::default();
        for (line, reasons) in verdicts {
            table.push(Row::new(line, reasons));
        }
        table.write(out)?;
    }
    Ok(all)
}

/// A line for each scenario that has shares, with the reasons of its violations.
fn verdicts(files: &[PathBuf], known: &[Scenario]) -> Result<Vec<(Line, Vec<String>)>, String> {
    let mut shares: BTreeMap<String, Vec<Share>> = BTreeMap::new();
    for file in files {
        for share in share::read(file, known)? {
            shares.entry(share.line.scenario.clone()).or_default().push(share);
        }
    }
    let mut verdicts = Vec::new();
    for scenario in known {
        if let Some(shares) = shares.get(scenario.name()) {
            insist_on_a_whole(shares)?;
            let findings = findings(shares);
            let reasons = findings.values().map(|found| found.violation.reason.clone()).collect();
            verdicts.push((merged(scenario, shares, &findings), reasons));
        }
    }
    Ok(verdicts)
}

/// That these are all shares of one search, each once; or what is wrong.
fn insist_on_a_whole(shares: &[Share]) -> Result<(), String> {
    for (number, share) in shares.iter().enumerate() {
        for other in &shares[..number] {
            share.insist_on_fitting(other)?;
        }
    }
    let Share { place, line, shard, .. } = &shares[0];
    let is_missing = |number: &u32| shares.iter().all(|share| share.shard.number() != *number);
    let mut missing = (1..=shard.of()).filter(is_missing);
    let mut named: Vec<String> =
        missing.by_ref().take(NAMED).map(|number| format!("{number}/{}", shard.of())).collect();
    if named.is_empty() {
        return Ok(());
    }
    named.extend(missing.next().map(|_| "more".to_owned()));
    let named = named.join(", ");
    Err(format!("{place}: share {shard} of {}; missing: {named}", line.scenario))
}

/// The shortest counterexample of each kind.
fn findings(shares: &[Share]) -> BTreeMap<&ViolationKind, &Counterexample> {
    let mut findings = BTreeMap::new();
    for found in shares.iter().flat_map(|share| &share.counterexamples) {
        let shortest = findings.entry(&found.violation.kind).or_insert(found);
        if found.schedule.len() < shortest.schedule.len() {
            *shortest = found;
        }
    }
    findings
}

/// The line that `verify` might have written, had it explored all of it.
fn merged(
    scenario: &Scenario,
    shares: &[Share],
    findings: &BTreeMap<&ViolationKind, &Counterexample>,
) -> Line {
    // What is no deadlock stops an execution, which might have shown something else.
    let only_deadlocks = findings.keys().all(|kind| matches!(kind, ViolationKind::Deadlock(_)));
    let undone = shares.iter().find(|share| !share.done);
    let complete = undone.is_none() && only_deadlocks;
    let found = match undone {
        _ if !findings.is_empty() => "refuted",
        Some(_) => "inconclusive",
        None => "proved",
    };
    let reason = match undone {
        Some(Share { shard, line, .. }) => {
            let reason = line.reason.as_deref().unwrap_or("it was not explored to its end");
            Some(format!("share {shard}: {reason}"))
        }
        None if complete => None,
        None => Some("a violation may have stopped executions with other orderings".to_owned()),
    };
    let lockdep = inversions(shares, findings, found == "proved");
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
    Line {
        scenario: scenario.name().to_owned(),
        engine: Engine::Native.to_string(),
        strategy: shares[0].line.strategy.clone(),
        expected: json::expected(scenario, Engine::Native).to_owned(),
        found: json::found(found, &lockdep).to_owned(),
        as_expected: scenario.claim_on(Engine::Native).fits(&all_found),
        complete,
        executions: shares.iter().map(|share| share.line.executions).sum(),
        seconds: shares.iter().map(|share| share.line.seconds).sum(),
        states: None,
        traces: shares.iter().map(|share| share.line.traces).sum(),
        digest: digest(shares).map(json::hex),
        share: None,
        refuted: violations.next(),
        reason,
        also: violations.collect(),
        lockdep,
        given: all(shares.iter().map(|share| &share.line.given)),
        remarks: all(shares.iter().map(|share| &share.line.remarks)),
    }
}

/// What any share says, each line once, in the order in which it comes first.
fn all<'a>(lines: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in lines.flatten() {
        if !all.contains(line) {
            all.push(line.clone());
        }
    }
    all
}

/// No trace is in two shares, so the sum is that of the whole.
fn digest(shares: &[Share]) -> Option<u64> {
    shares.iter().try_fold(0_u64, |sum, share| Some(sum.wrapping_add(share.digest?)))
}

/// What any share has predicted. It is infeasible if nothing is violated, in none of them.
fn inversions(
    shares: &[Share],
    findings: &BTreeMap<&ViolationKind, &Counterexample>,
    proved: bool,
) -> Vec<Inversion> {
    let predicted = shares.iter().flat_map(|share| &share.line.lockdep);
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
