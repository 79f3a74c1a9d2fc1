//! Leaves out each statement of the models in turn, and sees whether a verdict changes.
//!
//! cargo-mutants replaces whole functions. A model of locking consists of single statements: a
//! lock taken, an unlock, a field set, a queue reset. Each statement that can be left out
//! is put behind a switch in a copy of the repository, which is built once; then the catalogue is
//! verified once for each switch. A statement whose absence changes no verdict is either
//! equivalent, or a scenario is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Args;
use serde_json::Value;
use walkdir::WalkDir;

use super::sources;
use super::statements::{Statement, statements, switched};
use crate::files::{self, File};

/// After this long a mutant counts as noticed: it does not end.
const SECONDS_MAX: &str = "120";

/// The options of the task.
#[derive(Args)]
pub(crate) struct Mutants {
    /// Only statements whose `path:line: text` contains one of these
    patterns: Vec<String>,
    /// Verify only the scenarios that match
    #[arg(long, value_name = "GLOB", default_value = "{vfio-ap,iommu}/**")]
    verify: String,
    /// The engine to verify with
    #[arg(long, default_value = "native")]
    engine: String,
    /// Leave nothing out; list the statements that no execution reaches
    #[arg(long)]
    reached: bool,
}

/// Runs the task and prints each statement that is not missed.
///
/// # Errors
///
/// If the copy cannot be made or built.
pub(crate) fn run(task: &Mutants) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copy = Copy::new(&files::root(), folder.path())?;
    let chosen: Vec<usize> = copy
        .statements
        .keys()
        .copied()
        .filter(|number| {
            let name = copy.name(*number);
            task.patterns.is_empty() || task.patterns.iter().any(|pattern| name.contains(pattern))
        })
        .collect();
    if task.reached {
        let reached = copy.reached(task)?;
        let missed: Vec<_> = chosen.iter().filter(|number| !reached.contains(number)).collect();
        missed.iter().for_each(|number| println!("{}", copy.name(**number)));
        println!("{} statements, {} of them never reached.", chosen.len(), missed.len());
    } else {
        let left = copy.survivors(task, &chosen);
        println!("{} statements left out in turn, {left} not missed.", chosen.len());
    }
    Ok(())
}

/// A copy of the repository, with each statement of the models behind a switch.
struct Copy {
    root: PathBuf,
    /// The sources as they were.
    files: Vec<(File, Vec<Statement>)>,
    /// Which file and which of its statements has a number.
    statements: BTreeMap<usize, (usize, usize)>,
}

impl Copy {
    fn new(root: &Path, folder: &Path) -> Result<Self, String> {
        copy_files(root, folder).map_err(|error| format!("cannot copy the sources: {error}"))?;
        let models = sources(folder).into_iter();
        let files: Vec<_> = models
            .map(|file| {
                let found = statements(&file.text, &file.parse());
                (file, found)
            })
            .collect();
        let places = files.iter().enumerate().flat_map(|(file, (_, statements))| {
            (0..statements.len()).map(move |statement| (file, statement))
        });
        let statements = (1..).zip(places).collect();
        let mut copy = Self { root: folder.to_owned(), files, statements };
        copy.build()?;
        Ok(copy)
    }

    /// Returns `path:line: text` of a statement.
    fn name(&self, number: usize) -> String {
        let (file, statement) = self.statements[&number];
        let (file, statements) = &self.files[file];
        let statement = &statements[statement];
        format!("{}:{}: {}", file.path.display(), statement.line, statement.text(&file.text))
    }

    /// Writes the sources with their switches, and the function that all switches ask.
    fn write_sources(&self) -> std::io::Result<()> {
        for (place, (file, statements)) in self.files.iter().enumerate() {
            let numbered: Vec<_> = self
                .statements
                .iter()
                .filter(|(_, (file, _))| *file == place)
                .map(|(number, (_, statement))| (*number, &statements[*statement]))
                .collect();
            let mut text = switched(&file.text, &numbered);
            if file.path.ends_with("models/src/lib.rs") {
                text.push_str(include_str!("switch.rs"));
            }
            fs::write(self.root.join(&file.path), text)?;
        }
        Ok(())
    }

