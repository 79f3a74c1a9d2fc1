//! The style that neither rustfmt nor clippy checks: `docs/style.md`, as far as a program can.
//!
//! - [`width`]: no line has more than 100 columns.
//! - [`words`]: the words that `docs/glossary.md` replaces occur nowhere else.
//! - [`length`]: files and functions that do one thing.
//! - [`floors`]: no folder of `core` imports from a folder above it.

mod floors;
mod length;
mod width;
mod words;

use crate::files::{self, File};

/// Checks everything and reports each place that is wrong.
///
/// # Errors
///
/// If a place is wrong, with one line for each.
pub(crate) fn tidy() -> Result<(), String> {
    let root = files::root();
    let sources = files::read(&root, "", &["rs", "md", "toml"]);
    let mut wrong = Vec::new();
    wrong.extend(width::check(&sources));
    wrong.extend(words::check(&sources));
    wrong.extend(length::check(&sources));
    wrong.extend(floors::check(&sources));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// A place in a file, as compilers print it.
fn place(file: &File, line: usize, message: &str) -> String {
    format!("{}:{line}: {message}", file.path.display())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        if let Err(wrong) = super::tidy() {
            panic!("{wrong}");
        }
    }
}
