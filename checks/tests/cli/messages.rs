//! What is not as expected is said in words, and what is missing is not wrong.

use std::fs;

use super::{selvedge, stderr, stdout};

#[test]
fn a_verdict_that_a_limit_prevents_is_not_wrong() {
    let args = ["verify", "vfio-ap/ap-perms/v6.0/apmask-assign", "--executions-max", "1"];
    let output = selvedge(&args);
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout(&output).contains("1 verdict, 1 inconclusive."), "{}", stdout(&output));
    assert!(!stdout(&output).contains("NOT"), "{}", stdout(&output));
    assert!(stdout(&output).contains("       expected: proved"), "{}", stdout(&output));
}

#[test]
fn what_nothing_is_expected_of_is_not_as_expected() {
    let output = selvedge(&["verify", "--any-number", "vfio-ap/in-use/no-module-ref"]);
    let text = stdout(&output);
    assert!(text.contains("1 verdict, 1 of which nothing is expected."), "{text}");
    assert!(text.contains("found in vfio-ap/in-use/no-module-ref@1,1, which `explain`"), "{text}");
}

#[test]
fn a_text_is_for_check() {
    for command in [
        &["explain", "frob.selvedge"][..],
        &["verify", "frob.selvedge"],
        &["list", "./frob.selvedge"],
        &["replay", "frob.selvedge", "--schedule", "0"],
        &["record", "frob.selvedge", "--file", "/dev/null"],
    ] {
        let output = selvedge(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(stderr(&output).contains("is a text: `selvedge check "), "{}", stderr(&output));
    }
}

#[test]
fn a_name_that_begins_one_scenario_is_enough() {
    let output = selvedge(&["explain", "vfio-ap/hotplug/v6.0/create-open"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("Violation: "), "{}", stdout(&output));
}

#[test]
fn one_violation_is_no_violations() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept");
    let output = selvedge(&["record", "programs/abba", "--file", file.to_str().unwrap()]);
    assert!(stdout(&output).starts_with("1 violation of 1 scenario: "), "{}", stdout(&output));
    assert!(fs::read_to_string(file).unwrap().contains("deadlock"));
}