    /// Builds, and takes back the switches that the compiler does not accept.
    fn build(&mut self) -> Result<(), String> {
        loop {
            self.write_sources().map_err(|error| error.to_string())?;
            let refused = self.refused()?;
            if refused.is_empty() {
                return Ok(());
            }
            let before = self.statements.len();
            let files = &self.files;
            self.statements.retain(|_, (file, statement)| {
                let (file, statements) = &files[*file];
                let line = statements[*statement].line;
                !refused.contains(&(file.path.display().to_string(), line))
            });
            if self.statements.len() == before {
                return Err(format!("the copy does not compile: {refused:?}"));
            }
        }
    }

    /// Returns the places of the compiler's errors.
    fn refused(&self) -> Result<BTreeSet<(String, usize)>, String> {
        let build = ["build", "--release", "--quiet", "-p", "selvedge-checks"];
        let output = Command::new("cargo")
            .args(build)
            .arg("--message-format=json")
            .current_dir(&self.root)
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        let mut places = BTreeSet::new();
        for line in output.stdout.lines().map_while(Result::ok) {
            let message: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
            let message = &message["message"];
            if message["level"] == "error" {
                let spans = message["spans"].as_array().into_iter().flatten();
                places.extend(spans.filter_map(|span| {
                    Some((
                        span["file_name"].as_str()?.to_owned(),
                        span["line_start"].as_u64()? as usize,
                    ))
                }));
            }
        }
        if places.is_empty() && !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(places)
    }

    fn verify(&self, task: &Mutants) -> Command {
        let mut command = Command::new("timeout");
        command.arg(SECONDS_MAX).arg(self.root.join("target/release/selvedge"));
        command.args(["verify", "--json", "--engine", &task.engine, "--jobs", "1", &task.verify]);
        command.stderr(Stdio::null());
        command
    }

    /// Returns the statements that some execution reaches.
    fn reached(&self, task: &Mutants) -> Result<BTreeSet<usize>, String> {
        let numbers = self.root.join("reached");
        let mut command = self.verify(task);
        let status = command.env("REACHED", &numbers).stdout(Stdio::null()).status();
        status.map_err(|error| error.to_string())?;
        let text = fs::read_to_string(&numbers).map_err(|error| error.to_string())?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Prints the statements that are not missed, and returns how many there are.
    fn survivors(&self, task: &Mutants, chosen: &[usize]) -> usize {
        let (next, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            while let Some(number) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.survives(task, *number) {
                    left.fetch_add(1, Ordering::Relaxed);
                    println!("{}", self.name(*number));
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
        });
        left.into_inner()
    }

    /// Whether every verdict is as expected without a statement; asks no further than the first
    /// that is not.
    fn survives(&self, task: &Mutants, number: usize) -> bool {
        let mut command = self.verify(task);
        let mut child = command
            .env("MUTANT", number.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the copy was built");
        let stdout = child.stdout.take().expect("it is piped");
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let as_expected = serde_json::from_str::<Value>(&line)
                .is_ok_and(|report| report["as_expected"] == true);
            if !as_expected {
                _ = child.kill();
                _ = child.wait();
                return false;
            }
        }
        child.wait().is_ok_and(|status| status.success())
    }
}

/// Copies the sources, and what is built already.
fn copy_files(root: &Path, folder: &Path) -> std::io::Result<()> {
    let skipped = [root.join(".git"), root.join("target"), root.join("target-loom")];
    copy_below(root, root, folder, &skipped)?;
    copy_below(&root.join("target/release"), root, folder, &[])
}

fn copy_below(from: &Path, root: &Path, folder: &Path, skipped: &[PathBuf]) -> std::io::Result<()> {
    if !from.exists() {
        return Ok(());
    }
    let walk = WalkDir::new(from).into_iter();
    for entry in walk.filter_entry(|entry| !skipped.iter().any(|skip| entry.path() == skip)) {
        let entry = entry?;
        let to = folder.join(entry.path().strip_prefix(root).expect("it is below the root"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(to)?;
        } else if entry.file_type().is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
