//! What shows single executions: `explain`, `replay`, `record`, `regress`.

use std::fs;
use std::process::Command;

use super::{selvedge, stderr, stdout};

#[test]
fn what_explain_prints_last_replays_to_the_same() {
    let name = "vfio-ap/ap-perms/p12-07/apmask-assign";
    let explained = selvedge(&["explain", name]);
    assert_eq!(explained.status.code(), Some(0));
    let command =
        stdout(&explained).lines().find_map(|line| line.strip_prefix("Replay: selvedge "));
    let arguments: Vec<&str> = command.expect("a command").split(' ').collect();
    let replayed = selvedge(&arguments);
    assert_eq!(replayed.status.code(), Some(0));
    assert_eq!(stdout(&explained), stdout(&replayed));
}

#[test]
fn a_proved_scenario_is_explained_too() {
    let output = selvedge(&["explain", "vfio-ap/ap-perms/p11/in-turn"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("Proved: none of its "));
    assert!(stdout(&output).contains("possible circular locking dependency detected"));
    assert!(stdout(&output).contains("Infeasible in this scenario"));
}

/// Two of the threads of which the scenario has one violate something. They are replayed by name.
#[test]
fn a_scenario_is_verified_for_any_number_of_its_threads() {
    let verify = |name| {
        let output = selvedge(&["verify", "--any-number", "--json", name]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_str::<serde_json::Value>(stdout(&output)).expect("it is one object")
    };
    let proved = verify("vfio-ap/ap-perms/v6.0/contention");
    assert_eq!(proved["found"], "proved", "{proved}");
    let refuted = verify("vfio-ap/matrix/v6.0-set/upd-pv");
    assert_eq!(refuted["violation"], "leak(kvm)", "{refuted}");
    let instance = refuted["instance"].as_str().expect("a name");
    assert_eq!(instance, "vfio-ap/matrix/v6.0-set/upd-pv@2,0");
    let schedule = refuted["schedule"].as_str().expect("a schedule");
    let replayed = selvedge(&["replay", instance, "--schedule", schedule]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stderr(&replayed));
    assert!(stdout(&replayed).contains("leak(kvm)"), "{}", stdout(&replayed));
}

#[test]
fn a_schedule_without_a_violation_is_shown() {
    let output = selvedge(&["replay", "programs/abba", "--schedule", "0.0.0.0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("| 4 | mutex_unlock"), "{}", stdout(&output));
    assert!(stdout(&output).contains("\nNo violation: the schedule ends before"));
}

#[test]
fn a_verdict_that_is_not_as_expected_says_what_would_be() {
    let output = selvedge(&["verify", "vfio-ap/in-use/module-ref", "--engine", "loom"]);
    assert_eq!(output.status.code(), Some(0));
    let args = ["verify", "vfio-ap/ap-perms/p12/in-turn", "--search", "reduced", "--verbose"];
    assert!(!stdout(&selvedge(&args)).contains("would hold"));
}

#[test]
fn messages_that_cannot_be_written_leave_the_exit_code() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    let status = command.args(["list", "x"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    let status = command.args(["list"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(4));
}

#[test]
fn explanations_and_lists_have_json() {
    let parse = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(stdout(&selvedge(args)).lines().next().unwrap()).unwrap()
    };
    let name = "vfio-ap/ap-perms/p11/apmask-assign";
    let one = parse(&["explain", "--json", name]);
    let found = &one["counterexamples"][0];
    assert_eq!(one["scenario"], name);
    assert_eq!(found["violation"], "deadlock(ap_perms_mutex, matrix_dev->lock)");
    assert_eq!(found["steps"][1]["operation"], "mutex_lock_interruptible(ap_perms_mutex)");
    assert_eq!(found["steps"][1]["switch"], "is preempted");
    let listed = parse(&["list", "--json", name]);
    assert_eq!(listed["threads"], serde_json::json!(["apmask_store", "assign_adapter_store"]));
    assert_eq!(listed["expected"], "refuted by deadlock(ap_perms_mutex, matrix_dev->lock)");
}

#[test]
fn a_recorded_schedule_is_replayed_and_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.jsonl");
    let path = file.to_str().unwrap();
    let output = selvedge(&["record", "--file", path, "vfio-ap/ap-perms"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let regress = |more: &[&str]| selvedge(&[&["regress", "--file", path], more].concat());
    assert!(stdout(&regress(&[])).ends_with(" as recorded, 0 with another schedule, 0 gone.\n"));

    // One schedule is of a program with other operations, and one violation was fixed.
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let schedule = lines[0]["schedule"].clone();
    lines[0]["schedule"] = "0.0.0.0.0.0.0.0.0.0".into();
    lines[1]["violation"] = "deadlock(nothing)".into();
    let edited: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&file, &edited).unwrap();
    let output = regress(&["--update"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains(": another schedule now, "), "{}", stdout(&output));
    assert!(stdout(&output).contains("deadlock(nothing): not violated any more\n"));
    let first: serde_json::Value =
        serde_json::from_str(fs::read_to_string(&file).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(first["schedule"], schedule);
    assert_eq!(regress(&[]).status.code(), Some(0));
}

#[test]
fn shells_and_man_know_the_commands() {
    assert!(stdout(&selvedge(&["completions", "bash"])).contains("explain"));
    assert!(stdout(&selvedge(&["man"])).contains("selvedge\\-verify"));
}

#[test]
fn there_are_colours_only_where_they_are_wanted() {
    let text = |variable: (&str, &str)| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        let output =
            command.args(["explain", "programs/abba"]).env(variable.0, variable.1).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(text(("CLICOLOR_FORCE", "1")).contains("Violation: \u{1b}["));
    assert!(!text(("NO_COLOR", "1")).contains('\u{1b}'), "no terminal, no colour");
}
