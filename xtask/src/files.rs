//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Folders that hold no sources.
const NOT_OURS: [&str; 4] = [".git", "target", "target-loom", "node_modules"];

/// Returns the root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace").to_owned()
}

/// A text file of the repository.
pub(crate) struct File {
    /// Relative to the root of the workspace.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    /// Parses the file.
    ///
    /// # Panics
    ///
    /// If it is not Rust.
    pub(crate) fn parse(&self) -> syn::File {
        let parsed = syn::parse_file(&self.text);
        parsed.unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }
}

/// Reads every file below `folder` with one of these extensions, in the order of their paths.
pub(crate) fn read(root: &Path, folder: &str, extensions: &[&str]) -> Vec<File> {
    let ours = |entry: &walkdir::DirEntry| {
        !NOT_OURS.iter().any(|name| entry.file_name().to_str() == Some(name))
    };
    let walk = WalkDir::new(root.join(folder)).sort_by_file_name().into_iter();
    walk.filter_entry(ours)
        .map(|entry| entry.expect("the repository can be read").into_path())
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            extension.is_some_and(|extension| extensions.contains(&extension))
        })
        .map(|path| File {
            text: fs::read_to_string(&path).expect("a source file is text"),
            path: path.strip_prefix(root).expect("it is below the root").to_owned(),
        })
        .collect()
}
