//! SARIF 2.1.0 (OASIS, 2020), which code hosts show beside the lines of the models.

use std::io;

use serde_json::{Value, json};

use crate::json::{ExecutionRecord, ExplanationRecord, StepRecord};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/\
                      sarif-schema-2.1.0.json";

/// Returns the log: a result for each counterexample, and one for each other verdict that is not as
/// expected.
pub(super) fn log(verdicts: &[ExplanationRecord]) -> io::Result<String> {
    let results: Vec<Value> = verdicts.iter().flat_map(results).collect();
    let mut rules: Vec<&str> =
        results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<Value> = rules.iter().map(|rule| json!({ "id": rule })).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "selvedge", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    Ok(serde_json::to_string(&log)?)
}

fn results(record: &ExplanationRecord) -> Vec<Value> {
    let verdict = &record.verdict;
    let mut results: Vec<Value> =
        record.counterexamples.iter().map(|found| violated(record, found)).collect();
    if results.is_empty() && !verdict.as_expected {
        let reason = verdict.reason.clone().unwrap_or_default();
        let text = format!(
            "{}: expected {}, found {}. {reason}",
            verdict.scenario, verdict.expected, verdict.found
        );
        results.push(json!({
            "ruleId": verdict.found, "level": "error", "message": { "text": text.trim_end() },
        }));
    }
    results
}

fn violated(record: &ExplanationRecord, found: &ExecutionRecord) -> Value {
    // The rule is the kind: what is in parentheses differs between results.
    let rule = found.violation.split('(').next().unwrap_or_default();
    let expected = record.verdict.as_expected;
    let flows: Vec<Value> =
        (0..found.threads.len()).filter_map(|thread| flow(found, thread)).collect();
    let last = found.steps.last().map(location);
    let mut result = json!({
        "ruleId": rule,
        "level": if expected { "note" } else { "error" },
        "message": { "text": format!("{}: {}", record.verdict.scenario, found.reason) },
        "locations": last.into_iter().collect::<Vec<Value>>(),
        "codeFlows": [{ "threadFlows": flows }],
        "partialFingerprints": {
            "selvedge/v1": format!("{}:{}", record.verdict.scenario, found.violation),
        },
    });
    if expected {
        let justification = "the scenario expects this violation";
        result["suppressions"] = json!([{ "kind": "inSource", "justification": justification }]);
    }
    result
}

/// Returns the steps of a thread, if it has any. Their numbers order them among all threads.
fn flow(found: &ExecutionRecord, thread: usize) -> Option<Value> {
    let steps = found.steps.iter().enumerate().filter(|(_, step)| step.thread == thread);
    let locations: Vec<Value> = steps
        .map(|(at, step)| {
            let mut location = location(step);
            location["message"] = json!({ "text": step.operation });
            json!({
                "location": location,
                "executionOrder": at + 1,
                "importance": if step.is_cause { "important" } else { "unimportant" },
            })
        })
        .collect();
    let name = &found.threads[thread];
    (!locations.is_empty())
        .then(|| json!({ "id": name, "message": { "text": name }, "locations": locations }))
}

fn location(step: &StepRecord) -> Value {
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": { "uri": step.file.replace('\\', "/") },
        "region": { "startLine": step.line.max(1) },
    } });
    if let Some(function) = step.function {
        location["logicalLocations"] = json!([{ "name": function, "kind": "function" }]);
    }
    location
}
