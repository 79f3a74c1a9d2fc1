//! Writes `benches/RESULTS.md`: the costs of flushing on exhaustion in throughput, memory,
//! fragmentation and security.
//!
//! `cargo run --release -p selvedge-benches --bin results`. Takes some minutes.

use std::alloc::System;
use std::process::ExitCode;

use selvedge_benches::results;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    results::main(Vec::new(), Vec::new())
}
