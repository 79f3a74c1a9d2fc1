//! Traces: sequences of calls in a compact text, the same for every allocator.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use selvedge_iova::{Allocator, Pages, Request};

/// A call, in terms of the mappings that are allocated. They are in the order of their allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceCall {
    /// Allocates this number of pages, aligned to their size as in Linux.
    Alloc(u64),
    /// Frees the mapping before which this number of mappings were allocated.
    FreeOldest(usize),
    /// Frees the mapping after which this number of mappings were allocated.
    FreeNewest(usize),
}

/// Lines of calls, each of which is repeated.
///
/// A line is a number, `x`, and the calls: `a2` allocates 2 pages, `o0` frees the oldest mapping,
/// `o1` the second oldest, and `n0` the newest. A line that begins with `#` is a comment.
///
/// ```
/// use selvedge_benches::iova::{Trace, replay};
/// use selvedge_iova::{CachedTree, Pages};
///
/// let trace: Trace = "3 x a1\n2 x o0 a2".parse()?;
/// assert_eq!(trace.calls().count(), 3 + 2 * 2);
/// let mut tree = CachedTree::new(Pages { pfn: 1, count: 100 });
/// assert!(replay(&trace, &mut tree).is_some());
/// # Ok::<_, String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The lines: a number of repetitions, and the calls.
    pub lines: Vec<(usize, Vec<TraceCall>)>,
}

impl Trace {
    /// Returns each call.
    pub fn calls(&self) -> impl Iterator<Item = TraceCall> {
        self.lines
            .iter()
            .flat_map(|(times, calls)| std::iter::repeat_n(calls, *times).flatten().copied())
    }
}

impl FromStr for Trace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let line = |(at, line): (usize, &str)| {
            let parsed = parse_line(line);
            parsed.ok_or_else(|| {
                format!("line {}: `{line}`; expected `3 x a1 o0`, with a, o or n", at + 1)
            })
        };
        Ok(Self { lines: lines.map(line).collect::<Result<_, _>>()? })
    }
}

fn parse_line(line: &str) -> Option<(usize, Vec<TraceCall>)> {
    let (times, calls) = line.split_once(" x ")?;
    let calls = calls.split_whitespace().map(parse_call).collect::<Option<Vec<_>>>()?;
    Some((times.trim().parse().ok()?, calls)).filter(|(_, calls)| !calls.is_empty())
}

fn parse_call(call: &str) -> Option<TraceCall> {
    match call.split_at_checked(1)? {
        ("a", pages) => pages.parse().ok().filter(|pages| *pages > 0).map(TraceCall::Alloc),
        ("o", at) => at.parse().ok().map(TraceCall::FreeOldest),
        ("n", at) => at.parse().ok().map(TraceCall::FreeNewest),
        _ => None,
    }
}

impl fmt::Display for TraceCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alloc(pages) => write!(f, "a{pages}"),
            Self::FreeOldest(at) => write!(f, "o{at}"),
            Self::FreeNewest(at) => write!(f, "n{at}"),
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (times, calls) in &self.lines {
            let calls: Vec<_> = calls.iter().map(ToString::to_string).collect();
            writeln!(f, "{times} x {}", calls.join(" "))?;
        }
        Ok(())
    }
}

/// Returns the number of nodes that the search of each allocation has visited, or [`None`] if an
/// allocation is refused or there is no mapping to free. The allocator must not park pages.
pub fn replay(trace: &Trace, allocator: &mut impl Allocator) -> Option<Vec<u64>> {
    let mut live: VecDeque<Pages> = VecDeque::new();
    let mut visited = Vec::new();
    for call in trace.calls() {
        let freed = match call {
            TraceCall::Alloc(count) => {
                let before = allocator.visited();
                let pfn = allocator.alloc(0, Request::pages(count).ok()?.size_aligned()).ok()?;
                visited.push(allocator.visited() - before);
                live.push_back(Pages { pfn, count });
                continue;
            }
            TraceCall::FreeOldest(at) => live.remove(at)?,
            TraceCall::FreeNewest(at) => live.remove(live.len().checked_sub(at + 1)?)?,
        };
        allocator.free(0, freed).expect("the mapping is allocated");
    }
    Some(visited)
}
