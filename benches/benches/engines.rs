//! The time to a complete proof, for every search and for loom.
//!
//! `cargo bench -p selvedge-benches`. Quote the ratios, since computers differ.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use selvedge_benches::{prove, proved_by_loom};
use selvedge_core::{Engine, Scenario, Search};
use selvedge_models::programs::{PROGRAMS, Program};

/// The largest number of states or traces for a search that visits each of them. A criterion group
/// runs it dozens of times.
const COUNTED_MAX: u64 = 30_000;

fn native(group: &mut BenchmarkGroup<'_, WallTime>, scenario: &Scenario, search: Search) {
    group.bench_function(BenchmarkId::new("native", search.as_str()), |bencher| {
        bencher.iter(|| prove(scenario, Engine::Native, search));
    });
}

fn loom(group: &mut BenchmarkGroup<'_, WallTime>, scenario: &Scenario) {
    group.bench_function("loom", |bencher| {
        bencher.iter(|| prove(scenario, Engine::Loom, Search::default()));
    });
}

/// Measures the scenarios of the catalogue that loom completes.
fn catalogue(criterion: &mut Criterion) {
    for scenario in proved_by_loom() {
        let mut group = criterion.benchmark_group(scenario.name());
        group.sample_size(10);
        for search in Search::ALL {
            native(&mut group, &scenario, *search);
        }
        loom(&mut group, &scenario);
    }
}

/// Measures lock programs, with each search and loom where they end within seconds.
fn programs(criterion: &mut Criterion) {
    for program in PROGRAMS.iter().filter(|program| program.deadlock.is_none()) {
        let scenario = program.scenario().loom_executions_max(u64::MAX);
        let mut group = criterion.benchmark_group(scenario.name());
        group.sample_size(10);
        for search in Search::ALL.iter().filter(|search| ends(**search, program)) {
            native(&mut group, &scenario, *search);
        }
        if matches!(program.name, "abab" | "seq_n3_k3") {
            loom(&mut group, &scenario);
        }
    }
}

fn ends(search: Search, program: &Program) -> bool {
    match search {
        Search::Auto | Search::Reduced => true,
        Search::Full | Search::Symmetric => program.states <= COUNTED_MAX,
        // The other searches visit every trace.
        _ => program.traces.is_some_and(|traces| traces <= COUNTED_MAX.into()),
    }
}

criterion_group!(benches, catalogue, programs);
criterion_main!(benches);
