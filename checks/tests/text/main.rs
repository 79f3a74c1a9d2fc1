//! The language of `selvedge check`.

mod arguments;
mod command;
mod errors;
mod examples;
mod grammar;
mod notes;
mod pasted;
mod rust;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use selvedge_checks::text;
use selvedge_core::{Report, Scenario};

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/text")
}

fn selvedge(args: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_selvedge");
    let mut command = Command::new(binary);
    command.args(args).stdin(Stdio::null()).current_dir(examples());
    command.output().expect("the binary runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

/// Returns the only scenario of a text.
fn only(text: &str) -> Scenario {
    match text::parse("t.selvedge", text) {
        Ok(scenarios) => scenarios.into_iter().next().expect("a scenario"),
        Err(error) => panic!("{error}"),
    }
}

/// Returns what the native engine finds: `proved`, or the violations.
fn verdict(text: &str) -> String {
    found(&only(text).verify(selvedge_core::Engine::Native))
}

fn found(report: &Report) -> String {
    let found = report.verdict.counterexamples().iter();
    let kinds: Vec<String> = found.map(|found| found.violation.kind.to_string()).collect();
    match kinds.as_slice() {
        [] => report.verdict.as_str().to_owned(),
        kinds => kinds.join(" and "),
    }
}
