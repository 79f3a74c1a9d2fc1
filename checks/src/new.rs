//! `selvedge new`: a crate for the scenarios of one driver.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files of the crate.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("new/Cargo.toml.txt")),
    (".gitignore", "/target\n"),
    ("src/lib.rs", include_str!("new/lib.rs")),
    ("src/main.rs", include_str!("new/main.rs.txt")),
    ("tests/scenarios.rs", include_str!("new/scenarios.rs.txt")),
];

/// Writes a crate into the new folder `path`, whose last part is its name. Its dependencies are in
/// `selvedge`, a checkout of this repository; without any, in that of this program.
pub(crate) fn create(path: &Path, selvedge: Option<&Path>) -> Result<(), String> {
    let (folder, name) = (path.display(), name_of(path));
    check_name(&name)?;
    let selvedge = match selvedge {
        Some(folder) if is_checkout(folder) => fs::canonicalize(folder)
            .map_err(|error| format!("cannot open {}: {error}", folder.display()))?,
        Some(folder) => {
            return Err(format!(
                "{} is no checkout of Selvedge: no core/Cargo.toml",
                folder.display()
            ));
        }
        None => around_this_program().ok_or_else(|| {
            format!(
                "this program is in no checkout of Selvedge; name one: selvedge new {name} \
                 --selvedge DIR"
            )
        })?,
    };
    write(path, &name, &selvedge).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{folder} exists; choose another name"),
        _ => format!("cannot write {folder}: {error}"),
    })
}

/// Returns the name of the crate in a folder.
fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Returns what to do with the crate.
pub(crate) fn next_steps(path: &Path) -> String {
    let folder = path.display();
    format!(
        "Created {folder}. The next commands:
    cd {folder}
    cargo test                                    # verify its scenario
    cargo run -- explain my-driver/open-remove    # show it
"
    )
}

/// The names that cargo accepts for a package, and that are a crate of Rust too.
fn check_name(name: &str) -> Result<(), String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let taken = ["test", "core", "std", "alloc", "selvedge-core", "selvedge-checks"];
    if begins && name.chars().all(letter) && !taken.contains(&name) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name for a crate: it begins with a letter, has letters, digits, `-` and \
         `_`, and is not the name of a crate that it uses"
    ))
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("core/Cargo.toml").is_file() && folder.join("checks/Cargo.toml").is_file()
}

/// Returns the checkout in which this program was built, if it is still there.
fn around_this_program() -> Option<PathBuf> {
    let program = env::current_exe().and_then(fs::canonicalize).ok()?;
    program.ancestors().find(|folder| is_checkout(folder)).map(Path::to_owned)
}

fn write(folder: &Path, name: &str, selvedge: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (file, text) in FILES {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        // A string of TOML is written as one of Rust.
        let quoted = |part: &str| format!("{:?}", selvedge.join(part).display().to_string());
        let text = text
            .replace("@NAME@", name)
            .replace("@CRATE@", &name.replace('-', "_"))
            .replace("@CORE@", &quoted("core"))
            .replace("@CHECKS@", &quoted("checks"));
        fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_cargo_accepts() {
        for name in ["nvme", "my-driver", "a1_b"] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", "1a", "-a", "a/b", "a b", "core", "ä"] {
            assert!(check_name(name).unwrap_err().starts_with(&format!("`{name}` is no name")));
        }
    }

    #[test]
    fn the_last_part_of_a_path_is_the_name() {
        for path in ["nvme", "models/nvme", "/home/me/nvme/", "./nvme"] {
            assert_eq!(name_of(Path::new(path)), "nvme");
        }
        for path in ["", "/", ".."] {
            assert_eq!(name_of(Path::new(path)), "");
        }
    }
}
