//! How long calls take, and a single one at most: a driver makes it with interrupts off.

use std::time::{Duration, Instant};

use selvedge_models::iova::Allocator;

use super::{Contestant, Load, Measure, Shape};

/// How often the same calls are made. The fastest time of each counts, since whatever else runs on
/// the machine only adds to it.
const RUNS: usize = 5;

/// For how long calls are made, in the first run at least; it says how many there are in the others.
const SECONDS: u64 = 1;

/// More would only fill memory.
const TURNS_MAX: usize = 4_000_000;

/// Turns that are timed together, for an average.
const STRETCH: usize = 64;

/// Times of single calls, of allocating and giving back alike.
#[derive(Clone, Copy, Debug)]
pub struct Worst {
    /// How many turns were timed, of two calls each.
    pub turns: usize,
    /// One in a thousand takes longer.
    pub p999: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Times turns with so many out. What is measured includes reading the clock, some 30 ns.
pub fn worst(contestant: Contestant, shape: Shape, live: usize) -> Worst {
    let mut fastest: Vec<u32> = Vec::new();
    for _ in 0..RUNS {
        let least = contestant.turns_to_flush();
        contestant.measured(shape, live, Run { fastest: &mut fastest, least });
    }
    let turns = fastest.len();
    fastest.sort_unstable();
    let nanoseconds = |at: usize| Duration::from_nanos(fastest[at].into());
    Worst { turns, p999: nanoseconds(turns - 1 - turns / 1000), longest: nanoseconds(turns - 1) }
}

/// How long a turn takes on average, with so many out.
pub fn mean(contestant: Contestant, shape: Shape, live: usize) -> Duration {
    let mut fastest: Vec<Duration> = Vec::new();
    for _ in 0..RUNS {
        contestant.measured(shape, live, Stretches { fastest: &mut fastest });
    }
    let turns = fastest.len() * STRETCH;
    fastest.iter().sum::<Duration>().div_f64(turns as f64)
}

/// One run: the same turns as in those before, some at a time, which hides the reading of the clock.
struct Stretches<'a> {
    fastest: &'a mut Vec<Duration>,
}

impl Measure for Stretches<'_> {
    type Result = ();

    fn measure<A: Allocator>(self, mut allocator: A, mut load: Load) {
        let mut stretch = || {
            let started = Instant::now();
            for _ in 0..STRETCH {
                load.turn(&mut allocator);
            }
            started.elapsed()
        };
        if self.fastest.is_empty() {
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(SECONDS) {
                self.fastest.push(stretch());
            }
        } else {
            for fastest in self.fastest {
                *fastest = (*fastest).min(stretch());
            }
        }
    }
}

/// One run: the same turns as in those before, each with the fastest time that it has taken.
struct Run<'a> {
    fastest: &'a mut Vec<u32>,
    /// There must be so many.
    least: usize,
}

impl Measure for Run<'_> {
    type Result = ();

    fn measure<A: Allocator>(self, mut allocator: A, mut load: Load) {
        let nanoseconds = |time: Duration| u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
        if self.fastest.is_empty() {
            let started = Instant::now();
            while self.fastest.len() < self.least
                || (started.elapsed() < Duration::from_secs(SECONDS)
                    && self.fastest.len() < TURNS_MAX)
            {
                self.fastest.push(nanoseconds(load.timed_turn(&mut allocator)));
            }
        } else {
            for fastest in self.fastest {
                *fastest = (*fastest).min(nanoseconds(load.timed_turn(&mut allocator)));
            }
        }
    }
}
