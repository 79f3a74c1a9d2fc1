//! `verify --shard` and `merge`: the shards of a search are the search.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{selvedge, stderr, stdout};

/// Proved; refuted by a deadlock; proved and refuted by a driver's invariant.
const SCENARIOS: [&str; 4] = [
    "programs/vfio3",
    "programs/abba",
    "vfio-ap/ap-perms/v6.0/apmask-aqmask-assign",
    "vfio-ap/ap-perms/p12-07/apmask-aqmask-assign",
];

fn lines(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object per line"))
        .collect()
}

fn verify(args: &[&str]) -> Output {
    selvedge(&[&["verify", "--search", "dpor", "--json"], args].concat())
}

/// Returns the record of one shard of one scenario.
fn record(scenario: &str, shard: &str) -> Value {
    let output = verify(&["--shard", shard, scenario]);
    assert_eq!(output.status.code(), Some(0), "{shard} of {scenario}");
    lines(&output).remove(0)
}

/// Files of JSON lines, `0.jsonl` and so on.
struct Files {
    folder: TempDir,
    count: usize,
}

impl Files {
    fn new(files: &[Vec<Value>]) -> Self {
        let files = files.iter().map(|lines| {
            let lines = lines.iter().map(|line| format!("{line}\n"));
            lines.collect::<String>()
        });
        Self::raw(files)
    }

    fn raw(files: impl IntoIterator<Item = String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut count = 0;
        for text in files {
            fs::write(folder.path().join(format!("{count}.jsonl")), text).unwrap();
            count += 1;
        }
        Self { folder, count }
    }

    fn paths(&self) -> Vec<PathBuf> {
        (0..self.count).map(|file| self.folder.path().join(format!("{file}.jsonl"))).collect()
    }

    fn merge(&self) -> Output {
        let paths = self.paths();
        let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        selvedge(&[&["merge", "--json"], &paths[..]].concat())
    }

    /// Merges what must not be merged; what is said about it.
    fn refused(&self) -> String {
        let output = self.merge();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(stdout(&output), "", "{}", stderr(&output));
        stderr(&output).to_owned()
    }
}

#[test]
fn shares_merged_are_the_whole() {
    for of in [2, 3, 6] {
        let shards: Vec<Vec<Value>> = (1..=of)
            .map(|number| {
                let shard = format!("{number}/{of}");
                let output = verify(&[&["--shard", &shard], &SCENARIOS[..]].concat());
                assert_eq!(output.status.code(), Some(0), "{shard}");
                lines(&output)
            })
            .collect();
        for shard in shards.iter().flatten() {
            assert_eq!(shard["done"], true, "{shard}");
            assert_eq!(shard["complete"], false, "{shard}");
            assert_ne!(shard["found"], "proved", "{shard}");
        }
        let output = Files::new(&shards).merge();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let (merged, whole) = (lines(&output), lines(&verify(&SCENARIOS)));
        assert_eq!(merged.len(), SCENARIOS.len());
        for (merged, whole) in merged.iter().zip(&whole) {
            for field in ["scenario", "engine", "expected", "found", "as_expected", "violation"] {
                assert_eq!(merged[field], whole[field], "{field}: {merged}, {whole}");
            }
            assert!(merged["shard"].is_null(), "{merged}");
            assert_eq!(merged["search"], "dpor", "{merged}");
            // A violation that stops executions is followed by a search that nothing stops, but
            // only where one machine has all of it.
            if whole["search"] == "dpor" {
                for field in ["complete", "traces", "digest", "lockdep"] {
                    assert_eq!(merged[field], whole[field], "{field}: {merged}, {whole}");
                }
            } else {
                assert_eq!(whole["scenario"], SCENARIOS[3]);
                assert_eq!(merged["complete"], false, "{merged}");
            }
        }
    }
}

fn merged(scenario: &str, of: u32) -> Value {
    let shards = (1..=of).map(|number| record(scenario, &format!("{number}/{of}")));
    let output = Files::new(&[shards.collect()]).merge();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    lines(&output).remove(0)
}

#[test]
fn weak_memory_has_shares_too() {
    let verdicts = [("ordered", "proved"), ("relaxed", "refuted")];
    for (order, verdict) in verdicts {
        let merged = merged(&format!("iommu/ordering/{order}/unmap-flush"), 2);
        assert_eq!(merged["found"], verdict, "{merged}");
    }
}

/// More shards than predict it: an inversion that no shard deadlocks on is infeasible.
#[test]
fn an_inversion_that_some_shares_predict_is_infeasible_if_all_prove() {
    let merged = merged("vfio-ap/matrix/v5.11-set/stopped-vcpus", 5);
    for word in ["expected", "found"] {
        assert_eq!(merged[word], "lockdep-only", "{merged}");
    }
    assert_eq!(merged["lockdep"][0]["classification"], "infeasible", "{merged}");
}

