//! What the command prints.

use std::fs;

use selvedge_checks::text;
use selvedge_core::Engine;

use super::{selvedge, stdout};

/// Runs `check` on a text, and returns the exit code, and what is on both outputs.
pub(super) fn check(name: &str, text: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, text).expect("written");
    let output = selvedge(&["check", file.to_str().expect("a path")]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stdout(&output).to_owned(), errors)
}

/// The function of an object runs under the class of the object, and may do nothing.
#[test]
fn a_function_that_does_nothing_is_not_noted() {
    for text in [
        "timer poll: pass\nthread t: mod_timer(poll)",
        "work poll: pass\nthread t: queue_work(poll)",
        "irq poll: pass\nthread t: raise(poll)",
        "tasklet poll: pass\nthread t: tasklet_schedule(poll)",
    ] {
        let (code, out, errors) = check("t.selvedge", text);
        assert_eq!(code, Some(0), "{errors}");
        // Nor in a report of the library, which names no line of the interpreter.
        let scenarios = text::parse("t.selvedge", text).expect("it is a text");
        let reports = scenarios.iter().map(|scenario| scenario.verify(Engine::Native));
        let remarks: Vec<String> = reports.flat_map(|report| report.remarks).collect();
        assert!(remarks.is_empty(), "{remarks:?}");
        assert!(!out.contains("Note") && !out.contains(".rs"), "{text}:\n{out}");
    }
}

#[test]
fn a_text_without_claims_gets_those_that_hold() {
    let (code, out, _) = check("t.selvedge", "mutex a\nthread t: a");
    assert_eq!(code, Some(0));
    assert!(out.ends_with("\nTo keep this: expect proof\n"), "{out}");
    let text = "mutex a, b\nthread t: a(b)\nthread u: b(a)\n";
    let (code, out, _) = check("t.selvedge", text);
    assert_eq!(code, Some(1));
    let claims = out.lines().find_map(|line| line.strip_prefix("To keep this: "));
    assert_eq!(claims, Some("expect deadlock(a, b)"), "{out}");
    let (code, out, _) = check("t.selvedge", &format!("{text}{}\n", claims.expect("it is")));
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains("To keep this"), "{out}");
}

/// Several claims stand on a line, as the command prints them.
#[test]
fn several_claims_are_one_line() {
    let text = "mutex a, b\nflag x\nthread t: a(b); assert x == 0\nthread u: x = 1; b(a)\n";
    let (_, out, _) = check("t.selvedge", text);
    let claims = out.lines().find_map(|line| line.strip_prefix("To keep this: "));
    let claims = claims.expect("it is");
    assert!(claims.contains("deadlock(a, b)") && claims.contains("; expect "), "{claims}");
    let (code, out, _) = check("t.selvedge", &format!("{text}{claims}\n"));
    assert_eq!(code, Some(0), "{out}");
}

#[test]
fn a_kernel_log_is_for_splat() {
    let report = "WARNING: possible circular locking dependency detected\n";
    for log in [
        "[    0.000000] Linux version 6.12.0\n[    0.000001] Command line: quiet\n".to_owned(),
        "Nov 27 18:25:28 host kernel: usb 1-1: new device\n".to_owned(),
        format!("======================\n{report}"),
    ] {
        let (code, _, errors) = check("dmesg.txt", &log);
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains("looks like a kernel log"), "{errors}");
        assert!(errors.contains("`selvedge splat "), "{errors}");
    }
    let (_, _, errors) = check("t.selvedge", &format!("# {report}mutx a\n"));
    assert!(errors.contains("`mutx` begins neither"), "{errors}");
}

