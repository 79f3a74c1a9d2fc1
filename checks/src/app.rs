//! What the command does with its command line.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anstream::AutoStream;
use clap::{CommandFactory, Parser};
use selvedge_core::Scenario;

use crate::cli::{Cli, Command};
use crate::json::{ScenarioRecord, VerdictRecord};
use crate::report::{self, Reports};
#[cfg(feature = "catalogue")]
use crate::sources;
use crate::{
    certify, check, clients, compare, explain, merge, new, regress, select, splat, verify, waits,
};

/// Every verdict is as expected.
const AS_EXPECTED: u8 = 0;
/// Some verdict is not.
const NOT_AS_EXPECTED: u8 = 1;
/// The command line was wrong, or a file that it names.
pub(crate) const USAGE: u8 = 2;
/// No verdict contradicts what is expected, but some verdict is missing: a limit was reached.
const INCONCLUSIVE: u8 = 3;
/// The output could not be written, or was not read to its end.
const UNWRITTEN: u8 = 4;

/// Whether verdicts are as expected.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcome {
    wrong: bool,
    inconclusive: bool,
}

impl Outcome {
    /// Takes another verdict into account.
    pub(crate) fn add(&mut self, record: &VerdictRecord) {
        self.note(record.as_expected, record.is_missing());
    }

    /// Takes another verdict into account: whether it is as expected, and whether it is none.
    pub(crate) fn note(&mut self, as_expected: bool, inconclusive: bool) {
        self.wrong |= !as_expected && !inconclusive;
        self.inconclusive |= !as_expected && inconclusive;
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self { wrong: true, .. } => NOT_AS_EXPECTED,
            Self { inconclusive: true, .. } => INCONCLUSIVE,
            _ => AS_EXPECTED,
        }
    }
}

/// Why the command failed.
pub(crate) enum Failure {
    Usage(String),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The scenarios that the command knows.
#[derive(Debug)]
pub(crate) struct Known {
    /// What it verifies where no pattern is given.
    pub(crate) scenarios: Vec<Scenario>,
    /// What it compares where no pattern is given. Patterns select among these too.
    pub(crate) programs: Vec<Scenario>,
    /// The drivers whose clients it enumerates where no pattern is given. A name selects one, and
    /// no pattern: they are too large to verify beside others.
    pub(crate) drivers: Vec<Scenario>,
}

impl Known {
    /// Returns the scenarios that patterns can select.
    pub(crate) fn selectable(&self, patterns: &[String]) -> Vec<Scenario> {
        match patterns {
            [] => self.scenarios.clone(),
            _ => [&*self.scenarios, &*self.programs].concat(),
        }
    }

    /// Returns the scenarios that the patterns select.
    fn select(&self, patterns: &[String]) -> Result<Vec<Scenario>, Failure> {
        let known = self.selectable(patterns);
        let selected = select::select(&known, patterns).map_err(Failure::Usage)?;
        Ok(selected.into_iter().cloned().collect())
    }

    /// Returns the scenario of this name.
    fn named(&self, name: &str) -> Result<Scenario, Failure> {
        select::named(&self.all(), name).map_err(Failure::Usage)
    }

    pub(crate) fn all(&self) -> Vec<Scenario> {
        [&*self.scenarios, &*self.programs, &*self.drivers].concat()
    }
}

/// Runs the command with the arguments of the process.
pub(crate) fn main(known: &Known) -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or_default();
    let lists = matches!(command, Command::List { .. });
    let mut out = BufWriter::new(AutoStream::auto(io::stdout().lock()));
    let checked = select::check_names(&known.all()).map_err(Failure::Usage);
    let result = checked
        .and_then(|()| run(known, command, &mut out))
        .and_then(|code| Ok(out.flush().map(|()| code)?));
    match result {
        Ok(code) => ExitCode::from(code),
        // The reader of the pipe has read enough. What it has not read may be a wrong verdict.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::from(if lists { AS_EXPECTED } else { UNWRITTEN })
        }
        Err(Failure::Output(error)) => {
            complain(&format!("cannot write the result: {error}"));
            ExitCode::from(UNWRITTEN)
        }
        Err(Failure::Usage(message)) => {
            complain(&message);
            ExitCode::from(USAGE)
        }
    }
}

fn run(known: &Known, command: Command, out: &mut impl Write) -> Result<u8, Failure> {
    match command {
        Command::List { patterns, json } => {
            for scenario in known.select(&patterns)? {
                match json {
                    true => ScenarioRecord::new(&scenario).write(out)?,
                    false => writeln!(out, "{}\n    {}", scenario.name(), scenario.about())?,
                }
            }
            Ok(AS_EXPECTED)
        }
        Command::Verify(verify) => Ok(verify::verify(known, &verify, out)?.code()),
        Command::Merge(merge) => Ok(merge::merge(known, &merge, out)?.code()),
        Command::Compare(compare) => {
            let scenarios = match compare.patterns.as_slice() {
                [] if !known.programs.is_empty() => known.programs.clone(),
                patterns => known.select(patterns)?,
            };
            Ok(code(compare::compare(&scenarios, &compare, out)?))
        }
        Command::Explain(options) => {
            Ok(explain::explain(&known.named(&options.name)?, &options, out)?.code())
        }
        Command::Certify { name } => Ok(certify::certify(&known.named(&name)?, out)?.code()),
        Command::Clients(options) => Ok(clients::clients(known, &options, out)?.code()),
        Command::Check(options) => Ok(check::check(&options, out)?.code()),
        Command::Splat(options) => {
            splat::splat(&options, out)?;
            Ok(AS_EXPECTED)
        }
        Command::Report(options) => {
            report::check_options(&options).map_err(Failure::Usage)?;
            let reports = match options.text.as_slice() {
                [] => Reports::of(&known.select(&options.patterns)?, options.engine),
                texts => Reports::of_text(&check::scenarios(texts)?, options.engine),
            };
            report::write(&reports, &options, out).map_err(Failure::Usage)?;
            Ok(reports.outcome().code())
        }
        Command::Record { file, patterns } => {
            regress::record(&known.select(&patterns)?, &file, out)?;
            Ok(AS_EXPECTED)
        }
        Command::Regress { file, update } => {
            Ok(code(regress::regress(&known.all(), &file, update, out)?))
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "selvedge", out);
            Ok(AS_EXPECTED)
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command()).render(out)?;
            Ok(AS_EXPECTED)
        }
        Command::New { path, selvedge } => {
            new::create(&path, selvedge.as_deref()).map_err(Failure::Usage)?;
            write!(out, "{}", new::next_steps(&path))?;
            Ok(AS_EXPECTED)
        }
        #[cfg(feature = "catalogue")]
        Command::Sources(options) => Ok(code(sources::run(&options, out)?)),
        Command::Waits { patterns } => Ok(code(waits::waits(&known.select(&patterns)?, out)?)),
        Command::Replay(options) => {
            Ok(code(explain::replay(&known.named(&options.name)?, &options, out)?))
        }
    }
}

/// Writes a message to standard error. If that is not possible, the exit code is left.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "selvedge: {message}");
}

fn code(as_expected: bool) -> u8 {
    if as_expected { AS_EXPECTED } else { NOT_AS_EXPECTED }
}
