//! The command line.

use std::num::NonZero;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, value_parser};
use selvedge_core::{Engine, Schedule, Search, Shard};

/// The version, and the number of the sources that checkpoints and shards are of.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (sources ", env!("SELVEDGE_SOURCES"), ")");

/// Model-checks the locking protocols of Linux kernel drivers.
///
/// Without a command, verifies the whole catalogue on the native engine. Exit code 0: every
/// verdict is as expected; 1: some verdict is not; 2: the command line was wrong; 3: a limit was
/// reached, and no verdict is wrong; 4: the output could not be written, or was not read to its
/// end, which only `list` allows.
#[derive(Debug, Parser)]
#[command(name = "selvedge", version, long_version = VERSION, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the scenarios
    List {
        /// Path globs, such as `vfio-ap/**` or `**/v6.0`; everything below a match is meant too
        patterns: Vec<String>,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Verify scenarios and compare the verdicts with the expected ones
    Verify(Verify),
    /// Combine the shards of `verify --shard` into one verdict for each scenario
    ///
    /// Exit code 0: every verdict is as expected; 1: some verdict is not; 2: a shard is missing,
    /// damaged, duplicated or of another search, and there is no verdict.
    Merge(Merge),
    /// Run every engine and every search on the same scenarios, side by side
    ///
    /// Times are of single runs. Exit code 1 if a verdict contradicts the scenario's expectation; a
    /// limit that is reached contradicts nothing.
    Compare(Compare),
    /// Show how a scenario goes wrong: one column per thread, one row per operation
    Explain(Explain),
    /// Check the scenarios of a text, such as two call chains from a mail. No Rust is needed
    ///
    /// docs/check.md has the language. Exit code 0: every verdict is as the text expects, or, where
    /// it expects nothing, a proof; 1: some verdict is not; 2: a text is wrong; 3: a limit was
    /// reached.
    Check(Check),
    /// Make a text for `check` of a report in a kernel log, such as one of lockdep
    ///
    /// Prints the text, and on standard error the questions that the report leaves open, with the
    /// verdict for each answer. docs/splat.md has the kinds of reports. Exit code 2: the log has
    /// no report.
    Splat(Splat),
    /// Show how many operations of other threads each thread may have to wait for
    ///
    /// A thread waits while it cannot continue, or polls. Explores every state, so it takes longer
    /// than `verify`. Exit code 1 if a scenario is too large.
    Waits {
        /// Path globs, such as `vfio-ap/kvm-lock/**`
        #[arg(required = true)]
        patterns: Vec<String>,
    },
    /// Print the certificate of a proof, which `selvedge-recheck` checks
    ///
    /// Explores every state, without the reductions of `verify`. The certificate has the program as
    /// tables, and the states; `selvedge-recheck` shares nothing with the search. Exit code 1 if
    /// the scenario is refuted; 3: it is inconclusive.
    Certify {
        /// The scenario's name
        name: String,
    },
    /// Verify every small client of a driver: two threads with at most two calls each, and three
    /// threads with one call each
    ///
    /// The functions are those of which the scenario has any number of threads. Prints a line for
    /// each violation, with a scenario that claims it. Exit code 1 if none does; 3 if a client is
    /// inconclusive.
    Clients(Clients),
    /// Run one schedule of a scenario and show what it violates
    ///
    /// Exit code 1 if it violates nothing.
    Replay(Replay),
    /// Write reports in the formats of other tools
    ///
    /// Verifies the scenarios, and writes the files that are asked for. Exit code 1 if some verdict
    /// is not as expected.
    Report(Reports),
    /// Keep the schedules of all violations in a file, for `regress`
    Record {
        /// The file to write
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Path globs, such as `vfio-ap/**`. Without any, all scenarios
        patterns: Vec<String>,
    },
    /// Replay the schedules of `record`, and say which violate nothing any more
    ///
    /// A scenario whose operations have changed is explored again. Exit code 1 if a violation is
    /// gone.
    Regress {
        /// The file that `record` wrote
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Write the new schedules to the file, without the violations that are gone
        #[arg(long)]
        update: bool,
    },
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Write a crate for the scenarios of your driver into a new folder
    ///
    /// It has a small driver with one scenario, this command over it, and a test for each scenario.
    New {
        /// The new folder, whose last part is the name of the crate
        path: PathBuf,
        /// A checkout of Selvedge [default: that of this program]
        #[arg(long, value_name = "DIR")]
        selvedge: Option<PathBuf>,
    },
    /// Show the functions of the kernel that the models stand for, with their locks in order
    ///
    /// With --kernel, list the functions that the tree has not, and the lock calls in the others
    /// that are not among those shown. Exit code 1 if there are any.
    #[cfg(feature = "catalogue")]
    Sources(Sources),
}

