//! Every operation of `docs/primitives.md` is in a fuzzer.
//!
//! The page is generated from the library, so an operation that is added to it fails here until
//! some language of random programs performs it. The sources of these languages are searched for
//! its calls. A name that several types have is called by its path there, `Mutex::lock`, so that it
//! is known whose it is. That each instruction is emitted is checked by the compiler, since a
//! variant that is never made is dead code, and by the tests that count programs with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the operations in the second column of the page, each by its path.
fn operations() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/primitives.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let name = |row: &str| {
        let call = row.split(" | ").nth(1)?;
        Some(call.strip_prefix('`')?.strip_suffix('`')?.to_owned())
    };
    rows.filter_map(name).collect()
}

/// Appends the sources of the languages in a folder: all that is not their brute force or written
/// by hand.
fn read(folder: &Path, text: &mut String) {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        if matches!(name, "reference" | "axioms" | "litmus" | "primitives" | "emitted") {
            continue;
        }
        if path.is_dir() {
            read(&path, text);
        } else {
            text.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// Returns whether the text has this path, and not as a part of another.
fn has_path(text: &str, path: &str) -> bool {
    let of_a_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        !before.into_iter().chain(after).any(of_a_name)
    })
}

/// Returns the operations that the text does not call.
fn missing(operations: &BTreeSet<String>, text: &str) -> Vec<String> {
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    let name = |path: &str| path.rsplit("::").next().map(str::len).expect("a name");
    for path in operations {
        *owners.entry(&path[path.len() - name(path)..]).or_default() += 1;
    }
    let called = |path: &&String| {
        let name = &path[path.len() - name(path)..];
        let by_method = owners[name] == 1 && name != "new" && text.contains(&format!(".{name}("));
        by_method || has_path(text, path)
    };
    operations.iter().filter(|path| !called(path)).cloned().collect()
}

#[test]
fn every_operation_of_the_page_is_in_a_fuzzer() {
    let mut text = String::new();
    for folder in ["tests/fuzz", "tests/memory"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut text);
    }
    let operations = operations();
    assert!(operations.len() > 200, "{operations:?}");
    let missing = missing(&operations, &text);
    assert!(missing.is_empty(), "no fuzzer performs {missing:#?}");
}

#[test]
fn an_operation_is_missing_whose_name_is_that_of_another() {
    let operations = ["Mutex::lock", "WwMutex::lock", "Timer::mod_timer", "smp_mb"];
    let operations: BTreeSet<String> = operations.map(str::to_owned).into();
    let all = |text| missing(&operations, text);
    assert_eq!(all("Mutex::lock(m); t.mod_timer(); smp_mb()"), ["WwMutex::lock"]);
    assert_eq!(all("m.lock(); RtMutex::lock(m); Mutex::lock_nested(m); smp_mb_before()").len(), 4);
}