/// A text that claims nothing is expected to be proved, by `report` as by `check`.
#[test]
fn a_report_of_a_text_without_claims_expects_proofs() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let report = |text: &str| {
        fs::write(at("t.selvedge"), text).expect("written");
        let (junit, sarif) = (at("j.xml"), at("s.sarif"));
        let text = at("t.selvedge");
        let output = selvedge(&["report", "--text", &text, "--junit", &junit, "--sarif", &sarif]);
        let read = |file: &str| fs::read_to_string(file).expect("written");
        (output.status.code(), read(&junit), read(&sarif))
    };
    let text = "mutex a, b\nthread t: a(b)\nthread u: b(a)\n";
    let (code, junit, sarif) = report(text);
    assert_eq!(code, Some(1));
    assert!(junit.contains("failures=\"1\""), "{junit}");
    assert!(junit.contains("expected proved, found refuted"), "{junit}");
    assert!(sarif.contains("\"level\":\"error\"") && !sarif.contains("suppressions"), "{sarif}");
    let (code, junit, _) = report(&format!("{text}expect deadlock(a, b)\n"));
    assert_eq!(code, Some(0), "{junit}");
    // A lock order that cannot deadlock here is no violation.
    let (code, junit, _) = report("mutex g, a, b\nthread t: g(a(b))\nthread u: g(b(a))\n");
    assert_eq!(code, Some(0), "{junit}");
    assert!(junit.contains("failures=\"0\""), "{junit}");
}

/// The step of a domain of RCU is in no table of a text without RCU.
#[test]
fn there_is_no_rcu_without_its_functions() {
    let text = "spinlock s, r\nthread t: s(r)\nthread u: r(s)\n";
    let steps = |text: &str| {
        let report = text::parse("t.selvedge", text).expect("a text")[0].verify(Engine::Native);
        let found = report.verdict.counterexamples().iter();
        found.map(|found| found.trace.to_string()).collect::<String>()
    };
    assert!(
        steps(text).contains("spin_lock(s)") && !steps(text).contains("rcu"),
        "{}",
        steps(text)
    );
    let with = format!("{text}fn cb: pass\nthread v: call_rcu(cb)\n");
    assert!(steps(&with).contains("rcu"), "{}", steps(&with));
}

/// `check` and `replay` show a schedule alike.
#[test]
fn a_schedule_without_a_violation_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("t.selvedge");
    fs::write(&file, "mutex a, b\nthread t: a(b)\nthread u: b(a)\n").expect("written");
    let run = |schedule: &str| {
        let args = ["check", file.to_str().expect("a path"), "--schedule", schedule];
        let output = selvedge(&args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stdout(&output).to_owned(), errors)
    };
    let (code, out, _) = run("0.0.0.0");
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("| 4 | mutex_unlock(a) |"), "{out}");
    assert!(out.contains("\nNo violation: "), "{out}");
    let (code, out, _) = run("0.1");
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("Violation: deadlock(a, b)"), "{out}");
    // Steps are counted from 1, as in the tables.
    let (code, _, errors) = run("0.7");
    assert_eq!(code, Some(2), "{errors}");
    let says = "step 2 of the schedule is not possible there; possible would be 0 (t) or 1 (u)";
    assert!(errors.contains(says), "{errors}");
}

#[test]
fn the_verdict_comes_first() {
    let (_, out, _) = check("t.selvedge", "mutex a, b\nthread t: a(b)\nthread u: b(a)\n");
    assert!(out.starts_with("t: t, u\nRefuted: 1 violation: deadlock(a, b).\n"), "{out}");
    let text = "# t: takes it twice\nmutex a\nthread t: a(a)\n";
    let (_, out, _) = check("t.selvedge", text);
    assert!(out.starts_with("t: takes it twice\nRefuted: "), "{out}");
    let again = "--schedule 0\n";
    assert!(out.contains(again), "{out}");
}

/// What is violated before the first step has a schedule without steps.
#[test]
fn an_empty_schedule_is_an_argument() {
    let (_, out, _) = check("t.selvedge", "fn f: BUG_ON(1 == 1)\nthread t: f()\n");
    assert!(out.contains(" --schedule ''\n") || out.contains(" --schedule 0\n"), "{out}");
}

#[test]
fn rounds_are_for_loops() {
    let rounds = "Given that rounds of `poll`";
    let text = "timer tm: if n < 2: mod_timer(tm)\nint n\nthread t: mod_timer(tm); n = 2\n";
    let (_, out, _) = check("t.selvedge", text);
    assert!(!out.contains(rounds), "{out}");
    let text = "flag go\nthread t: while !go: pass\nthread u: go = 1\n";
    let (_, out, _) = check("t.selvedge", text);
    assert!(out.contains(rounds), "{out}");
}