#[test]
fn the_merged_table_is_that_of_verify() {
    let files = Files::new(&[vec![record(SCENARIOS[1], "1/2"), record(SCENARIOS[1], "2/2")]]);
    let binary = env!("CARGO_BIN_EXE_selvedge");
    let mut child = Command::new(binary)
        .args(["merge", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let text = fs::read(&files.paths()[0]).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let table = stdout(&output);
    assert!(table.contains("deadlock: T0 holds L0 and waits for L1; T1 holds L1"), "{table}");
    assert!(table.ends_with("1 verdict, all as expected.\n"), "{table}");
}

#[test]
fn a_share_that_hit_a_limit_leaves_no_proof() {
    let shard = ["--shard", "2/2", "--executions-max", "50", SCENARIOS[0]];
    let output = verify(&shard);
    assert_eq!(output.status.code(), Some(3));
    let stopped = lines(&output).remove(0);
    assert_eq!(stopped["done"], false);
    let output = Files::new(&[vec![record(SCENARIOS[0], "1/2"), stopped]]).merge();
    assert_eq!(output.status.code(), Some(3));
    let merged = lines(&output).remove(0);
    assert_eq!(merged["found"], "inconclusive");
    assert_eq!(merged["reason"], "shard 2/2: stopped after 50 executions, the limit");
    assert!(merged["digest"].is_null(), "{merged}");
}

#[test]
fn what_is_not_the_whole_of_one_search_is_refused() {
    let name = SCENARIOS[0];
    let [one, two, other] = ["1/2", "2/2", "2/3"].map(|shard| record(name, shard));
    let with = |field: &str, value: Value| {
        let mut changed = two.clone();
        changed[field] = value;
        changed
    };
    for (files, says) in [
        (vec![vec![one.clone()]], "0.jsonl, line 1: shard 1/2 of programs/vfio3; missing: 2/2"),
        (
            vec![vec![one.clone()], vec![two.clone(), one.clone()]],
            "1.jsonl, line 2: shard 1/2 of programs/vfio3 is duplicated; it is in ",
        ),
        (
            vec![vec![one.clone()], vec![other]],
            "1.jsonl, line 1: shard 2/3 of programs/vfio3 has another number of shards (3) than \
             shard 1/2 in ",
        ),
        (
            vec![vec![one.clone(), with("program", json!("00"))]],
            "0.jsonl, line 2: shard 2/2 of programs/vfio3 has another program (00) than",
        ),
        (
            vec![vec![one.clone(), with("sources", json!("00"))]],
            "0.jsonl, line 2: the sources of the models or of the engine have changed since",
        ),
        (
            vec![vec![one.clone(), with("subtrees", json!(1))]],
            "has another number of subtrees (1) than",
        ),
        (vec![vec![one.clone(), with("search", json!("best"))]], "has another search (best) than"),
        (
            vec![vec![one.clone(), with("scenario", json!("programs/vfio"))]],
            "0.jsonl, line 2: no scenario matches `programs/vfio`; the nearest are",
        ),
        (vec![vec![one.clone(), with("shard", Value::Null)]], "0.jsonl, line 2: not a shard"),
        (vec![vec![one.clone(), with("digest", Value::Null)]], "has `traces` and `digest`"),
        (vec![vec![one.clone(), with("found", json!("refuted"))]], "contradict each other"),
        (vec![vec![one.clone(), with("executions", json!(u64::MAX))]], "that a search has"),
        (vec![vec![one.clone(), with("seconds", json!(-5))]], "that a search has"),
        (vec![vec![]], "0.jsonl has no shard in it"),
    ] {
        let error = Files::new(&files).refused();
        assert!(error.contains(says), "{says}: {error}");
    }
    let whole = lines(&verify(&[name]));
    assert!(Files::new(&[whole]).refused().contains("0.jsonl, line 1: not a shard"));
    let damaged = Files::raw([format!("{one}\n\n{}", &two.to_string()[..40])]);
    assert!(damaged.refused().contains("0.jsonl, line 3: not a record of `verify --json`: EOF"));
}

#[test]
fn a_violation_that_is_not_one_is_refused() {
    let mut claims = record(SCENARIOS[1], "1/2");
    claims["found"] = json!("refuted");
    claims["violation"] = json!("deadlock(L0, L1)");
    claims["schedule"] = json!("0.0.0.0.1.1.1.1");
    let error = Files::new(&[vec![claims, record(SCENARIOS[1], "2/2")]]).refused();
    assert!(error.contains("0.0.0.0.1.1.1.1 does not show deadlock(L0, L1)"), "{error}");
}
