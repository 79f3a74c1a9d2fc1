//! The examples in `checks/examples/text`.

use std::fs;

use selvedge_checks::text;
use selvedge_core::{Engine, Expectation, Verdict};

use super::{examples, selvedge, stdout};

fn texts() -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = fs::read_dir(examples())
        .expect("the folder of examples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "selvedge"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    texts.sort();
    texts
}

#[test]
fn each_example_has_claims_that_hold() {
    let texts = texts();
    assert!(texts.len() >= 20, "{} examples", texts.len());
    for (file, text) in texts {
        let scenarios = text::parse(&file, &text).unwrap_or_else(|error| panic!("{error}"));
        for scenario in scenarios {
            let unstated = *scenario.expected(Engine::Native) == Expectation::Unstated;
            assert!(!unstated, "{} claims nothing", scenario.name());
            let report = scenario.verify(Engine::Native);
            assert!(report.as_expected(), "{}: {report}", scenario.name());
            assert!(!scenario.about().is_empty(), "{}", scenario.name());
        }
    }
}

#[test]
fn each_counterexample_names_lines_of_its_text() {
    for (file, text) in texts() {
        for scenario in text::parse(&file, &text).expect("a text") {
            let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else { continue };
            for step in found.iter().flat_map(|found| &found.trace.steps) {
                assert_eq!(step.file, file, "{}: {step}", scenario.name());
                let line = text.lines().nth(step.line as usize - 1).unwrap_or_default();
                assert!(!line.trim().is_empty(), "{}:{} of {step}", file, step.line);
            }
        }
    }
}

/// loom and shuttle decide what they can, and never otherwise than the native engine.
#[test]
fn the_other_engines_find_the_same() {
    let small = ["abba", "gate-lock", "sleep-in-atomic", "kref", "data-race", "double-free"];
    for name in small {
        let text = fs::read_to_string(examples().join(format!("{name}.selvedge"))).expect("it is");
        for scenario in text::parse(&format!("{name}.selvedge"), &text).expect("a text") {
            let native = scenario.verify(Engine::Native).verdict.as_str();
            for engine in [Engine::Loom, Engine::Shuttle] {
                let report = scenario.verify(engine);
                let found = report.verdict.as_str();
                let traces = report.verdict.counterexamples().iter().map(|found| &found.trace);
                for step in traces.flat_map(|trace| &trace.steps) {
                    assert_eq!(step.file, format!("{name}.selvedge"), "{step} on {engine}");
                }
                let agrees = found == native || found == "inconclusive";
                assert!(agrees, "{} on {engine}: {found}, not {native}", scenario.name());
            }
        }
    }
}

#[test]
fn the_command_checks_them_all() {
    let files: Vec<String> = texts().into_iter().map(|(file, _)| file).collect();
    let args: Vec<&str> = ["check"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = selvedge(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(!stdout(&output).contains("NOT as expected"));
}

/// What never runs proves nothing.
#[test]
fn what_never_runs_is_noted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("t.selvedge");
    let text = "irq rx: pass\nfn unused: pass\nthread t: pass\n";
    std::fs::write(&file, text).expect("written");
    let output = selvedge(&["check", file.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(0));
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("t.selvedge:1: note: `rx` never runs: nothing calls raise(rx)"));
    assert!(notes.contains("t.selvedge:2: note: no thread calls `unused`"), "{notes}");
}

#[test]
fn a_counterexample_is_printed_with_the_command_that_replays_it() {
    let output = selvedge(&["check", "irq-unsafe-spinlock.selvedge"]);
    let text = stdout(&output);
    let replay = text.lines().find_map(|line| line.strip_prefix("Replay: selvedge ")).expect("it");
    let args: Vec<&str> = replay.split(' ').map(|arg| arg.trim_matches('\'')).collect();
    let again = selvedge(&args);
    assert_eq!(again.status.code(), Some(0));
    let table = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect()
    };
    assert!(!table(text).is_empty());
    assert_eq!(table(stdout(&again)), table(text));
}
