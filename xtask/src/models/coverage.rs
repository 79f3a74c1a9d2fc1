//! Which operations of the models no execution reaches.
//!
//! A proof about code that never runs proves nothing. When the whole catalogue is verified, each
//! operation in the sources of the models must have happened in some execution of some scenario.

use std::collections::BTreeSet;

use clap::Args;
use selvedge_core::{Checker, Search, Site};

use super::operations::operations;
use crate::files;

/// Operations, by file and method, that a violation always comes before, each with the reason.
const NEVER: [(&str, &str, &str); 6] = [
    ("ap/virtual_qci.rs", "wait_for_completion", "the bus waits for good with the lock held"),
    ("ap/virtual_qci.rs", "unlock", "the same"),
    ("kernel/locks.rs", "lock", "a mutex is taken with a spinlock held"),
    ("kernel/locks.rs", "unlock", "the same"),
    ("kernel/module.rs", "wait_for_completion", "the work waits for itself"),
    ("kernel/net.rs", "dereference", "the pointer is followed outside of a section"),
];

/// The options of the task.
#[derive(Args)]
pub(crate) struct Coverage {}

/// Verifies the catalogue on the native engine.
///
/// # Errors
///
/// If an operation was not reached, with one line for each.
pub(crate) fn run(_task: &Coverage) -> Result<(), String> {
    let mut reached = BTreeSet::new();
    for scenario in selvedge_models::catalogue() {
        // A proof for any number of threads runs each function along each of its paths.
        let any_number = scenario.any_number_names().next().is_some();
        let search = if any_number { Search::Auto } else { Search::Full };
        reached.extend(Checker::native().search(search).run(&scenario).coverage);
    }
    let operations = operations(&files::root());
    let missed: Vec<String> = operations
        .iter()
        .filter(|(path, line, _)| !is_reached(&reached, path, *line))
        .filter(|(path, _, method)| !is_never_reached(path, method))
        .map(|(path, line, method)| format!("{path}:{line}: no execution reaches `{method}`"))
        .collect();
    if missed.is_empty() {
        println!("{} operations, all reached.", operations.len());
        Ok(())
    } else {
        Err(missed.join("\n"))
    }
}

fn is_never_reached(path: &str, method: &str) -> bool {
    NEVER.iter().any(|(file, name, _)| path.ends_with(file) && method == *name)
}

/// The engine knows a file by the path that it was compiled with, which may be longer.
fn is_reached(reached: &BTreeSet<Site>, path: &str, line: usize) -> bool {
    reached.iter().any(|site| site.line as usize == line && site.file.ends_with(path))
}
