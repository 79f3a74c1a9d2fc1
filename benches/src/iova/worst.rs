//! The average and the longest duration of calls, which a driver makes with interrupts disabled.

use std::time::{Duration, Instant};

use super::{Contestant, Shape};

/// The number of repetitions of the same calls. The fastest time of each counts, since other load
/// on the computer only adds to it.
const RUNS: usize = 5;

/// The minimum duration of the first run of single calls in seconds, which determines the number of
/// turns of the others.
const SECONDS: u64 = 1;

/// The maximum number of turns, since more would only fill memory.
const TURNS_MAX: usize = 4_000_000;

/// The number of turns that are timed together for an average.
const STRETCH: u64 = 64;

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
pub fn worst(contestant: &Contestant, shape: Shape, live: usize) -> Worst {
    let mut fastest: Vec<u32> = Vec::new();
    let nanoseconds = |time: Duration| u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
    for _ in 0..RUNS {
        let mut load = contestant.start(shape, live);
        if fastest.is_empty() {
            let least = contestant.turns_to_flush();
            let started = Instant::now();
            while fastest.len() < least
                || (started.elapsed() < Duration::from_secs(SECONDS) && fastest.len() < TURNS_MAX)
            {
                fastest.push(nanoseconds(load.timed_turn()));
            }
        } else {
            for fastest in &mut fastest {
                *fastest = (*fastest).min(nanoseconds(load.timed_turn()));
            }
        }
    }
    let turns = fastest.len();
    fastest.sort_unstable();
    let at = |at: usize| Duration::from_nanos(fastest[at].into());
    Worst { turns, p999: at(turns - 1 - turns / 1000), longest: at(turns - 1) }
}

/// Returns the average duration of a turn with `live` addresses allocated. Each of five runs of the
/// same turns takes about `time`.
pub fn mean(contestant: &Contestant, shape: Shape, live: usize, time: Duration) -> Duration {
    let mut fastest: Vec<Duration> = Vec::new();
    for _ in 0..RUNS {
        let mut load = contestant.start(shape, live);
        let mut stretch = || {
            let started = Instant::now();
            load.turns(STRETCH);
            started.elapsed()
        };
        if fastest.is_empty() {
            let started = Instant::now();
            while fastest.is_empty() || started.elapsed() < time {
                fastest.push(stretch());
            }
        } else {
            for fastest in &mut fastest {
                *fastest = (*fastest).min(stretch());
            }
        }
    }
    let turns = fastest.len() as u64 * STRETCH;
    fastest.iter().sum::<Duration>().div_f64(turns as f64)
}