#[derive(Debug, Args)]
pub(crate) struct Clients {
    /// Path globs, such as `clients/vfio-ap/v6.0`. Without any, every driver
    pub(crate) patterns: Vec<String>,
    /// The most calls of each of two threads
    #[arg(
        long,
        value_name = "N",
        default_value = "2",
        value_parser = value_parser!(u8).range(1..=2)
    )]
    pub(crate) calls: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The scenario's name
    pub(crate) name: String,
    /// The engine: native, loom or shuttle [default: native]
    #[arg(long, value_parser = engine)]
    pub(crate) engine: Option<Engine>,
    /// How the native engine searches, as for `verify`
    #[arg(long)]
    pub(crate) search: Option<Search>,
    /// Only the violations with this text in their names, such as `deadlock` or `INV-07`
    #[arg(long, value_name = "TEXT")]
    pub(crate) violation: Option<String>,
    /// Show every step, and not only those that the violation depends on
    #[arg(long)]
    pub(crate) all_steps: bool,
    /// Print one JSON object
    #[arg(long, conflicts_with = "all_steps")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The scenario's name
    pub(crate) name: String,
    /// The schedule, as `explain` and `--json` print it
    #[arg(long)]
    pub(crate) schedule: Schedule,
    /// Show every step, and not only those that the violation depends on
    #[arg(long)]
    pub(crate) all_steps: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Reports {
    /// Path globs, such as `vfio-ap/**`. Without any, all scenarios
    pub(crate) patterns: Vec<String>,
    /// The scenarios of this text for `check`, instead of those that this command knows
    #[arg(long, value_name = "FILE", conflicts_with = "patterns")]
    pub(crate) text: Vec<PathBuf>,
    /// The engine: native, loom or shuttle
    #[arg(long, default_value = "native", value_parser = engine)]
    pub(crate) engine: Engine,
    /// One page of HTML, with the counterexamples step by step
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// SARIF 2.1.0, for code hosts
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
    /// JUnit's XML, for CI systems
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// A sequence diagram of Mermaid for each counterexample
    #[arg(long, value_name = "DIR")]
    pub(crate) mermaid: Option<PathBuf>,
    /// A trace for Perfetto for each counterexample
    #[arg(long, value_name = "DIR")]
    pub(crate) perfetto: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The texts; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The engine: native, loom, shuttle or all
    #[arg(long, default_value = "native", value_parser = engines)]
    pub(crate) engine: Engines,
    /// Only the scenario of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Option<String>,
    /// Run only this schedule, and show what it violates
    #[arg(long)]
    pub(crate) schedule: Option<Schedule>,
    /// Show every step, and not only those that the violation depends on
    #[arg(long)]
    pub(crate) all_steps: bool,
    /// Print the scenarios in Rust instead
    #[arg(long, conflicts_with_all = ["engine", "schedule"])]
    pub(crate) rust: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Splat {
    /// The log; `-` is the standard input
    pub(crate) file: PathBuf,
    /// Write the text to this file, and print the questions and verdicts
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file of --output if there is one
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Which report of the log
    #[arg(long, value_name = "N", default_value = "1", value_parser = position)]
    pub(crate) report: usize,
}

fn position(number: &str) -> Result<usize, String> {
    match number.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("reports are counted from 1".to_owned()),
    }
}

