//! What is asked of the sources of the models: are all their operations reached, and is each of
//! their statements missed when it is gone?

pub(crate) mod coverage;
pub(crate) mod mutants;
mod operations;
mod statements;

use crate::files::{self, File};

/// What is in the crate and is no model: scenarios, programs to measure with, and tests with their
/// tables.
const NO_MODELS: [&str; 5] = ["scenarios", "scenarios.rs", "programs.rs", "tests.rs", "table.rs"];

/// Reads the sources of the models below `root`.
fn sources(root: &std::path::Path) -> Vec<File> {
    let mut sources = files::read(root, "models/src", &["rs"]);
    sources.retain(|file| !file.path.iter().any(|part| NO_MODELS.iter().any(|no| part == *no)));
    sources
}

fn has(attributes: &[syn::Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident(name))
}
