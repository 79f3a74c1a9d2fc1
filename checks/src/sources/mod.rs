//! The lines of the kernel that the models stand for, for a reader with a kernel tree.

mod c;
mod tree;

use std::io::{self, Write};

use globset::Glob;
use selvedge_models::sources::{
    ELSEWHERE, NO_FUNCTION, NO_LINES, SMALLER, Source, WITHOUT_ENTRY, sources,
};

use crate::Failure;
use crate::cli::Sources;

/// Prints the entries whose function matches a pattern, or compares them with a kernel tree.
/// Returns whether the tree has nothing that they have not.
pub(crate) fn run(options: &Sources, out: &mut impl Write) -> Result<bool, Failure> {
    let selected = select(sources(), &options.patterns).map_err(Failure::Usage)?;
    if let Some(folder) = &options.kernel {
        return tree::compare(&selected, folder, out);
    }
    let mut file = None;
    for source in &selected {
        if file.replace(source.file) != Some(source.file) {
            writeln!(out, "{}", source.file)?;
        }
        print(source, out)?;
    }
    if options.patterns.is_empty() {
        exceptions(out)?;
    }
    Ok(true)
}

fn select(mut sources: Vec<Source>, patterns: &[String]) -> Result<Vec<Source>, String> {
    if patterns.is_empty() {
        return Ok(sources);
    }
    let mut selected = vec![false; sources.len()];
    for pattern in patterns {
        let glob =
            Glob::new(pattern).map_err(|error| format!("`{pattern}` is no glob: {error}"))?;
        let matcher = glob.compile_matcher();
        let matches = |source: &Source| matcher.is_match(source.function);
        if !sources.iter().any(matches) {
            let distance = |source: &&Source| strsim::damerau_levenshtein(source.function, pattern);
            let nearest =
                sources.iter().min_by_key(distance).map_or("", |nearest| nearest.function);
            return Err(format!("no function matches `{pattern}`; the nearest is {nearest}"));
        }
        selected.iter_mut().zip(&sources).for_each(|(is, source)| *is |= matches(source));
    }
    let mut selected = selected.into_iter();
    sources.retain(|_| selected.next().unwrap_or(false));
    Ok(sources)
}

fn print(source: &Source, out: &mut impl Write) -> io::Result<()> {
    let Source { function, model, versions, read, .. } = source;
    let model = if model == function { "" } else { &format!(", {model} in the models") };
    let within = if source.inline { ", in its callers" } else { "" };
    writeln!(out, "  {function}{model}{within} ({versions}; read: {read})")?;
    source.sequence.iter().try_for_each(|line| writeln!(out, "      {line}"))
}

fn exceptions(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nWithout an entry, by scenario, function or file of the models:")?;
    for (path, reason) in ELSEWHERE.iter().chain(NO_FUNCTION).chain(NO_LINES).chain(WITHOUT_ENTRY) {
        writeln!(out, "  {path}: {reason}")?;
    }
    for (function, path, reason) in SMALLER {
        writeln!(out, "  {function} in {path}: {reason}")?;
    }
    Ok(())
}