#[cfg(feature = "catalogue")]
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// Globs over the names of functions, such as `vfio_ap_mdev_*`. Without any, all functions
    pub(crate) patterns: Vec<String>,
    /// Compare them with the kernel tree in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) kernel: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Verify {
    /// Path globs, such as `vfio-ap/**` or `**/v6.0`; everything below a match is meant too.
    /// Without any, the whole catalogue
    pub(crate) patterns: Vec<String>,
    /// The engine: native, loom, shuttle or all
    #[arg(long, default_value = "native", value_parser = engines)]
    pub(crate) engine: Engines,
    /// How the native engine searches: auto, reduced, full, symmetric, shortest, dpor or
    /// sleep-sets [default: auto]
    #[arg(long)]
    pub(crate) search: Option<Search>,
    /// Verify each scenario for any number of each of its threads, not for one of each. What is
    /// expected of the scenario is not expected of that
    #[arg(long, conflicts_with_all = ["shard", "checkpoint", "resume", "search"])]
    pub(crate) any_number: bool,
    /// Threads that the native engine explores with [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = jobs, allow_negative_numbers = true)]
    pub(crate) jobs: Option<NonZero<usize>>,
    /// Explore only this shard of the interleavings, such as 2/4; `merge` combines the shards.
    /// Needs --search dpor
    #[arg(long, value_name = "I/N", conflicts_with = "resume")]
    pub(crate) shard: Option<Shard>,
    /// Stop after this many executions of a scenario on an engine [default: 50,000,000 on native,
    /// 100,000 on loom, 20,000 on shuttle]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) executions_max: Option<u64>,
    /// Stop after this many seconds for a scenario on an engine
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) seconds_max: Option<u64>,
    /// Stop when the states of a scenario take this much memory, such as 4GiB [default: half of the
    /// free memory]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory_max: Option<ByteSize>,
    /// Write a checkpoint to this file every minute, at a limit and on Ctrl-C. For a single
    /// scenario on the native engine
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Resume the search in this file
    #[arg(long, value_name = "FILE", conflicts_with = "search")]
    pub(crate) resume: Option<PathBuf>,
    /// Print a row for each scenario even if there are more than 40, and the matrices
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) verbose: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// What `verify --shard I/N --json` wrote, for every I; `-` is standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Path globs over the catalogue and the lock programs, such as `programs/vfio*`. Without any,
    /// the lock programs
    pub(crate) patterns: Vec<String>,
    /// Stop each engine and search after about so long
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        value_parser = value_parser!(u64).range(1..)
    )]
    pub(crate) seconds_max: u64,
    /// Stop each engine and search after this many executions
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) executions_max: Option<u64>,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// The engines to run.
#[derive(Clone, Debug)]
pub(crate) struct Engines(pub(crate) Vec<Engine>);

impl Default for Engines {
    fn default() -> Self {
        Self(vec![Engine::Native])
    }
}

impl Default for Command {
    fn default() -> Self {
        Self::Verify(Verify::default())
    }
}

/// The most threads that explore a scenario.
const JOBS_MAX: usize = 1_024;

/// The least memory for the states of a scenario.
const MEMORY_MIN: ByteSize = ByteSize::kib(1);

fn jobs(text: &str) -> Result<NonZero<usize>, String> {
    let jobs = text.parse::<NonZero<usize>>().ok().filter(|jobs| jobs.get() <= JOBS_MAX);
    jobs.ok_or_else(|| format!("a number of threads is from 1 to {JOBS_MAX}"))
}

fn memory(text: &str) -> Result<ByteSize, String> {
    let size = text.parse::<ByteSize>().ok().filter(|size| *size >= MEMORY_MIN);
    size.ok_or_else(|| "a size has a number and a unit, as 4GiB or 500MB, from 1KiB on".to_owned())
}

fn engines(name: &str) -> Result<Engines, String> {
    if name == "all" {
        return Ok(Engines(Engine::ALL.to_vec()));
    }
    let or_all = |error| format!("{error}; or `all` of them");
    Ok(Engines(vec![engine(name).map_err(or_all)?]))
}

fn engine(name: &str) -> Result<Engine, String> {
    name.parse::<Engine>().map_err(|error| not_built_in(name).unwrap_or(error.to_string()))
}

/// Returns how to get an engine that this command was built without.
fn not_built_in(name: &str) -> Option<String> {
    matches!(name, "loom" | "shuttle").then(|| {
        format!(
            "this command is built without the engine `{name}`; `features = [\"{name}\"]` of the \
             dependency selvedge-checks builds it in"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_not_built_in_is_no_unknown_name() {
        assert!(not_built_in("loom").unwrap().contains("`features = [\"loom\"]`"));
        assert_eq!(not_built_in("lom"), None);
        assert_eq!(
            engine("lom").unwrap_err(),
            "unknown engine `lom`; available: native, loom, shuttle"
        );
    }
}
