//! Each scenario as a test of `cargo test`.

use std::env;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::slice;

use anstream::adapter::strip_str;
use libtest_mimic::{Arguments, Failed, Trial};
use selvedge_core::{Engine, Report, Scenario, Schedule};

use crate::app::{USAGE, complain};
use crate::lanes::Layout;
use crate::{select, show};

/// The variable with the schedule to replay.
const REPLAY: &str = "SELVEDGE_REPLAY";

/// Runs each scenario as a test on the native engine, with the arguments that `cargo test` and
/// `cargo nextest` pass. It is the `main` of a test target with `harness = false`.
///
/// A test fails if the verdict is not as expected. It prints the counterexamples, the expectation
/// that would hold, and the command that replays each schedule: with the schedule in the variable
/// `SELVEDGE_REPLAY`, a test runs nothing else.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # use selvedge_core::Scenario;
/// # fn scenarios() -> Vec<Scenario> { Vec::new() }
/// fn main() -> ExitCode {
///     selvedge_checks::test_main(scenarios())
/// }
/// ```
pub fn test_main(scenarios: Vec<Scenario>) -> ExitCode {
    if let Err(message) = select::check_names(&scenarios) {
        complain(&message);
        return ExitCode::from(USAGE);
    }
    let trial = |scenario: Scenario| {
        Trial::test(scenario.name().to_owned(), move || test(&scenario).map_err(Failed::from))
    };
    let trials = scenarios.into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Returns what is wrong with a scenario.
fn test(scenario: &Scenario) -> Result<(), String> {
    let text = match env::var(REPLAY) {
        Ok(schedule) => replayed(scenario, &schedule),
        Err(_) => {
            let report = scenario.verify(Engine::Native);
            for remark in &report.remarks {
                eprintln!("note: {}: {remark}", scenario.name());
            }
            if report.as_expected() {
                return Ok(());
            }
            explained(scenario, &report)
        }
    };
    Err(text.unwrap_or_else(|error| error.to_string()))
}

fn explained(scenario: &Scenario, report: &Report) -> io::Result<String> {
    let mut text = Vec::new();
    show::heading(scenario, &mut text)?;
    show::difference(report, &mut text)?;
    let replay = format!("cargo test --test {} -- --exact '{}'", target(), scenario.name());
    let numbers = report.instance().and_then(|instance| instance.name().split_once('@'));
    let numbers = numbers.map_or(String::new(), |(_, numbers)| format!("{numbers}@"));
    for found in report.verdict.counterexamples() {
        show::counterexample(found, Layout::default(), &mut text)?;
        let line = format!("\nReplay: {REPLAY}={numbers}{} {replay}\n", found.schedule);
        text.extend_from_slice(line.as_bytes());
    }
    Ok(plain(&text))
}

/// Replays a schedule. Before `@` are numbers of threads, for a scenario with any number of them.
fn replayed(scenario: &Scenario, schedule: &str) -> io::Result<String> {
    if let Some((numbers, schedule)) = schedule.split_once('@') {
        let name = format!("{}@{numbers}", scenario.name());
        let instance = select::named(slice::from_ref(scenario), &name).map_err(io::Error::other)?;
        return replayed(&instance, schedule);
    }
    let mut text = Vec::new();
    show::heading(scenario, &mut text)?;
    let found = schedule.parse::<Schedule>().map_err(io::Error::other)?;
    let found = scenario.replay(&found).map_err(io::Error::other)?;
    for found in &found {
        show::counterexample(found, Layout { all_steps: true, width: None }, &mut text)?;
    }
    Ok(plain(&text))
}

/// Returns a text without colours, since a test does not know where its output goes.
fn plain(text: &[u8]) -> String {
    strip_str(&String::from_utf8_lossy(text)).to_string()
}

/// Returns the name of the test target: that of the program without cargo's suffix.
fn target() -> String {
    let program = env::current_exe().unwrap_or_default();
    let name = program.file_stem().unwrap_or(Path::new("scenarios").as_os_str()).to_string_lossy();
    name.rsplit_once('-').map_or(name.to_string(), |(target, _)| target.to_owned())
}

#[cfg(test)]
mod tests {
    use selvedge_core::sync::Mutex;

    use super::*;

    fn scenario() -> Scenario {
        Scenario::builder("mine/abba", || (Mutex::new("A", ()), Mutex::new("B", ())))
            .thread("one", |(a, b)| {
                let _a = a.lock();
                let _b = b.lock();
            })
            .thread("other", |(a, b)| {
                let _b = b.lock();
                let _a = a.lock();
            })
            .expect_proof()
    }

    #[test]
    fn a_test_that_fails_prints_the_lanes_and_how_to_replay_them() {
        let text = test(&scenario()).unwrap_err();
        for part in [
            "expected proved, found refuted",
            ".expect_violations([ViolationKind::deadlock([\"A\", \"B\"])])",
            "| 1 |               | mutex_lock(B)  | B          |",
            "|   |               | (is preempted) |            |",
            "Replay: SELVEDGE_REPLAY=1.0 cargo test --test ",
            "-- --exact 'mine/abba'",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn a_replay_prints_one_schedule() {
        let text = replayed(&scenario(), "0.1").unwrap();
        assert!(text.contains("Violation: deadlock(A, B)"), "{text}");
        let error = replayed(&scenario(), "0.2").unwrap_err().to_string();
        assert_eq!(
            error,
            "step 2 of the schedule is not possible there; possible would be 0 (one) or 1 (other)"
        );
    }
}
