//! Reports on the whole catalogue, read back by parsers that are not ours.

mod browser;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use serde_sarif::sarif::{ResultLevel, Sarif};
use tempfile::TempDir;

/// Returns the folder with every report on the catalogue.
fn reports() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
        let files = [
            ["--html", &at("page.html")],
            ["--sarif", &at("log.sarif")],
            ["--junit", &at("junit.xml")],
            ["--mermaid", &at("mermaid")],
            ["--perfetto", &at("perfetto")],
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        let output = command.arg("report").args(files.concat()).stdin(Stdio::null()).output();
        let output = output.expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    });
    folder.path()
}

fn read(name: &str) -> String {
    fs::read_to_string(reports().join(name)).unwrap()
}

/// Returns the records in the page.
fn records() -> Vec<Value> {
    let page = read("page.html");
    let start =
        page.find("type=\"application/json\">").unwrap() + "type=\"application/json\">".len();
    let end = start + page[start..].find("</script>").unwrap();
    serde_json::from_str(&page[start..end]).unwrap()
}

fn counterexamples(records: &[Value]) -> impl Iterator<Item = &Value> {
    records.iter().flat_map(|record| record["counterexamples"].as_array().unwrap())
}

/// Returns every file in a folder and those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_page_has_every_scenario_and_is_small() {
    let page = read("page.html");
    assert!(page.len() < 20_000_000, "{} bytes", page.len());
    assert!(!page.contains("https://") && !page.contains("src="), "the page needs the network");
    let records = records();
    assert!(records.len() > 1_800);
    for record in &records {
        let refuted = record["found"] == "refuted";
        assert_eq!(refuted, record["counterexamples"] != Value::Array(vec![]), "{record}");
    }
}

#[test]
fn sarif_has_a_result_for_each_counterexample() {
    let log: Sarif = serde_json::from_str(&read("log.sarif")).unwrap();
    let results = log.runs[0].results.as_ref().unwrap();
    let records = records();
    assert_eq!(results.len(), counterexamples(&records).count());
    for (result, found) in results.iter().zip(counterexamples(&records)) {
        assert_eq!(result.level, Some(ResultLevel::Note), "every verdict is as expected");
        let flows = &result.code_flows.as_ref().unwrap()[0].thread_flows;
        let mut order: Vec<i64> = flows
            .iter()
            .flat_map(|flow| &flow.locations)
            .map(|location| location.execution_order.unwrap())
            .collect();
        order.sort_unstable();
        let steps = i64::try_from(found["steps"].as_array().unwrap().len()).unwrap();
        assert_eq!(order, (1..=steps).collect::<Vec<_>>());
    }
}

#[test]
fn junit_has_a_case_for_each_scenario() {
    let suites = junit_parser::from_reader(read("junit.xml").as_bytes()).unwrap();
    let cases: Vec<_> = suites.suites.iter().flat_map(|suite| &suite.cases).collect();
    assert_eq!(cases.len(), records().len());
    assert!(cases.iter().all(|case| case.status.is_success()));
}

#[test]
fn a_diagram_of_mermaid_has_a_note_for_each_step() {
    let records = records();
    let mut steps = 0;
    for file in files(&reports().join("mermaid")) {
        let text = fs::read_to_string(&file).unwrap();
        let mut lines = text.lines().skip_while(|line| *line != "sequenceDiagram");
        assert!(lines.next().is_some(), "{text}");
        for line in lines {
            let line = line.trim_start();
            let statement = ["participant T", "Note over T", "T", "loop for ever", "end"];
            assert!(statement.iter().any(|start| line.starts_with(start)), "{line}");
            // A second colon, or a semicolon that ends no entity, would end the text.
            let label = line.split_once(": ").map_or("", |(_, label)| label);
            assert!(!label.contains(':') && !label.contains("->"), "{line}");
            steps += usize::from(line.starts_with("Note over T") && !line.contains(": waits for"));
        }
    }
    let all = counterexamples(&records).map(|found| found["steps"].as_array().unwrap().len());
    assert_eq!(steps, all.sum::<usize>());
}

#[test]
fn a_trace_for_perfetto_has_the_operations_in_order() {
    let files = files(&reports().join("perfetto"));
    assert_eq!(files.len(), counterexamples(&records()).count());
    for file in files {
        let trace: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        for event in events {
            assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
            match event["ph"].as_str().unwrap() {
                "M" => assert!(event["args"]["name"].is_string(), "{event}"),
                "X" => assert!(event["ts"].is_u64() && event["dur"].as_u64() > Some(0), "{event}"),
                other => panic!("{other}: {event}"),
            }
        }
        let operations = events.iter().filter(|event| event["cat"] == "operation");
        let times: Vec<u64> = operations.map(|event| event["ts"].as_u64().unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    }
}
