//! `--json`: one object per line. `docs/cli.md` describes the format, which is a contract.

use std::io::{self, Write};
use std::time::Duration;

use selvedge_core::{
    Counterexample, Engine, Expectation, Incomplete, Prediction, Report, Scenario, Step, Wait,
};
use serde::{Deserialize, Serialize};

/// The version of the format. It changes when a field changes its name or its meaning.
pub(crate) const FORMAT: u32 = 1;

/// A scenario on an engine, or one shard of it. The table and the matrix are made from it too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VerdictRecord {
    pub(crate) format: u32,
    pub(crate) scenario: String,
    pub(crate) engine: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<String>,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) as_expected: bool,
    pub(crate) complete: bool,
    pub(crate) executions: u64,
    pub(crate) seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) states: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unreduced_states: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) views: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traces: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    #[serde(flatten)]
    pub(crate) shard: Option<ShardRecord>,
    #[serde(flatten)]
    pub(crate) refuted: Option<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The scenario of the schedules, where any number of threads run a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) also: Vec<Violation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lockdep: Vec<Inversion>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) preconditions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) remarks: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) same_as: Option<String>,
}

/// What makes a record one of a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShardRecord {
    pub(crate) shard: String,
    pub(crate) subtrees: u64,
    pub(crate) program: String,
    /// The number of the sources that were explored.
    pub(crate) sources: String,
    pub(crate) done: bool,
}

/// The number of the sources of the models and the engine.
pub(crate) const SOURCES: u64 = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// A violation and its schedule.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Violation {
    pub(crate) violation: String,
    pub(crate) schedule: String,
}

/// A predicted lock-order inversion.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Inversion {
    pub(crate) classes: Vec<String>,
    pub(crate) classification: String,
}

impl VerdictRecord {
    pub(crate) fn new(scenario: &Scenario, report: &Report, elapsed: Duration) -> Self {
        let mut violations = report.verdict.counterexamples().iter().map(|found| Violation {
            violation: found.violation.kind.to_string(),
            schedule: found.schedule.to_string(),
        });
        let lockdep: Vec<Inversion> = report.predictions.iter().map(Inversion::new).collect();
        Self {
            format: FORMAT,
            scenario: scenario.name().to_owned(),
            engine: report.engine.to_string(),
            search: report.search.map(|search| search.to_string()),
            expected: expected(scenario, report.engine).to_owned(),
            found: found(report.verdict.as_str(), &lockdep).to_owned(),
            as_expected: report.as_expected(),
            complete: report.complete,
            executions: report.executions,
            seconds: elapsed.as_secs_f64(),
            states: report.fingerprint.states,
            unreduced_states: report.fingerprint.unreduced_states,
            views: report.fingerprint.views,
            traces: report.fingerprint.traces,
            digest: report.fingerprint.digest.map(hex),
            shard: report.shard.map(|part| ShardRecord {
                shard: part.shard.to_string(),
                subtrees: part.subtrees,
                program: hex(part.program),
                sources: hex(SOURCES),
                done: part.done,
            }),
            refuted: violations.next(),
            reason: report.stopped.as_ref().map(Incomplete::to_string),
            instance: report.instance().map(|instance| instance.name().to_owned()),
            also: violations.collect(),
            lockdep,
            preconditions: report.preconditions.iter().map(|text| (*text).to_owned()).collect(),
            remarks: report.remarks.clone(),
            same_as: None,
        }
    }

    /// Whether the verdict contradicts the expectation.
    pub(crate) fn is_wrong(&self) -> bool {
        !self.as_expected && self.found != "inconclusive"
    }

    /// Whether there is no verdict, and one was expected.
    pub(crate) fn is_missing(&self) -> bool {
        !self.as_expected && self.found == "inconclusive"
    }

    /// Expects a proof of a scenario that states nothing. Lock orders that cannot deadlock in it
    /// are none of its claims.
    pub(crate) fn expect_proof_if_unstated(&mut self) {
        if self.expected == Expectation::Unstated.as_str() {
            self.as_expected = matches!(self.found.as_str(), "proved" | LOCKDEP_ONLY);
            self.expected = if self.as_expected { self.found.clone() } else { "proved".to_owned() };
        }
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write_line(self, out)
    }
}

impl Inversion {
    fn new(prediction: &Prediction) -> Self {
        let classes = prediction.inversion.classes();
        Self { classes, classification: prediction.classification.as_str().to_owned() }
    }
}

/// A scenario, as `list --json` prints it.
#[derive(Serialize)]
pub(crate) struct ScenarioRecord<'a> {
    format: u32,
    scenario: &'a str,
    about: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
    threads: Vec<&'a str>,
    expected: String,
    inversions: &'a [Vec<String>],
}

