//! The time in nanoseconds to free an I/O address and to allocate another.
//!
//! `cargo bench -p selvedge-benches --bench iova`. Quote the ratios, since computers differ.

use std::sync::Mutex;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use selvedge_benches::iova::{
    APERTURE, Contestant, Load, Locked, Measure, Shape, SharedMagazines, turns_of_two,
};
use selvedge_models::iova::{Allocator, CachedTree, GapTree, LazyBitmap, Radix, SwapBitmap};

/// The number of addresses for two threads. The tree without magazines is too slow to measure with
/// more.
const LIVE_OF_TWO: usize = 1_000;

struct Turns<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    id: BenchmarkId,
}

impl Measure for Turns<'_, '_> {
    type Result = ();

    fn measure<A: Allocator>(self, mut allocator: A, mut load: Load) {
        self.group.bench_function(self.id, |bencher| {
            bencher.iter(|| load.turn(&mut allocator));
        });
    }
}

fn one_thread(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        let mut group = criterion.benchmark_group(format!("iova/{}", shape.name()));
        for live in shape.live().iter().copied() {
            for contestant in Contestant::ALL.iter().filter(|c| c.takes(shape)) {
                let id = BenchmarkId::new(contestant.to_string(), live);
                contestant.measured(shape, live, Turns { group: &mut group, id });
            }
        }
    }
}

fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iova/two-threads");
    macro_rules! locked {
        ($allocator:ident) => {
            group.bench_function(stringify!($allocator), |bencher| {
                let shared = Mutex::new($allocator::new(APERTURE));
                bencher.iter_custom(|turns| turns_of_two(turns, LIVE_OF_TWO, || Locked(&shared)));
            });
        };
    }
    locked!(LazyBitmap);
    locked!(CachedTree);
    locked!(GapTree);
    locked!(SwapBitmap);
    locked!(Radix);
    group.bench_function("Magazines", |bencher| {
        let shared = SharedMagazines::new();
        bencher.iter_custom(|turns| turns_of_two(turns, LIVE_OF_TWO, || &shared));
    });
}

/// Measures each of the many benchmarks only long enough to determine factors.
fn brief() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! {
    name = benches;
    config = brief();
    targets = one_thread, two_threads
}
criterion_main!(benches);
