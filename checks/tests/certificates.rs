//! Certificates, and the program that checks them.

mod common;

use std::process::{Command, Output};

use selvedge_checks::catalogue;
use selvedge_core::{Checker, Scenario, Verdict};
use selvedge_models::programs::Program;

use common::named;

fn certificate(scenario: &Scenario) -> Result<String, Verdict> {
    Checker::native().certificate(scenario)
}

/// Runs the checker on a certificate.
fn recheck(certificate: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("certificate");
    std::fs::write(&file, certificate).expect("it is written");
    let checker = env!("CARGO_BIN_EXE_selvedge-recheck");
    Command::new(checker).arg(file).output().expect("the binary runs")
}

/// Returns what the checker says of a certificate that it does not confirm.
fn fault(certificate: &str) -> String {
    let output = recheck(certificate);
    let said = String::from_utf8(output.stderr).expect("it is UTF-8");
    assert_eq!(output.status.code(), Some(1), "it is confirmed: {said}");
    said
}

/// Returns the certificate of a scenario in which a driver waits for a timer that takes its lock.
fn small() -> String {
    certificate(&named("kernel/grcan-close/unlocks")).expect("it is proved")
}

/// Returns how many scenarios below `path` are proved, after the checker has confirmed each.
fn confirmed(path: &str) -> usize {
    let scenarios = catalogue().into_iter();
    let mut confirmed = 0;
    for scenario in scenarios.filter(|scenario| scenario.name().starts_with(path)) {
        let Ok(text) = certificate(&scenario) else { continue };
        let output = recheck(&text);
        assert!(output.status.success(), "{}: {output:?}", scenario.name());
        confirmed += 1;
    }
    confirmed
}

#[test]
fn proofs_of_a_family_are_confirmed() {
    assert_eq!(confirmed("kernel/"), 27);
}

#[test]
#[ignore = "some minutes"]
fn every_proof_of_the_catalogue_is_confirmed() {
    assert!(confirmed("") > 1_200);
}

/// The counts of this program are published (`core/tests/counts.rs`).
#[test]
fn the_states_of_a_certificate_are_those_of_a_full_search() {
    let vfio5 = Program::named("vfio5").expect("it is a program").scenario();
    let output = recheck(&certificate(&vfio5).expect("it is proved"));
    let said = String::from_utf8(output.stdout).expect("it is UTF-8");
    assert_eq!(said, "programs/vfio5: confirmed, 63075 states and 133850 steps\n");
}

#[test]
fn a_line_that_is_missing_is_missed() {
    let text = small();
    let lines: Vec<&str> = text.lines().collect();
    for at in 0..lines.len() {
        if lines[at].starts_with("scenario ") {
            continue;
        }
        let rest = [&lines[..at], &lines[at + 1..]].concat().join("\n");
        assert_ne!(fault(&rest), "", "without `{}`", lines[at]);
    }
}

/// Replaces the first line that `matches` by another.
fn with(text: &str, matches: impl Fn(&str) -> bool, line: impl Fn(&str) -> String) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines.iter().position(|line| matches(line)).expect("there is such a line");
    lines[at] = line(&lines[at]);
    lines.join("\n")
}

#[test]
fn a_state_that_is_not_in_the_list_is_missed() {
    let text = small();
    let (rest, _) = text.trim_end().rsplit_once('\n').expect("it has several states");
    assert!(fault(rest).contains("a step leads to a state that is not in the list"));
}

#[test]
fn a_step_that_violates_something_is_refused() {
    let violates = |_: &str| "to 0 violates an invariant".to_owned();
    let text = with(&small(), |line| line.starts_with("to 0 "), violates);
    assert!(fault(&text).contains("outcome 0 of thread 0: it violates something"));
}

#[test]
fn a_thread_that_waits_for_good_is_refused() {
    // What is not guaranteed may never happen.
    let promises_nothing = |line: &str| match line.strip_suffix(" 1 1") {
        Some(meeting) if line.starts_with("meet ") => format!("{meeting} 0 1"),
        _ => line.to_owned(),
    };
    let text: Vec<String> = small().lines().map(promises_nothing).collect();
    let text = text.join("\n");
    assert!(fault(&text).contains("waits for good"));
}

#[test]
fn what_is_no_certificate_is_refused() {
    assert!(fault("").contains("there is no beginning"));
    assert!(fault("a text").contains("line 1: not a certificate of version 1"));
    assert!(fault("selvedge certificate 1\nstate 0").contains("line 2: a state has a `|`"));
    assert!(fault("selvedge certificate 1\nstates 0").contains("no line begins with `states`"));
    assert!(
        fault("selvedge certificate 1\nlocal 0 x end")
            .contains("line 2: `x` is not the number that is expected")
    );
}

#[test]
fn what_is_not_proved_has_no_certificate() {
    let abba = certificate(&named("vfio-ap/ap-perms/p11/apmask-assign"));
    assert!(matches!(abba, Err(Verdict::Refuted(_))), "{abba:?}");
    let any_number = certificate(&named("driver/vfio-ap/v6.0/assign"));
    assert!(matches!(any_number, Err(Verdict::Inconclusive { .. })), "{any_number:?}");
}
