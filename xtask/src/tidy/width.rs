//! No line has more than 100 columns, but for what cannot be broken.

use super::place;
use crate::files::File;

const COLUMNS: usize = 100;

pub(super) fn check(files: &[File]) -> Vec<String> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| line.chars().count() > COLUMNS && can_be_broken(file, line))
        .map(|(number, line)| {
            let columns = line.chars().count();
            place(file, number + 1, &format!("{columns} columns, and {COLUMNS} is the limit"))
        })
        .collect()
}

/// Rows of tables, addresses and what a program has printed stay on one line.
fn can_be_broken(file: &File, line: &str) -> bool {
    let table = file.has_extension("md") && line.starts_with('|');
    let printed = file.has_extension("md") && line.starts_with("  deadlock");
    !table && !printed && !line.contains("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, line: String) -> Vec<String> {
        check(&[File { path: path.into(), text: line }])
    }

    #[test]
    fn a_long_line_is_named_unless_it_cannot_be_broken() {
        assert!(of("a.rs", "x".repeat(100)).is_empty());
        assert_eq!(of("a.rs", "x".repeat(101)), ["a.rs:1: 101 columns, and 100 is the limit"]);
        assert!(of("a.md", format!("|{}", "x".repeat(101))).is_empty());
        assert_eq!(of("a.rs", format!("|{}", "x".repeat(101))).len(), 1);
    }
}
