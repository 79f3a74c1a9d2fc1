//! A search for the trace that makes an allocator visit the most nodes.

use fastrand::Rng;
use selvedge_iova::Allocator;

use super::trace::{Trace, TraceCall, replay};

/// The largest number of calls in a repeated line.
const PATTERN: usize = 4;

/// The number of lines.
const LINES: usize = 2;

/// The steps without an improvement after which a climb is over.
const PATIENCE: usize = 300;

/// Returns the trace of at most `calls` calls that visits the most nodes, of those that climbs from
/// `starts` random traces find, and the number of nodes.
///
/// A step of a climb changes a call, inserts or removes one, or changes how the calls are
/// distributed on the lines. It is taken if the new trace visits no fewer nodes.
pub fn worst_trace<A: Allocator>(
    make: impl Fn() -> A,
    calls: usize,
    starts: u64,
    seed: u64,
) -> (Trace, u64) {
    let nodes =
        |trace: &Trace| replay(trace, &mut make()).map_or(0, |visited| visited.iter().sum::<u64>());
    let mut best = (Trace { lines: Vec::new() }, 0);
    for start in 0..starts {
        let mut rng = Rng::with_seed(seed.wrapping_add(start));
        let mut pattern = Pattern::random(&mut rng);
        let mut most = nodes(&pattern.trace(calls));
        let mut since = 0;
        while since < PATIENCE {
            since += 1;
            let mut other = pattern.clone();
            other.change(&mut rng);
            let visited = nodes(&other.trace(calls));
            if visited >= most {
                if visited > most {
                    since = 0;
                }
                (pattern, most) = (other, visited);
            }
        }
        if most > best.1 {
            best = (pattern.trace(calls), most);
        }
    }
    best
}

/// A trace of any length: the calls of each line, and the share of the calls that each line has.
#[derive(Clone)]
struct Pattern {
    lines: [Vec<TraceCall>; LINES],
    shares: [usize; LINES],
}

impl Pattern {
    fn random(rng: &mut Rng) -> Self {
        let lines =
            std::array::from_fn(|_| (0..rng.usize(1..=PATTERN)).map(|_| any(rng)).collect());
        Self { lines, shares: std::array::from_fn(|_| rng.usize(1..=8)) }
    }

    fn change(&mut self, rng: &mut Rng) {
        let which = rng.usize(..LINES);
        let line = &mut self.lines[which];
        match rng.usize(..4) {
            0 => self.shares[which] = rng.usize(1..=8),
            1 if line.len() < PATTERN => line.insert(rng.usize(..=line.len()), any(rng)),
            2 if line.len() > 1 => {
                line.remove(rng.usize(..line.len()));
            }
            _ => {
                let at = rng.usize(..line.len());
                line[at] = any(rng);
            }
        }
    }

    fn trace(&self, calls: usize) -> Trace {
        let all: usize = self.shares.iter().sum();
        let lines = self.lines.iter().zip(self.shares);
        let lines = lines.map(|(line, share)| (calls * share / all / line.len(), line.clone()));
        Trace { lines: lines.filter(|(times, _)| *times > 0).collect() }
    }
}

fn any(rng: &mut Rng) -> TraceCall {
    match rng.usize(..4) {
        0 => TraceCall::FreeOldest(rng.usize(..3)),
        1 => TraceCall::FreeNewest(rng.usize(..3)),
        _ => TraceCall::Alloc(1 << rng.u64(..=8)),
    }
}