impl<'a> ScenarioRecord<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        Self {
            format: FORMAT,
            scenario: scenario.name(),
            about: scenario.about(),
            source: scenario.source(),
            threads: scenario.threads().collect(),
            expected: scenario.expected(Engine::Native).to_string(),
            inversions: scenario.expected_inversions(),
        }
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write_line(self, out)
    }
}

/// A scenario and its counterexamples, operation by operation, as `explain --json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct ExplanationRecord {
    #[serde(flatten)]
    pub(crate) verdict: VerdictRecord,
    about: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    pub(crate) counterexamples: Vec<ExecutionRecord>,
    /// What lockdep would report, as it would print it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    predictions: Vec<String>,
}

impl ExplanationRecord {
    pub(crate) fn new(
        scenario: &Scenario,
        report: &Report,
        elapsed: Duration,
        found: &[&Counterexample],
    ) -> Self {
        Self {
            verdict: VerdictRecord::new(scenario, report, elapsed),
            about: scenario.about().to_owned(),
            source: scenario.source().to_owned(),
            predictions: report.predictions.iter().map(|p| p.inversion.to_string()).collect(),
            counterexamples: found.iter().map(|found| ExecutionRecord::new(found)).collect(),
        }
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write_line(self, out)
    }
}

/// The log of a counterexample, of which every view is made.
#[derive(Debug, Serialize)]
pub(crate) struct ExecutionRecord {
    pub(crate) violation: String,
    pub(crate) reason: String,
    pub(crate) schedule: String,
    pub(crate) threads: Vec<String>,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) waits: Vec<WaitRecord>,
    /// The step from which on the execution repeats, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) again_from: Option<usize>,
    /// The steps as lines of text.
    #[serde(skip)]
    pub(crate) text: String,
}

/// One step of a counterexample.
#[derive(Debug, Serialize)]
pub(crate) struct StepRecord {
    pub(crate) thread: usize,
    pub(crate) operation: String,
    pub(crate) object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<&'static str>,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) held: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) switch: Option<String>,
    pub(crate) is_cause: bool,
}

/// A thread that waits for good at the end.
#[derive(Debug, Serialize)]
pub(crate) struct WaitRecord {
    pub(crate) thread: String,
    pub(crate) wants: String,
    pub(crate) at: String,
    pub(crate) waits_for: Vec<String>,
    pub(crate) on_cycle: bool,
}

impl ExecutionRecord {
    pub(crate) fn new(found: &Counterexample) -> Self {
        let Counterexample { violation, schedule, trace } = found;
        let step = |step: &Step| StepRecord {
            thread: step.thread,
            operation: step.to_string(),
            object: step.object.clone(),
            function: step.function,
            file: step.file,
            line: step.line,
            held: step.held.clone(),
            switch: step.switch.as_ref().map(ToString::to_string),
            is_cause: step.is_cause,
        };
        let wait = |wait: &Wait| WaitRecord {
            thread: wait.thread.clone(),
            wants: wait.wants.clone(),
            at: wait.at.clone(),
            waits_for: wait.waits_for.clone(),
            on_cycle: wait.on_cycle,
        };
        Self {
            violation: violation.kind.to_string(),
            reason: violation.reason.clone(),
            schedule: schedule.to_string(),
            threads: trace.threads.clone(),
            steps: trace.steps.iter().map(step).collect(),
            waits: violation.waits.iter().map(wait).collect(),
            again_from: violation.again_from,
            text: trace.to_string(),
        }
    }
}

fn write_line(record: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    writeln!(out)
}

/// Proved, though lockdep would report a cycle: a verdict of its own.
const LOCKDEP_ONLY: &str = "lockdep-only";

/// Returns the word for the verdict that is expected of an engine.
pub(crate) fn expected(scenario: &Scenario, engine: Engine) -> &'static str {
    match scenario.expected(engine) {
        Expectation::Proved if !scenario.expected_inversions().is_empty() => LOCKDEP_ONLY,
        expected => expected.as_str(),
    }
}

/// Returns the word for a verdict, given what lockdep would report.
pub(crate) fn found(verdict: &'static str, lockdep: &[Inversion]) -> &'static str {
    let infeasible = |inversion: &Inversion| inversion.classification == "infeasible";
    match verdict {
        "proved" if lockdep.iter().any(infeasible) => LOCKDEP_ONLY,
        verdict => verdict,
    }
}

/// Returns a digest as it is written.
pub(crate) fn hex(number: u64) -> String {
    format!("{number:016x}")
}
