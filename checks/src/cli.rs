//! The command line.

use std::num::NonZero;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use selvedge_core::{Engine, Schedule, Search, Shard};

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
    /// Put the shares of `verify --shard` together into one verdict for each scenario
    ///
    /// Exit code 0: every verdict is as expected; 1: some verdict is not; 2: a share is missing,
    /// damaged, there twice or of something else, and there is no verdict at all.
    Merge(Merge),
    /// Run every engine and every search on the same scenarios, side by side
    ///
    /// Times are of single runs. Exit code 1 if a verdict contradicts what the scenario claims; a
    /// limit that is hit contradicts nothing.
    Compare(Compare),
    /// Simulate what each scheme for reusing I/O addresses costs an NVMe, next to what was measured
    ///
    /// Times are simulated, so the result is the same on every machine. The figures to compare
    /// with are those of Niklas Schnelle's mail of 1 September 2022, "Re: [PATCH v4 1/2]
    /// iommu/s390: Fix race with release_device ops".
    Simulate(Simulate),
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
    /// How the native engine searches: stateful, which is the default, reduced, census, shortest,
    /// dpor or sleep-sets
    #[arg(long, visible_alias = "search")]
    pub(crate) strategy: Option<Search>,
    /// Stop at the shortest counterexample; the same as --strategy shortest
    #[arg(long, conflicts_with = "strategy")]
    pub(crate) shortest: bool,
    /// How many threads the native engine explores with; as many as there are processors if not
    /// given
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZero<usize>>,
    /// Explore only this share of the orderings, such as 2/4; `merge` puts the shares together.
    /// Needs --strategy dpor
    #[arg(long, value_name = "I/N", conflicts_with = "resume")]
    pub(crate) shard: Option<Shard>,
    /// Give up after this many executions of a scenario on an engine
    #[arg(long, value_name = "N")]
    pub(crate) executions_max: Option<u64>,
    /// Give up when the states of a scenario take this much memory, such as 4GiB; half of what
    /// is free if not given
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_max: Option<ByteSize>,
    /// Put the search aside in this file, every minute, at a limit and at Ctrl-C. For a single
    /// scenario on the native engine
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Go on with the search in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["strategy", "shortest"])]
    pub(crate) resume: Option<PathBuf>,
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
    #[arg(long, value_name = "N", default_value = "20", value_parser = value_parser!(u64).range(1..))]
    pub(crate) seconds_max: u64,
    /// Stop each engine and search after this many executions
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) executions_max: Option<u64>,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// What the machine is like
    #[arg(long, value_enum, default_value = "guest")]
    pub(crate) preset: Preset,
    /// How much time to simulate
    #[arg(long, value_name = "N", default_value = "60", value_parser = value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// What is random is a function of this
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw throughput against the size of the queue and against its timeout, in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) costs: CostFlags,
}

/// A machine to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// A guest of a hypervisor that pages, the mail's case
    Guest,
    /// A partition with the device to itself
    Lpar,
}

/// What is not as in the preset.
#[derive(Debug, Args)]
#[command(next_help_heading = "Costs, if not as in the preset; times in microseconds")]
pub(crate) struct CostFlags {
    /// CPUs that submit requests
    #[arg(long, value_name = "N")]
    pub(crate) cpus: Option<usize>,
    /// Requests under way, of all CPUs together
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<usize>,
    /// Pages of a request: a number, or the least and the most, such as 1-32
    #[arg(long, value_name = "N", value_parser = sizes)]
    pub(crate) pages: Option<(u64, u64)>,
    /// Pages that the device can be given
    #[arg(long, value_name = "N")]
    pub(crate) aperture: Option<u64>,
    /// A request in the device
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) device_us: Option<u64>,
    /// CPU time to submit a request
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) submit_us: Option<u64>,
    /// CPU time to complete a request
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) complete_us: Option<u64>,
    /// Allocating an address
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) alloc_us: Option<u64>,
    /// Giving one back
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) free_us: Option<u64>,
    /// Putting one into a flush queue
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) queue_us: Option<u64>,
    /// Taking one out again
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) release_us: Option<u64>,
    /// Refreshing the translations of one mapping
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) refresh_us: Option<u64>,
    /// Flushing all translations
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(crate) flush_us: Option<u64>,
    /// Whether refreshes and flushes are done one after the other
    #[arg(long, value_name = "BOOL")]
    pub(crate) serialized: Option<bool>,
    /// Whether a new mapping is refreshed too
    #[arg(long, value_name = "BOOL")]
    pub(crate) refresh_on_map: Option<bool>,
    /// Ticks a second, at which timers expire; 0 for timers that are exact
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=1_000_000_000))]
    pub(crate) hz: Option<u64>,
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

fn nanoseconds(microseconds: &str) -> Result<u64, String> {
    /// Longer than any simulation.
    const MOST: f64 = 3.6e9;
    let time: f64 = microseconds.parse().map_err(|_| "not a number".to_owned())?;
    match (0.0..=MOST).contains(&time) {
        true => Ok((time * 1e3).round() as u64),
        false => Err(format!("not between 0 and {MOST}")),
    }
}

fn sizes(text: &str) -> Result<(u64, u64), String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
    Ok((number(least)?, number(most)?))
}

fn engines(name: &str) -> Result<Engines, String> {
    if name == "all" {
        return Ok(Engines(Engine::ALL.to_vec()));
    }
    let engine = name.parse::<Engine>().map_err(|error| format!("{error}; or `all` of them"))?;
    Ok(Engines(vec![engine]))
}
