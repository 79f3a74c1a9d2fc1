//! The command line of `results`.

use std::process::Command;

/// A binary that was built elsewhere writes below the folder that it is started in.
#[test]
fn the_page_is_written_where_the_command_runs() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_results"));
    let output = command.arg("--help").output().expect("the binary runs");
    let help = String::from_utf8(output.stdout).expect("the help is UTF-8");
    assert!(help.contains("[default: benches/RESULTS.md]"), "{help}");
}
