//! The trace that drives Linux's tree into a linear walk, counted in nodes.

use selvedge_benches::iova::{APERTURE, PlainTree, Trace, TraceCall, replay, worst_trace};
use selvedge_iova::{CachedTree, GapTree, Magazines, MapleTree, Radix};

const TRACE: &str = include_str!("../traces/linear-walk.txt");

/// Returns the trace with a fraction of the repetitions.
fn trace(fraction: usize) -> Trace {
    let trace: Trace = TRACE.parse().expect("the trace is valid");
    let lines = trace.lines.into_iter().map(|(times, calls)| (times / fraction, calls));
    Trace { lines: lines.collect() }
}

fn linux() -> Magazines<CachedTree> {
    Magazines::new(CachedTree::new(APERTURE), APERTURE, 1)
}

/// The nodes of all allocations, and of the most expensive one.
fn counts(visited: &[u64]) -> (u64, u64) {
    (visited.iter().sum(), visited.iter().copied().max().unwrap_or_default())
}

#[test]
fn the_nodes_of_an_allocation_grow_with_the_allocated_ranges() {
    assert_eq!(trace(1).calls().count(), 10_000);
    for (fraction, all, most) in FIGURES {
        let visited = replay(&trace(fraction), &mut linux()).expect("all requests fit");
        assert_eq!(counts(&visited), (all, most), "1/{fraction}");
        // The magazines do not help, since no mapping is small enough for them.
        let bare = replay(&trace(fraction), &mut CachedTree::new(APERTURE));
        assert_eq!(bare, Some(visited), "1/{fraction}");
    }
}

#[test]
fn the_second_half_walks_again_and_again() {
    let visited = replay(&trace(1), &mut linux()).expect("all requests fit");
    let long = visited.iter().filter(|visited| **visited > 3_000).count();
    assert_eq!(long, LONG);
}

#[test]
fn the_others_do_not_walk() {
    let visited = replay(&trace(1), &mut GapTree::new(APERTURE)).expect("all requests fit");
    assert!(counts(&visited).1 <= 40, "{:?}", counts(&visited));
    let visited = replay(&trace(1), &mut MapleTree::new(APERTURE)).expect("all requests fit");
    assert!(counts(&visited).1 <= 20, "{:?}", counts(&visited));
    // It visits no nodes, and it must fit as well.
    assert!(replay(&trace(1), &mut Radix::new(APERTURE)).is_some());
    assert!(replay(&trace(1), &mut PlainTree::new(&[])).is_some());
}

#[test]
fn the_search_finds_such_a_trace() {
    let (found, visited) = worst_trace(linux, 200, 20, 1);
    let calls = found.calls().count() as u64;
    assert!(calls <= 200 && visited > 15 * calls, "{visited} nodes in {calls} calls:\n{found}");
}

#[test]
fn a_trace_is_what_it_prints() {
    let trace = trace(1);
    assert_eq!(trace.to_string().parse(), Ok(trace.clone()));
    assert_eq!(trace.lines[1].1[1], TraceCall::FreeOldest(1));
    for wrong in ["3 a1", "x a1", "3 x", "3 x a0", "3 x b1", "3 x a1 n", "-1 x a1"] {
        let error = format!("# ok\n{wrong}").parse::<Trace>().unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}

/// The fraction of the trace, the nodes of all allocations, and of the most expensive one.
const FIGURES: [(usize, u64, u64); 3] =
    [(4, 595_622, 1_375), (2, 2_378_747, 2_750), (1, 10_443_946, 5_500)];

/// The number of allocations that visit more than 3,000 nodes.
const LONG: usize = 2_173;
