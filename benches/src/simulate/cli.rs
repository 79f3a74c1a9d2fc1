//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum, value_parser};

/// Simulates the costs of each scheme for reusing I/O addresses with an NVMe device.
///
/// Times are simulated, so the result is the same on every computer. They are compared with the
/// figures of Niklas Schnelle's mail of 1 September 2022, "Re: [PATCH v4 1/2] iommu/s390: Fix race
/// with release_device ops".
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Simulate {
    /// The system to simulate
    #[arg(long, value_enum, default_value = "guest")]
    pub(super) preset: Preset,
    /// The time to simulate, in seconds
    #[arg(
        long,
        value_name = "N",
        default_value = "60",
        value_parser = value_parser!(u64).range(1..=3600)
    )]
    pub(super) seconds: u64,
    /// The seed of the random number generator
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seed: u64,
    /// Print one JSON object per line
    #[arg(long)]
    pub(super) json: bool,
    /// Draw throughput against the size of the queue and against its timeout, into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) svg: Option<PathBuf>,
    #[command(flatten)]
    pub(super) costs: CostFlags,
}

/// A system to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// A guest of a hypervisor that pages, which is the case of the mail
    Guest,
    /// A partition with a device of its own
    Lpar,
}

/// The values that differ from the preset.
#[derive(Debug, Args)]
#[command(next_help_heading = "Costs that differ from the preset, with times in microseconds")]
pub(super) struct CostFlags {
    /// CPUs that submit requests
    #[arg(long, value_name = "N")]
    pub(super) cpus: Option<usize>,
    /// Requests in flight, of all CPUs together
    #[arg(long, value_name = "N")]
    pub(super) depth: Option<usize>,
    /// Pages of a request: a number, or the minimum and the maximum, such as 1-32
    #[arg(long, value_name = "N", value_parser = sizes)]
    pub(super) pages: Option<(u64, u64)>,
    /// Pages in the aperture of the device
    #[arg(long, value_name = "N")]
    pub(super) aperture: Option<u64>,
    /// Time of the device for a request
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) device_us: Option<u64>,
    /// CPU time to submit a request
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) submit_us: Option<u64>,
    /// CPU time to complete a request
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) complete_us: Option<u64>,
    /// Time to allocate an address
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) alloc_us: Option<u64>,
    /// Time to free an address
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) free_us: Option<u64>,
    /// Time to add an address to a flush queue
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) queue_us: Option<u64>,
    /// Time to remove an address from a flush queue
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) release_us: Option<u64>,
    /// Time to refresh the translations of one mapping
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) refresh_us: Option<u64>,
    /// Time to flush all translations
    #[arg(long, value_name = "US", value_parser = nanoseconds)]
    pub(super) flush_us: Option<u64>,
    /// Whether refreshes and flushes are done one after the other
    #[arg(long, value_name = "BOOL")]
    pub(super) serialized: Option<bool>,
    /// Whether a new mapping is also refreshed
    #[arg(long, value_name = "BOOL")]
    pub(super) refresh_on_map: Option<bool>,
    /// Ticks per second, at which timers expire; 0 for exact timers
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=1_000_000_000))]
    pub(super) hz: Option<u64>,
}

fn nanoseconds(microseconds: &str) -> Result<u64, String> {
    /// A time that exceeds that of any simulation.
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
