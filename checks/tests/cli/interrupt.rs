//! Ctrl-C in a terminal.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Runs a command in a terminal, and types Ctrl-C when it has run for a while.
fn interrupted(args: &str) -> (Option<i32>, String) {
    // A shell that stays would die of the signal, and its status would hide the command's.
    let run = format!("exec {} {args}", env!("CARGO_BIN_EXE_selvedge"));
    let mut child = Command::new("script")
        .args(["-qec", &run, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is `script`, of bsdutils");
    thread::sleep(Duration::from_secs(3));
    let mut keys = child.stdin.take().expect("it is piped");
    keys.write_all(b"\x03").expect("it is typed");
    keys.flush().expect("it is typed");
    let mut text = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut text).expect("it is UTF-8");
    drop(keys);
    (child.wait().expect("it ends").code(), text)
}

#[test]
fn what_there_is_is_printed() {
    let (code, text) =
        interrupted("verify --jobs 1 --search dpor programs/abba programs/vfio5 programs/big6");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("deadlock: "), "{text}");
    assert!(text.contains("interrupted"), "{text}");
    assert!(text.contains("2 verdicts, 1 inconclusive, 1 scenario not verified."), "{text}");
}
