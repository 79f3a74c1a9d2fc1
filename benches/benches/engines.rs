//! Time to a complete proof, native against loom, on scenarios that loom completes.
//!
//! `cargo bench -p selvedge-benches`. Quote the ratios: machines differ.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use selvedge_benches::{prove, proved_by_loom};
use selvedge_core::{Engine, Search};

fn engines(criterion: &mut Criterion) {
    for scenario in proved_by_loom() {
        let mut group = criterion.benchmark_group(scenario.name());
        group.sample_size(10);
        for search in Search::ALL {
            group.bench_with_input(
                BenchmarkId::new("native", search.as_str()),
                search,
                |bencher, search| bencher.iter(|| prove(&scenario, Engine::Native, *search)),
            );
        }
        group.bench_function("loom", |bencher| {
            bencher.iter(|| prove(&scenario, Engine::Loom, Search::default()));
        });
        group.finish();
    }
}

criterion_group!(benches, engines);
criterion_main!(benches);
