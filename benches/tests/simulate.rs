//! The `simulate` program.

use std::fs;
use std::process::{Command, Output};
use std::str;

use serde_json::Value;

fn simulate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(args)
        .output()
        .expect("the program must start")
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("stdout must be text")
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("stderr must be text")
}

fn json(args: &[&str]) -> Vec<Value> {
    let output = simulate(&[&["--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = stdout(&output).lines();
    lines.map(|line| serde_json::from_str(line).expect("each line must be a JSON object")).collect()
}

#[test]
fn json_has_an_object_for_each_scheme() {
    let lines = json(&["--seconds", "1"]);
    let schemes: Vec<_> = lines.iter().map(|line| line["scheme"].as_str().unwrap()).collect();
    let expected = [
        "bitmap-lazy",
        "strict",
        "fq-32768-4000ms",
        "fq-8192-100ms",
        "fq-256-10ms",
        "fq-single-32768-1000ms",
        "flush-on-exhaustion",
        "flush-on-exhaustion-lists",
    ];
    assert_eq!(schemes, expected);
    for line in &lines {
        assert!(line["ratio"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["flushes"].is_u64() && line["parked_max"].is_u64(), "{line}");
        assert!(line["window_ms_max"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert_eq!(lines[0]["ratio"], 1.0);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let args = ["--seconds", "1", "--cpus", "3", "--pages", "1-8", "--seed"];
    let run = |seed| json(&[&args[..], &[seed]].concat());
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn the_table_has_the_mails_figures_beside_its_own() {
    let output = simulate(&["--seconds", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let queue = stdout(&output).lines().find(|line| line.contains("fq-256-10ms")).unwrap();
    assert!(queue.contains("< 0.08"), "{queue}");
    // The mail has no figures of a partition.
    let output = simulate(&["--seconds", "1", "--preset", "lpar"]);
    assert!(!stdout(&output).contains("< 0.08"));
}

#[test]
fn two_plots_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("plots");
    // A slow system, of which less time has to be simulated.
    let slow = ["--seconds", "1", "--refresh-us", "100"];
    let output = simulate(&[&slow[..], &["--svg", inside.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for file in ["queue-size.svg", "timeout.svg"] {
        let svg = fs::read_to_string(inside.join(file)).unwrap();
        for line in ["bitmap-lazy", "strict", "flush queue per CPU", "single flush queue"] {
            assert!(svg.contains(line), "{line} in {file}");
        }
    }
}

#[test]
fn what_cannot_be_simulated_is_named() {
    let refused = [
        (&["--pages", "0"][..], "at least one page"),
        (&["--pages", "2-1"], "no more than the largest"),
        (&["--pages", "x"], "`x` is not a number"),
        (&["--cpus", "0"], "the number of CPUs is 0"),
        (&["--depth", "3", "--cpus", "4"], "the depth is too small"),
        (&["--aperture", "63"], "do not fit into the aperture"),
        (&["--device-us", "0"], "the device must take some time"),
        (&["--flush-us=-1"], "not between 0"),
        (&["--refresh-us=nan"], "not between 0"),
        (&["--seconds", "0"], "--seconds"),
        (&["--preset", "zvm"], "zvm"),
        (&["--seconds", "1", "--aperture", "1000"], "fq-32768-4000ms: no addresses for 1 pages"),
        (&["--seconds", "1", "--svg", "/dev/null/plots"], "/dev/null/plots"),
    ];
    for (args, reason) in refused {
        let output = simulate(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(reason), "{args:?}: {}", stderr(&output));
    }
}
