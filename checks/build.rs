//! Gives the sources that decide how a scenario is explored a number, so that a checkpoint or a
//! shard of other sources is refused.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// What decides how a scenario is explored.
const EXPLORED: [&str; 4] = ["../core/src", "../models/src", "../models/iova/src", "../Cargo.lock"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let sources = fingerprint();
    println!("cargo:rustc-env=SELVEDGE_SOURCES={sources:016x}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("sources.rs"), format!("{sources:#x}")).expect("OUT_DIR is writable");
}

/// Returns a number that other sources do not have.
fn fingerprint() -> u64 {
    let mut files = Vec::new();
    for root in EXPLORED {
        println!("cargo:rerun-if-changed={root}");
        sources(Path::new(root), &mut files);
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let text = fs::read(&file).expect("it was just listed");
        (file, text).hash(&mut hasher);
    }
    hasher.finish()
}

/// Adds the files in `path`, or `path` itself.
fn sources(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("it is beside") {
            sources(&entry.expect("it can be read").path(), files);
        }
    } else {
        files.push(path.to_owned());
    }
}
