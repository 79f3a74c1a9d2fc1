//! What the command does with its command line.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Parser;
use selvedge_core::{
    Checker, Counterexample, Engine, Expectation, Progress, ReplayError, Scenario, Schedule,
};

use crate::cli::{Cli, Command};
use crate::json::VerdictRecord;
use crate::progress::Bar;
use crate::{check, compare, explained, merge, select, show, sources, splat, verify, waits};

/// Every verdict is as expected.
const AS_EXPECTED: u8 = 0;
/// Some verdict is not.
const NOT_AS_EXPECTED: u8 = 1;
/// The command line was wrong, or a file that it names.
const USAGE: u8 = 2;
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
        self.note(record.as_expected, record.found == "inconclusive");
    }

    /// Takes another verdict into account: whether it is as expected, and whether it is none.
    pub(crate) fn note(&mut self, as_expected: bool, inconclusive: bool) {
        self.wrong |= !as_expected && !inconclusive;
        self.inconclusive |= !as_expected && inconclusive;
    }

    fn code(self) -> u8 {
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
}

impl Known {
    /// Returns the scenarios that patterns can select.
    pub(crate) fn selectable(&self, patterns: &[String]) -> Vec<Scenario> {
        match patterns {
            [] => self.scenarios.clone(),
            _ => self.all(),
        }
    }

    pub(crate) fn all(&self) -> Vec<Scenario> {
        [&*self.scenarios, &*self.programs].concat()
    }
}

/// Runs the command with the arguments of the process.
pub(crate) fn main(known: &Known) -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or_default();
    let lists = matches!(command, Command::List { .. });
    let mut out = BufWriter::new(io::stdout().lock());
    let result = run(known, command, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    match result {
        Ok(code) => ExitCode::from(code),
        // The reader of the pipe has read enough. What it has not read may be a wrong verdict.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::from(if lists { AS_EXPECTED } else { UNWRITTEN })
        }
        Err(Failure::Output(error)) => {
            eprintln!("selvedge: cannot write the result: {error}");
            ExitCode::from(UNWRITTEN)
        }
        Err(Failure::Usage(message)) => {
            eprintln!("selvedge: {message}");
            ExitCode::from(USAGE)
        }
    }
}

fn run(known: &Known, command: Command, out: &mut impl Write) -> Result<u8, Failure> {
    match command {
        Command::List { patterns } => {
            let known = known.selectable(&patterns);
            for scenario in select::select(&known, &patterns).map_err(Failure::Usage)? {
                writeln!(out, "{}\n    {}", scenario.name(), scenario.about())?;
            }
            Ok(AS_EXPECTED)
        }
        Command::Verify(verify) => Ok(verify::verify(known, &verify, out)?.code()),
        Command::Merge(merge) => Ok(merge::merge(known, &merge, out)?.code()),
        Command::Compare(compare) => {
            let known = match compare.patterns.as_slice() {
                [] if known.programs.is_empty() => known.scenarios.clone(),
                [] => known.programs.clone(),
                patterns => known.selectable(patterns),
            };
            let scenarios = select::select(&known, &compare.patterns).map_err(Failure::Usage)?;
            let all = compare::compare(&scenarios, &compare, out)?;
            Ok(if all { AS_EXPECTED } else { NOT_AS_EXPECTED })
        }
        Command::Explain { name } => {
            let known = known.all();
            explain(select::named(&known, &name).map_err(Failure::Usage)?, out)
        }
        Command::Splat(options) => {
            splat::splat(&options, out)?;
            Ok(AS_EXPECTED)
        }
        Command::Check(options) => Ok(check::check(&options, out)?.code()),
        Command::Sources(options) => {
            let all = sources::run(&options, out)?;
            Ok(if all { AS_EXPECTED } else { NOT_AS_EXPECTED })
        }
        Command::Waits { patterns } => {
            let known = known.selectable(&patterns);
            let scenarios = select::select(&known, &patterns).map_err(Failure::Usage)?;
            let all = waits::waits(&scenarios, out)?;
            Ok(if all { AS_EXPECTED } else { NOT_AS_EXPECTED })
        }
        Command::Replay { name, schedule } => {
            let known = known.all();
            replay(select::named(&known, &name).map_err(Failure::Usage)?, &schedule, out)
        }
    }
}

fn explain(scenario: &Scenario, out: &mut impl Write) -> Result<u8, Failure> {
    let bar = Bar::new(scenario);
    // A violation that only weak memory has, only loom can show, and no engine can replay.
    let natively = *scenario.expected(Engine::Native) != Expectation::Inconclusive;
    let engine = if natively { Engine::Native } else { Engine::Loom };
    let listener = |progress: &Progress<'_>| {
        bar.update(progress);
        ControlFlow::Continue(())
    };
    let report = Checker::new(engine).on_progress(listener).run(scenario);
    drop(bar);
    show::heading(scenario, out)?;
    let again = |found: &Counterexample| show::replay(scenario, found);
    explained::findings(&report, &again, out)?;
    Ok(if report.as_expected() { AS_EXPECTED } else { NOT_AS_EXPECTED })
}

fn replay(scenario: &Scenario, schedule: &Schedule, out: &mut impl Write) -> Result<u8, Failure> {
    match scenario.replay(schedule) {
        Ok(found) => {
            show::heading(scenario, out)?;
            for counterexample in &found {
                show::counterexample(counterexample, out)?;
                writeln!(out, "\nReplay: {}", show::replay(scenario, counterexample))?;
            }
            Ok(AS_EXPECTED)
        }
        Err(error @ ReplayError::NoViolation) => {
            writeln!(out, "{}: {error}", scenario.name())?;
            Ok(NOT_AS_EXPECTED)
        }
        Err(error) => Err(Failure::Usage(format!("{}: {error}", scenario.name()))),
    }
}
