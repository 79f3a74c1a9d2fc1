//! What the `selvedge` command prints, as files in `snapshots/`.
//!
//! Where a change of the output is intended, `INSTA_UPDATE=always cargo test -p selvedge-checks
//! --test snapshots` writes the files anew.

use std::process::{Command, Stdio};

/// What differs between two runs, or with each edit of a model, and what stands for it. The width
/// of a column follows its contents, so the spaces and rules of tables are shortened too.
const FILTERS: [(&str, &str); 5] = [
    (r" +\d+(\.\d+)? (us|ms|s|min)\b", " [time]"),
    (r"\.rs:\d+", ".rs:[line]"),
    (r" +\|", " |"),
    (r"-{3,}", "---"),
    (r" +\n", "\n"),
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
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(format!("selvedge {}", args.join(" ")));
    FILTERS.iter().for_each(|(regex, replacement)| settings.add_filter(regex, *replacement));
    settings.bind(|| insta::assert_snapshot!(name, selvedge(args)));
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
