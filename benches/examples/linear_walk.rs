//! Searches for a trace of allocations that makes an allocator visit the most nodes, and replays it
//! on the others. `benches/traces/linear-walk.txt` is what it prints for Linux's tree.
//!
//! `cargo run --release -p selvedge-benches --no-default-features --example linear_walk`

use selvedge_benches::iova::{APERTURE, Trace, replay, worst_trace};
use selvedge_iova::{Allocator, CachedTree, GapTree, Magazines, MapleTree};

/// The length of the traces that are searched. What grows with the length shows in short ones.
const SEARCHED: usize = 400;

/// The length of the trace that is printed.
const CALLS: usize = 10_000;

fn main() {
    let (found, _) = worst_trace(linux, SEARCHED, 100, 1);
    let scale = CALLS / SEARCHED;
    let lines = found.lines.into_iter().map(|(times, calls)| (times * scale, calls));
    let trace = Trace { lines: lines.collect() };
    print!("{trace}");
    show("CachedTree", &trace, CachedTree::new(APERTURE));
    show("GapTree", &trace, GapTree::new(APERTURE));
    show("MapleTree", &trace, MapleTree::new(APERTURE));
    show("Magazines over CachedTree", &trace, linux());
}

/// Linux's tree as it is used. The magazines keep mappings of up to 32 pages from it.
fn linux() -> Magazines<CachedTree> {
    Magazines::new(CachedTree::new(APERTURE), APERTURE, 1)
}

fn show(name: &str, trace: &Trace, mut allocator: impl Allocator) {
    match replay(trace, &mut allocator) {
        Some(visited) => {
            let (all, most) = (visited.iter().sum::<u64>(), visited.iter().max().unwrap_or(&0));
            let mean = all as f64 / visited.len() as f64;
            println!("# {name}: {mean:.1} nodes for an allocation, {most} at most");
        }
        None => println!("# {name}: an allocation is refused"),
    }
}
