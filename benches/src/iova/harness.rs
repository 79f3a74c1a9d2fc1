//! The harness of `cargo bench`.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};

use super::{Contestant, Shape, contestants};

/// The number of addresses for two threads. The tree without magazines is too slow to measure with
/// more.
const LIVE_OF_TWO: usize = 1_000;

/// Measures the contestants of this crate and these, as the command line of `cargo bench` says.
///
/// The whole body of a bench with an own allocator is
///
/// ```no_run
/// # use selvedge_benches::iova::{APERTURE, Contestant, bench};
/// # use selvedge_iova::Radix as Mine;
/// bench([Contestant::new("mine", || Mine::new(APERTURE))]);
/// ```
pub fn bench(own: impl IntoIterator<Item = Contestant>) {
    let mut all = contestants();
    all.extend(own);
    let mut criterion = brief().configure_from_args();
    one_thread(&mut criterion, &all);
    two_threads(&mut criterion, &all);
    criterion.final_summary();
}

/// Measures each of the many benchmarks only long enough to determine factors.
fn brief() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

fn one_thread(criterion: &mut Criterion, all: &[Contestant]) {
    for shape in Shape::ALL {
        let mut group = criterion.benchmark_group(format!("iova/{}", shape.name()));
        for live in shape.live().iter().copied() {
            for contestant in all.iter().filter(|contestant| contestant.takes(shape, live)) {
                // The load is created only if the filter of the command line lets it run.
                let mut load = None;
                group.bench_function(BenchmarkId::new(contestant.name(), live), |bencher| {
                    let load = load.get_or_insert_with(|| contestant.start(shape, live));
                    bencher.iter_custom(|turns| {
                        let started = Instant::now();
                        load.turns(turns);
                        started.elapsed()
                    });
                });
            }
        }
    }
}

fn two_threads(criterion: &mut Criterion, all: &[Contestant]) {
    let mut group = criterion.benchmark_group("iova/two-threads");
    for contestant in all.iter().filter(|contestant| contestant.takes_two()) {
        group.bench_function(contestant.name(), |bencher| {
            bencher.iter_custom(|turns| {
                contestant.time_of_two(turns, LIVE_OF_TWO).expect("it takes two threads")
            });
        });
    }
}
