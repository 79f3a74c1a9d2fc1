//! A comparison of the entries with a kernel tree: has it locks that they have not?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use selvedge_models::sources::Source;

use super::c;
use crate::{Failure, show};

/// The version of the entries that stand for what follows the last release that they know.
const NEXT: &str = "2026";

/// The last release that the entries know.
const LAST: (u32, u32) = (7, 1);

/// Lists the functions of the entries that the tree in `folder` has not, and the lock calls in the
/// others that their entries have not. Returns whether there are none.
pub(super) fn compare(
    sources: &[Source],
    folder: &Path,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let version = version(folder).map_err(Failure::Usage)?;
    writeln!(out, "{} as {version}", folder.display())?;
    let mut functions: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.versions.contain(&version)) {
        let locks = source.words().flat_map(c::lock_calls);
        functions.entry((source.file, source.function)).or_default().extend(locks);
    }
    let (mut text, mut differences) = (None, 0);
    let count = functions.len();
    for ((file, function), known) in functions {
        if text.as_ref().is_none_or(|(name, _)| *name != file) {
            text = Some((file, fs::read_to_string(folder.join(file)).map(|text| c::code(&text))));
        }
        let code = text.as_ref().and_then(|(_, text)| text.as_ref().ok());
        let Some(code) = code else {
            differences += 1;
            writeln!(out, "{file}: no such file, for {function}")?;
            continue;
        };
        let Some(body) = c::body(code, function) else {
            differences += 1;
            writeln!(out, "{file}: no function {function}")?;
            continue;
        };
        let new: BTreeSet<String> = c::lock_calls(body).collect();
        for call in new.difference(&known) {
            differences += 1;
            writeln!(out, "{file}: {function} has {call}, and its entry has not")?;
        }
    }
    let (functions, lists) =
        (show::count(count, "function"), show::count(differences, "difference"));
    writeln!(out, "{functions}, {lists}.")?;
    Ok(differences == 0)
}

/// Returns the version of a kernel tree, from its `Makefile`.
fn version(folder: &Path) -> Result<String, String> {
    let path = folder.join("Makefile");
    let wrong = |what: String| format!("{} is no kernel tree: {what}", folder.display());
    let makefile = fs::read_to_string(&path)
        .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
    let number = |name: &str| {
        let values = makefile.lines().filter_map(|line| line.split_once('='));
        let mut values = values.filter(|(key, _)| key.trim() == name);
        values.find_map(|(_, value)| value.trim().parse::<u32>().ok())
    };
    match (number("VERSION"), number("PATCHLEVEL")) {
        (Some(version), Some(level)) if (version, level) > LAST => Ok(NEXT.to_owned()),
        (Some(version), Some(level)) => Ok(format!("v{version}.{level}")),
        _ => Err(wrong("its Makefile sets VERSION and PATCHLEVEL to no numbers".to_owned())),
    }
}
