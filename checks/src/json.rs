//! `--json`: one object per line. The form is a contract, described in the README.

use std::io::{self, Write};
use std::time::Duration;

use selvedge_core::{Report, Scenario, Verdict};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    engine: &'a str,
    expected: &'a str,
    found: &'a str,
    as_expected: bool,
    complete: bool,
    executions: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<Also>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lockdep: Vec<Inversion>,
}

/// A further violation of the same scenario.
#[derive(Serialize)]
struct Also {
    violation: String,
    schedule: String,
}

/// A predicted lock-order inversion.
#[derive(Serialize)]
struct Inversion {
    classes: Vec<String>,
    settled: &'static str,
}

pub(crate) fn write(
    scenario: &Scenario,
    report: &Report,
    elapsed: Duration,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut line = Line {
        scenario: scenario.name(),
        engine: report.engine.as_str(),
        expected: report.expected().as_str(),
        found: report.verdict.as_str(),
        as_expected: report.as_expected(),
        complete: report.complete,
        executions: report.executions,
        seconds: elapsed.as_secs_f64(),
        states: None,
        digest: None,
        traces: None,
        violation: None,
        schedule: None,
        reason: report.stopped.as_deref(),
        also: Vec::new(),
        lockdep: report.predictions.iter().map(inversion).collect(),
    };
    match &report.verdict {
        Verdict::Proved(certificate) => {
            line.states = certificate.states;
            line.traces = certificate.traces;
            line.digest = certificate.digest.map(|digest| format!("{digest:016x}"));
        }
        Verdict::Refuted(found) => {
            let mut found = found.iter().map(|found| Also {
                violation: found.violation.kind.to_string(),
                schedule: found.schedule.to_string(),
            });
            if let Some(first) = found.next() {
                line.violation = Some(first.violation);
                line.schedule = Some(first.schedule);
            }
            line.also = found.collect();
        }
        Verdict::Inconclusive { .. } => {}
    }
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

fn inversion(prediction: &selvedge_core::Prediction) -> Inversion {
    let classes = prediction.inversion.classes();
    Inversion { classes, settled: prediction.settled.as_str() }
}
