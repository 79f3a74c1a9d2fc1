//! The trace event format of Chrome, which Perfetto opens.
//!
//! "Trace Event Format", N. Duca and D. Sinclair: complete events (`X`) with times in microseconds,
//! and metadata (`M`) for the names of tracks.

use std::io;

use serde_json::{Value, json};

use crate::json::ExecutionRecord;

/// The length of an operation, in microseconds.
const STEP: usize = 1_000;

/// The process of the threads, and that of the locks.
const THREADS: u32 = 1;
const LOCKS: u32 = 2;

/// Returns the trace of a counterexample.
pub(super) fn trace(found: &ExecutionRecord) -> io::Result<String> {
    let mut events = vec![named("process_name", THREADS, 0, "threads")];
    for (number, name) in found.threads.iter().enumerate() {
        events.push(named("thread_name", THREADS, number, name));
    }
    for (at, step) in found.steps.iter().enumerate() {
        events.push(json!({
            "ph": "X", "pid": THREADS, "tid": step.thread, "ts": at * STEP, "dur": STEP,
            "name": step.operation, "cat": "operation",
            "args": { "step": at + 1, "function": step.function, "file": step.file,
                "line": step.line, "held": step.held },
        }));
    }
    let end = found.steps.len();
    for wait in &found.waits {
        let thread = found.threads.iter().position(|name| *name == wait.thread);
        events.push(json!({
            "ph": "X", "pid": THREADS, "tid": thread, "ts": end * STEP, "dur": STEP,
            "name": format!("waits for {}", wait.wants), "cat": "wait",
            "args": { "at": wait.at, "waits_for": wait.waits_for },
        }));
    }
    events.extend(locks(found));
    Ok(serde_json::to_string(&json!({ "traceEvents": events, "displayTimeUnit": "ms",
        "otherData": { "violation": found.violation, "schedule": found.schedule } }))?)
}

/// Returns a track for each lock, with the spans in which a thread holds it.
fn locks(found: &ExecutionRecord) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for held in found.steps.iter().flat_map(|step| &step.held) {
        if !names.contains(&held.as_str()) {
            names.push(held);
        }
    }
    let mut events = vec![named("process_name", LOCKS, 0, "locks")];
    for (number, name) in names.iter().enumerate() {
        events.push(named("thread_name", LOCKS, number, name));
        for (thread, holder) in found.threads.iter().enumerate() {
            for (from, to) in spans(found, thread, name) {
                events.push(json!({
                    "ph": "X", "pid": LOCKS, "tid": number, "ts": from * STEP,
                    "dur": (to - from) * STEP, "name": holder, "cat": "lock",
                }));
            }
        }
    }
    events
}

/// Returns when `thread` holds `lock`, as steps from 0.
fn spans(found: &ExecutionRecord, thread: usize, lock: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut since = None;
    let mine = found.steps.iter().enumerate().filter(|(_, step)| step.thread == thread);
    for (at, step) in mine {
        match (since, step.held.iter().any(|held| held == lock)) {
            (None, true) => since = Some(at),
            (Some(from), false) => {
                spans.push((from, at + 1));
                since = None;
            }
            _ => {}
        }
    }
    spans.extend(since.map(|from| (from, found.steps.len() + 1)));
    spans
}

fn named(what: &str, process: u32, thread: usize, name: &str) -> Value {
    json!({ "ph": "M", "pid": process, "tid": thread, "name": what, "args": { "name": name } })
}
