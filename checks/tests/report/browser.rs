//! What a browser makes of the reports: the page itself, the diagrams in Mermaid's own parser, and
//! the traces in speedscope, which imports the format that Perfetto reads.
//!
//! No crate of Rust parses all of Mermaid's sequence diagrams and is small: `mermaid-text` 0.57 has
//! no `-x`, and `merman-core` 0.9 brings ninety others. None reads Chrome's trace events and is
//! kept, and Perfetto's own reader is a program that its packages download. `.ci/run` installs
//! Chromium, and lays Mermaid and speedscope into `target/npm/`; where something is missing, its
//! test says so and ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{files, reports};

/// Returns whether Chromium is installed.
fn browser() -> bool {
    let found = Command::new("chromium").arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("there is no chromium");
    }
    found
}

/// Returns the page at an address after its scripts have run.
fn dom(address: &str) -> String {
    let profile = TempDir::new().unwrap();
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update"]);
    command.arg("--virtual-time-budget=120000");
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    let output = command.args(["--dump-dom", address]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a file of a package of npm, if that was laid into `target/`.
fn package(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/npm").join(file);
    let path = path.canonicalize().ok();
    if path.is_none() {
        eprintln!("there is no target/npm/{file}");
    }
    path
}

#[test]
fn the_page_works() {
    if !browser() {
        return;
    }
    let page = format!("file://{}", reports().join("page.html").display());
    let start = dom(&page);
    assert!(
        start.contains("all as expected") && start.contains("class=\"matrix\""),
        "{start:.500}"
    );
    let one = dom(&format!("{page}#vfio-ap/ap-perms/p11/apmask-assign"));
    let body = &one[one.find("<main").unwrap()..one.find("<script id=").unwrap()];
    for part in [
        "mutex_lock_interruptible(ap_perms_mutex)",
        "is preempted",
        "class=\"bar\" title=\"matrix_dev-&gt;lock\"",
        "<svg viewBox",
        "aria-current=\"step\"",
    ] {
        assert!(body.contains(part), "no {part} in {body}");
    }
    assert!(!body.contains(">null<") && !body.contains("undefined"), "{body}");
}

/// Parses each text of `diagrams`, and writes what is wrong.
const PARSE: &str = r#"
    const result = document.getElementById("result");
    const parse = async ([name, text]) => {
        try {
            const { diagramType } = await mermaid.parse(text);
            return diagramType === "sequence" ? [] : [`${name}: ${diagramType}`];
        } catch (error) {
            return [`${name}: ${error.message}`];
        }
    };
    Promise.all(diagrams.map(parse)).then((wrong) => {
        result.textContent = `${diagrams.length} parsed\n${wrong.flat().join("\n")}`;
    });
"#;

/// Returns what Mermaid says about the diagrams.
fn parsed(mermaid: &Path, diagrams: &[(String, String)]) -> String {
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("parse.html");
    let diagrams = serde_json::to_string(diagrams).unwrap().replace('<', "\\u003c");
    let source = mermaid.display();
    let text = format!(
        "<!doctype html><meta charset=\"utf-8\"><pre id=\"result\"></pre>\
         <script src=\"file://{source}\"></script>\
         <script>const diagrams = {diagrams};{PARSE}</script>"
    );
    fs::write(&page, text).unwrap();
    let dom = dom(&format!("file://{}", page.display()));
    let (_, result) = dom.split_once("<pre id=\"result\">").unwrap();
    result.split_once("</pre>").unwrap().0.trim().to_owned()
}

#[test]
fn mermaid_parses_every_diagram() {
    let Some(mermaid) = package("mermaid/dist/mermaid.min.js").filter(|_| browser()) else {
        return;
    };
    let read = |path: &PathBuf| (path.display().to_string(), fs::read_to_string(path).unwrap());
    let diagrams: Vec<_> = files(&reports().join("mermaid")).iter().map(read).collect();
    assert_eq!(parsed(&mermaid, &diagrams), format!("{} parsed", diagrams.len()));
    let wrong = "sequenceDiagram\n    participant T0 as one\n    T0-> : two\n".to_owned();
    let result = parsed(&mermaid, &[("wrong".to_owned(), wrong)]);
    assert!(result.contains("wrong: Parse error on line 3"), "{result}");
}

/// The traces are one, with processes of their own, since the browser takes a second to start.
#[test]
fn speedscope_shows_every_track_of_every_trace() {
    let Some(page) = package("speedscope/dist/release/index.html").filter(|_| browser()) else {
        return;
    };
    let mut events: Vec<Value> = Vec::new();
    for (number, file) in (0..).zip(files(&reports().join("perfetto"))) {
        let trace: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for event in trace["traceEvents"].as_array().unwrap() {
            let mut event = event.clone();
            event["pid"] = json!(event["pid"].as_u64().unwrap() + 2 * number);
            events.push(event);
        }
    }
    let spans = events.iter().filter(|event| event["ph"] == "X");
    let mut tracks: Vec<_> =
        spans.map(|event| (event["pid"].as_u64(), event["tid"].as_u64())).collect();
    tracks.sort_unstable();
    tracks.dedup();
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("trace.js");
    let trace = json!({ "traceEvents": events }).to_string();
    let load = format!(
        "const text = JSON.stringify({trace});\n\
         const bytes = unescape(encodeURIComponent(text));\n\
         speedscope.loadFileFromBase64('trace.json', btoa(bytes));\n"
    );
    fs::write(&script, load).unwrap();
    let dom = dom(&format!("file://{}#localProfilePath={}", page.display(), script.display()));
    assert!(dom.contains("<title>trace.json - speedscope</title>"), "{dom:.500}");
    assert!(dom.contains(&format!("(1/{})", tracks.len())), "not {} tracks", tracks.len());
}
