//! The command line.

use clap::{Args, Parser, Subcommand};
use selvedge_core::{Engine, Schedule, Search};

/// Model-checks the locking protocols of Linux kernel drivers.
///
/// Without a command, verifies the whole catalogue on the native engine. Exit code 0: every
/// verdict is as expected; 1: some verdict is not; 2: the command line was wrong.
#[derive(Debug, Parser)]
#[command(version, about)]
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
    },
    /// Verify scenarios and compare the verdicts with the expected ones
    Verify(Verify),
    /// Show how a scenario goes wrong: one column per thread, one row per operation
    Explain {
        /// The scenario's name
        name: String,
    },
    /// Run one schedule of a scenario and show what it violates
    Replay {
        /// The scenario's name
        name: String,
        /// The schedule, as `explain` and `--json` print it
        #[arg(long)]
        schedule: Schedule,
    },
}

#[derive(Debug, Default, Args)]
pub(crate) struct Verify {
    /// Path globs, such as `vfio-ap/**` or `**/v6.0`; everything below a match is meant too.
    /// Without any, the whole catalogue
    pub(crate) patterns: Vec<String>,
    /// The engine: native, loom, shuttle or all
    #[arg(long, default_value = "native", value_parser = engines)]
    pub(crate) engine: Engines,
    /// How the native engine searches: stateful, reduced, census, sleep-sets or dpor
    #[arg(long, default_value = "stateful")]
    pub(crate) search: Search,
    /// Give up after this many executions of a scenario on an engine
    #[arg(long, value_name = "N")]
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

fn engines(name: &str) -> Result<Engines, String> {
    if name == "all" {
        return Ok(Engines(Engine::ALL.to_vec()));
    }
    let engine = name.parse::<Engine>().map_err(|error| format!("{error}; or `all` of them"))?;
    Ok(Engines(vec![engine]))
}
