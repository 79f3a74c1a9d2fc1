//! The average and the longest duration of calls, which a driver makes with interrupts disabled.

use std::time::{Duration, Instant};

use selvedge_models::iova::Allocator;

use super::{Contestant, Load, Measure, Shape};

/// The number of repetitions of the same calls. The fastest time of each counts, since other load
/// on the computer only adds to it.
const RUNS: usize = 5;

/// The minimum duration of the first run in seconds, which determines the number of turns of the
/// others.
const SECONDS: u64 = 1;

/// The maximum number of turns, since more would only fill memory.
const TURNS_MAX: usize = 4_000_000;

/// The number of turns that are timed together for an average.
const STRETCH: usize = 64;

/// Durations of single calls, both of allocating and of freeing.
#[derive(Clone, Copy, Debug)]
pub struct Worst {
    /// The number of timed turns, of two calls each.
    pub turns: usize,
    /// The duration that one call in a thousand exceeds.
    pub p999: Duration,
    /// The longest duration.
    pub longest: Duration,
}

/// Times single calls with `live` addresses allocated. The times include reading the clock, about
/// 30 ns.
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

/// Returns the average duration of a turn with `live` addresses allocated.
pub fn mean(contestant: Contestant, shape: Shape, live: usize) -> Duration {
    let mut fastest: Vec<Duration> = Vec::new();
    for _ in 0..RUNS {
        contestant.measured(shape, live, Stretches { fastest: &mut fastest });
    }
    let turns = fastest.len() * STRETCH;
    fastest.iter().sum::<Duration>().div_f64(turns as f64)
}

/// A run of the same turns as those before, timed several at once to hide the cost of the clock.
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

/// A run of the same turns as those before, each with its fastest time so far.
struct Run<'a> {
    fastest: &'a mut Vec<u32>,
    /// The minimum number of turns.
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
