//! Reports: one log of executions, in the formats of other tools.

mod html;
mod junit;
mod mermaid;
mod perfetto;
mod sarif;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use selvedge_core::{Checker, Engine, Scenario};

use crate::app::Outcome;
use crate::json::{ExecutionRecord, ExplanationRecord};
use crate::progress;

/// The verdicts of scenarios, with their counterexamples operation by operation, to be written in
/// the formats of other tools.
///
/// ```
/// use selvedge_checks::Reports;
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Engine, Scenario};
///
/// let scenario = Scenario::builder("example/one", || Mutex::new("m", ()))
///     .thread("T", |m| m.lock().unlock())
///     .expect_proof();
/// let reports = Reports::of(&[scenario], Engine::Native);
/// assert!(reports.as_expected());
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// reports.html(&path.join("locking.html"))?;
/// reports.junit(&path.join("locking.xml"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Reports {
    verdicts: Vec<ExplanationRecord>,
}

impl Reports {
    /// Explores the scenarios on an engine.
    pub fn of(scenarios: &[Scenario], engine: Engine) -> Self {
        Self { verdicts: scenarios.iter().map(|scenario| explored(scenario, engine)).collect() }
    }

    /// Explores the scenarios of a text. Where it claims nothing, a proof is expected, as by
    /// `check`.
    pub(crate) fn of_text(scenarios: &[Scenario], engine: Engine) -> Self {
        let mut reports = Self::of(scenarios, engine);
        reports.verdicts.iter_mut().for_each(|record| record.verdict.expect_proof_if_unstated());
        reports
    }

    /// Returns whether the verdicts are as expected, or missing.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        self.verdicts.iter().for_each(|record| outcome.add(&record.verdict));
        outcome
    }

    /// Returns whether every verdict is as expected.
    pub fn as_expected(&self) -> bool {
        self.verdicts.iter().all(|record| record.verdict.as_expected)
    }

    /// Writes one page of HTML, which needs no other file and no network.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn html(&self, file: &Path) -> io::Result<()> {
        fs::write(file, html::page(&self.verdicts)?)
    }

    /// Writes the counterexamples in SARIF 2.1.0, with the steps of each thread as a thread flow. A
    /// counterexample that is expected is suppressed.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn sarif(&self, file: &Path) -> io::Result<()> {
        fs::write(file, sarif::log(&self.verdicts)?)
    }

    /// Writes the verdicts as JUnit's test cases. Those that are not as expected have failed.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn junit(&self, file: &Path) -> io::Result<()> {
        fs::write(file, junit::suites(&self.verdicts)?)
    }

    /// Writes a sequence diagram of Mermaid for each counterexample, into a folder.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn mermaid(&self, folder: &Path) -> io::Result<()> {
        self.each(folder, "mmd", |found| Ok(mermaid::diagram(found)))
    }

    /// Writes a trace that Perfetto opens for each counterexample, into a folder: an operation
    /// takes a millisecond, and a track for each lock has its holders.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn perfetto(&self, folder: &Path) -> io::Result<()> {
        self.each(folder, "json", perfetto::trace)
    }

    /// Writes a file for each counterexample, with the scenario's name and a number from 1.
    fn each(
        &self,
        folder: &Path,
        extension: &str,
        text: impl Fn(&ExecutionRecord) -> io::Result<String>,
    ) -> io::Result<()> {
        for record in &self.verdicts {
            for (number, found) in (1..).zip(&record.counterexamples) {
                let name = format!("{}.{number}.{extension}", record.verdict.scenario);
                let file = folder.join(name);
                fs::create_dir_all(file.parent().unwrap_or(folder))?;
                fs::write(file, text(found)?)?;
            }
        }
        Ok(())
    }
}

fn explored(scenario: &Scenario, engine: Engine) -> ExplanationRecord {
    let started = Instant::now();
    let report = progress::explore(scenario, Checker::new(engine));
    let found: Vec<_> = report.verdict.counterexamples().iter().collect();
    ExplanationRecord::new(scenario, &report, started.elapsed(), &found)
}

/// Checks that some format is asked for.
pub(crate) fn check_options(options: &crate::cli::Reports) -> Result<(), String> {
    let crate::cli::Reports { html, sarif, junit, mermaid, perfetto, .. } = options;
    if [html, sarif, junit, mermaid, perfetto].iter().any(|path| path.is_some()) {
        return Ok(());
    }
    Err("name a file for a format: --html, --sarif, --junit, --mermaid or --perfetto".to_owned())
}

/// Writes the files that `selvedge report` is asked for, and their names.
pub(crate) fn write(
    reports: &Reports,
    options: &crate::cli::Reports,
    out: &mut impl Write,
) -> Result<(), String> {
    type Format = fn(&Reports, &Path) -> io::Result<()>;
    let formats: [(&Option<PathBuf>, Format); 5] = [
        (&options.html, Reports::html),
        (&options.sarif, Reports::sarif),
        (&options.junit, Reports::junit),
        (&options.mermaid, Reports::mermaid),
        (&options.perfetto, Reports::perfetto),
    ];
    for (path, format) in formats {
        let Some(path) = path else { continue };
        format(reports, path)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        writeln!(out, "{}", path.display()).map_err(|error| error.to_string())?;
    }
    Ok(())
}
