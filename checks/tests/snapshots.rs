//! What the `selvedge` command prints, as files in `snapshots/`.
//!
//! Where a change of the output is intended, `INSTA_UPDATE=always cargo test -p selvedge-checks
//! --test snapshots` writes the files anew.

use std::fs;
use std::process::{Command, Stdio};

/// What differs between two runs, or with each edit of a model, and what stands for it. The width
/// of a column follows its contents, so the spaces and rules of tables are shortened too.
const FILTERS: [(&str, &str); 11] = [
    (r" +\d+(\.\d+)? (us|ms|s|min)\b", " [time]"),
    (r" +\d+(\.\d+)?(µs|ms|s|x) ", " [time] "),
    (r"\.rs:\d+", ".rs:[line]"),
    (r" +\|", " |"),
    (r"-{3,}", "---"),
    (r" +\n", "\n"),
    (r"\(sources [0-9a-f]+\)", "(sources [number])"),
    // The numbers of JSON, SARIF and JUnit, and the parts of the page that are the same for all.
    (r#""(seconds|line|startLine|digest)": ?[^,}\n]+"#, "\"$1\": [number]"),
    (r#" (time|timestamp|uuid)="[^"]*""#, " $1=\"[value]\""),
    (r"(?s)<style>.*?</style>", "<style>[style]</style>"),
    (r"(?s)<script>.*?</script>", "<script>[script]</script>"),
];

/// Returns what the command prints.
fn selvedge(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    let output = command.args(args).stdin(Stdio::null()).output().expect("the binary runs");
    let code = output.status.code();
    assert_eq!(code, Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

fn check(name: &str, args: &[&str]) {
    compare(name, args, &selvedge(args));
}

/// Compares what a command has printed or written with the file of this name.
fn compare(name: &str, args: &[&str], text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(format!("selvedge {}", args.join(" ")));
    FILTERS.iter().for_each(|(regex, replacement)| settings.add_filter(regex, *replacement));
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn help_of_every_subcommand() {
    check("help", &["--help"]);
    let help = selvedge(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.map_while(|line| line.split_whitespace().next());
    let commands: Vec<&str> = commands.filter(|command| *command != "help").collect();
    assert!(commands.contains(&"verify"), "{commands:?}");
    for command in commands {
        check(&format!("help-{command}"), &[command, "--help"]);
    }
}

#[test]
fn list_of_a_family() {
    check("list", &["list", "vfio-ap/in-use"]);
}

#[test]
fn verify_of_a_family() {
    check("verify", &["verify", "--jobs", "1", "vfio-ap/ap-perms/p11", "vfio-ap/in-use"]);
}

#[test]
fn verify_of_many() {
    let patterns = ["vfio-ap/ap-perms", "vfio-ap/in-use"];
    check("verify-families", &[&["verify", "--jobs", "1"], &patterns[..]].concat());
}

#[test]
fn explain_of_a_scenario() {
    check("explain", &["explain", "vfio-ap/ap-perms/p11/apmask-assign"]);
}

/// The smallest counterexample of the catalogue.
const SMALL: &str = "programs/abba";

#[test]
fn json_of_a_scenario() {
    for (name, args) in [
        ("list-json", ["list", "--json", SMALL]),
        ("verify-json", ["verify", "--json", SMALL]),
        ("explain-json", ["explain", "--json", SMALL]),
    ] {
        let line = selvedge(&args);
        let record: serde_json::Value = serde_json::from_str(&line).expect("it is one object");
        compare(name, &args, &serde_json::to_string_pretty(&record).expect("it was read"));
    }
}

#[test]
fn verify_with_every_row() {
    check("verify-verbose", &["verify", "--verbose", "--jobs", "1", SMALL, "programs/abab"]);
}

#[test]
fn replay_of_a_schedule() {
    check("replay", &["replay", "--all-steps", SMALL, "--schedule", "1.0"]);
}

#[test]
fn compare_of_a_scenario() {
    check("compare", &["compare", SMALL]);
}

#[test]
fn merge_of_two_shards() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = ["1/2", "2/2"].map(|shard| {
        let args = ["verify", "--json", "--search", "dpor", "--shard", shard, SMALL];
        let file = folder.path().join(shard.replace('/', "-of-"));
        fs::write(&file, selvedge(&args)).expect("it is written");
        file.to_str().expect("a path").to_owned()
    });
    let [first, second] = &files;
    compare("merge", &["merge", "1-of-2", "2-of-2"], &selvedge(&["merge", first, second]));
}

#[test]
fn record_and_regress_of_a_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("found.jsonl");
    let path = file.to_str().expect("a path");
    let recorded = selvedge(&["record", "--file", path, SMALL]);
    let text = fs::read_to_string(&file).expect("it is written");
    let shown = |text: &str| text.replace(path, "found.jsonl");
    let args = ["record", "--file", "found.jsonl", SMALL];
    compare("record", &args, &(shown(&recorded) + &text));
    let regressed = selvedge(&["regress", "--file", path]);
    compare("regress", &["regress", "--file", "found.jsonl"], &shown(&regressed));
}

#[test]
fn waits_of_a_scenario() {
    check("waits", &["waits", "programs/abab"]);
}

#[test]
fn sources_of_a_function() {
    check("sources", &["sources", "assign_adapter_store"]);
}

#[test]
fn a_text_and_the_text_of_a_log() {
    check("check", &["check", "examples/text/gate-lock.selvedge"]);
    check("splat", &["splat", "tests/splat/logs/circular.txt"]);
}

#[test]
fn man_page_and_completions() {
    check("man", &["man"]);
    check("completions", &["completions", "fish"]);
}

/// Writes a report of the smallest counterexample, and compares the file.
fn report(option: &str, file: &str, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(file);
    let path = path.to_str().expect("a path");
    selvedge(&["report", option, path, SMALL]);
    let written = match name {
        "" => path.to_owned(),
        name => format!("{path}/{SMALL}.1.{name}"),
    };
    let text = fs::read_to_string(written).expect("it is written");
    let text = match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) => serde_json::to_string_pretty(&value).expect("it was read"),
        Err(_) => text,
    };
    let view = option.trim_start_matches('-');
    compare(&format!("report-{view}"), &["report", option, file, SMALL], &text);
}

#[test]
fn reports_in_the_formats_of_other_tools() {
    report("--html", "page.html", "");
    report("--sarif", "log.sarif", "");
    report("--junit", "junit.xml", "");
    report("--mermaid", "folder", "mmd");
    report("--perfetto", "folder", "json");
}
