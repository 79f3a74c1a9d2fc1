//! What the command prints.

use std::fs;

use selvedge_checks::text;
use selvedge_core::Engine;

use super::{selvedge, stdout};

/// Runs `check` on a text, and returns the exit code, and what is on both outputs.
fn check(name: &str, text: &str) -> (Option<i32>, String, String) {
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
