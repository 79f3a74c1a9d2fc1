//! The largest instance that can be proved in a given time, for each of the two searches.
//!
//! `cargo run --release -p selvedge-benches --bin largest`. An instance grows in two directions.
//! More administrators interleave their operations, and more writes by each make the executions
//! longer. For a number of administrators, writes are added until the proof takes too long. They
//! are added one by one, or a tenth at a time where there are many, since a time is not more exact
//! than that.

use std::collections::BTreeMap;
use std::fmt;
use std::iter;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use clap::{Parser, value_parser};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use selvedge_checks::half_of_free_memory;
use selvedge_core::{Checker, Progress, Search, Verdict};
use selvedge_models::ap_perms_instance;

const SEARCHES: [Search; 2] = [Search::Auto, Search::Dpor];
const ADMINISTRATORS: [usize; 4] = [2, 3, 4, 5];

/// The maximum memory, so that the result depends on the search and not on the computer.
const MEMORY_MAX: u64 = 16 << 30;

/// Finds the largest instance of the v6.0 scheme that can be proved in a given time.
///
/// Uses all processors and half of the free memory, at most 16 GiB.
#[derive(Debug, Parser)]
struct Cli {
    /// The time for one proof
    #[arg(
        long,
        value_name = "N",
        default_value = "60",
        value_parser = value_parser!(u64).range(1..)
    )]
    seconds: u64,
}

/// The number of administrators and of the attributes that each of them writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Size {
    administrators: usize,
    writes: usize,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} administrators, {} writes each", self.administrators, self.writes)
    }
}

/// A proof within the time.
struct Proof {
    size: Size,
    explored: String,
    /// The longest execution that the search has reported, if it ran long enough to report one.
    operations: Option<usize>,
    /// The bytes of the states, or `None` if the search keeps no states.
    memory: Option<u64>,
    time: Duration,
}

fn main() {
    let time = Duration::from_secs(Cli::parse().seconds);
    let mut operations = BTreeMap::new();
    for search in SEARCHES {
        let largest: Vec<Option<Proof>> = ADMINISTRATORS
            .map(|administrators| largest(administrators, search, time, &mut operations))
            .into();
        println!("{}\n\n{}\n", search.as_str(), table(&largest, &operations));
    }
}

/// Returns the largest instance for a number of administrators. It records the number of operations
/// of each, which not every search reports for an instance that it completes at once.
fn largest(
    administrators: usize,
    search: Search,
    time: Duration,
    operations: &mut BTreeMap<Size, usize>,
) -> Option<Proof> {
    let mut largest = None;
    for writes in iter::successors(Some(1), |writes| Some(writes + 1 + writes / 10)) {
        let size = Size { administrators, writes };
        let proof = match prove(size, search, time) {
            Ok(proof) => proof,
            Err(why) => {
                eprintln!("largest: {}: {size}: {why}", search.as_str());
                break;
            }
        };
        eprintln!("largest: {}: {size}: proved in {:.1?}", search.as_str(), proof.time);
        if let Some(count) = proof.operations {
            let known = operations.entry(size).or_default();
            *known = count.max(*known);
        }
        largest = Some(proof);
    }
    largest
}

/// Proves an instance, or returns why it could not.
fn prove(size: Size, search: Search, time: Duration) -> Result<Proof, String> {
    let (mut operations, mut memory) = (None, None);
    let listener = |progress: &Progress<'_>| {
        operations = operations.max(progress.depth);
        memory = memory.max(progress.memory);
        ControlFlow::Continue(())
    };
    let instance = ap_perms_instance(size.administrators, size.writes);
    let checker = Checker::native()
        .search(search)
        .executions(u64::MAX)
        .operations(usize::MAX)
        .memory_limit(half_of_free_memory().min(MEMORY_MAX))
        .threads(thread::available_parallelism().map_or(1, usize::from))
        .time_limit(time)
        .on_progress(listener);
    let started = Instant::now();
    let report = checker.run(&instance);
    let time = started.elapsed();
    match &report.verdict {
        Verdict::Proved(fingerprint) => {
            let states = fingerprint.states.map(|states| format!("{states} states"));
            let traces = fingerprint.traces.map(|traces| format!("{traces} traces"));
            let explored = states.or(traces).unwrap_or_default();
            Ok(Proof { size, explored, operations, memory, time })
        }
        Verdict::Inconclusive { reason } => Err(reason.to_string()),
        Verdict::Refuted(_) => Err(report.to_string()),
    }
}

fn table(largest: &[Option<Proof>], operations: &BTreeMap<Size, usize>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["administrators", "writes each", "operations", "explored", "time", "memory"]);
    for (administrators, proof) in ADMINISTRATORS.iter().zip(largest) {
        let mut row = vec![administrators.to_string()];
        match proof {
            None => row.push("none within the time".to_owned()),
            Some(Proof { size, explored, memory, time, .. }) => row.extend([
                size.writes.to_string(),
                operations.get(size).map_or(String::new(), usize::to_string),
                explored.clone(),
                format!("{time:.1?}"),
                memory.map_or(String::new(), |bytes| ByteSize(bytes).to_string()),
            ]),
        }
        let right = |text| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row(row.into_iter().map(right));
    }
    table
}
