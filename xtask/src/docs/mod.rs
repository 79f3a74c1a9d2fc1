//! The tables in the README of each driver, generated from the catalogue and from the rules of the
//! driver, between two markers:
//!
//! ```text
//! <!-- generated: bugs -->
//! <!-- end -->
//! ```
//!
//! - [`scenarios`]: a row for each bug or race, with the versions that have it.
//! - [`rules`]: a row for each rule, with the scenarios that break it.
//!
//! [`primitives`] generates a whole page from the documentation of the library.
//!
//! [`names`] checks that the text around them names scenarios that exist.

mod drivers;
mod names;
mod primitives;
mod rules;
mod scenarios;

use std::fs;
use std::path::Path;

use clap::Args;
use selvedge_core::Scenario;

use crate::files;
use drivers::{DRIVERS, Driver};

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end -->";

/// The options of the task.
#[derive(Args)]
pub(crate) struct Docs {
    /// Write nothing, and fail if a file differs from what would be written
    #[arg(long)]
    check: bool,
}

/// Generates the tables of every driver.
///
/// # Errors
///
/// If a file cannot be generated, or with `--check`, if it differs from what would be generated.
pub(crate) fn run(task: &Docs) -> Result<(), String> {
    let catalogue = selvedge_models::catalogue();
    let mut wrong = Vec::new();
    for driver in DRIVERS {
        if let Err(message) = write(&files::root(), driver, &catalogue, task.check) {
            wrong.push(message);
        }
    }
    if let Err(message) = write_page(&files::root(), task.check) {
        wrong.push(message);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn write(root: &Path, driver: &Driver, all: &[Scenario], check: bool) -> Result<(), String> {
    let path = root.join(driver.readme);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", driver.readme))?;
    let new = regenerate(&text, |table| driver.table(table, all));
    let new = new.and_then(|new| names::check(&new, all).map(|()| new));
    let new = new.map_err(|message| format!("{}: {message}", driver.readme))?;
    update(&path, driver.readme, &text, &new, check)
}

/// Generates the page of the primitives, all of it.
fn write_page(root: &Path, check: bool) -> Result<(), String> {
    let path = root.join(primitives::PAGE);
    let text = fs::read_to_string(&path).unwrap_or_default();
    update(&path, primitives::PAGE, &text, &primitives::page(root), check)
}

fn update(path: &Path, name: &str, old: &str, new: &str, check: bool) -> Result<(), String> {
    match (old == new, check) {
        (true, _) => Ok(()),
        (false, true) => Err(format!("{name} is out of date; run `cargo xtask docs`")),
        (false, false) => fs::write(path, new).map_err(|error| format!("{name}: {error}")),
    }
}

/// Returns `text` with each table replaced by what `table` generates for its name.
fn regenerate(
    text: &str,
    mut table: impl FnMut(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut new = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        new.extend([line, "\n"]);
        let Some(name) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        if !lines.any(|line| line == END) {
            return Err(format!("the table `{name}` has no `{END}`"));
        }
        new.extend([&table(name)?, END, "\n"]);
    }
    Ok(new)
}

/// Returns the rows below a header, in Markdown.
fn markdown<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(&header.map(str::to_owned));
    table += &format!("|{}\n", "---|".repeat(N));
    rows.for_each(|row| table += &line(&row));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_up_to_date() {
        if let Err(wrong) = run(&Docs { check: true }) {
            panic!("{wrong}");
        }
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = |table: &str| format!("a\n<!-- generated: t -->\n{table}<!-- end -->\nb\n");
        let new = |text: &str| regenerate(text, |name| Ok(format!("{name} new\n")));
        assert_eq!(new(&page("old\nold\n")), Ok(page("t new\n")));
        assert_eq!(new(&page("t new\n")), Ok(page("t new\n")));
        assert!(new("a\n<!-- generated: t -->\nb\n").is_err());
    }
}
