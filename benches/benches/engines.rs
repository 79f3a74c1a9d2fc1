//! Time to a complete proof, native against loom.
//!
//! `cargo bench -p selvedge-benches`. Quote the ratios: machines differ.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use selvedge_benches::programs::{PROGRAMS, program};
use selvedge_benches::{prove, proved_by_loom};
use selvedge_core::{Engine, Scenario, Search};

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

/// The scenarios of the catalogue that loom completes.
fn catalogue(criterion: &mut Criterion) {
    for scenario in proved_by_loom() {
        let mut group = criterion.benchmark_group(scenario.name());
        group.sample_size(10);
        native(&mut group, &scenario, Search::Stateful);
        native(&mut group, &scenario, Search::SleepSets);
        loom(&mut group, &scenario);
    }
}

/// Lock programs; loom takes part where it ends within seconds.
fn programs(criterion: &mut Criterion) {
    for program in PROGRAMS.iter().filter(|program| program.name != "abba") {
        let scenario = program.scenario().proved().loom_executions_max(u64::MAX);
        let mut group = criterion.benchmark_group(program.name);
        group.sample_size(10);
        native(&mut group, &scenario, Search::Stateful);
        if matches!(program.name, "abab" | "seq_n3_k3") {
            loom(&mut group, &scenario);
        }
    }
}

/// How much the reductions save.
fn reductions(criterion: &mut Criterion) {
    let scenario = program("vfio4").scenario().proved();
    let mut group = criterion.benchmark_group("reductions/vfio4");
    group.sample_size(10);
    native(&mut group, &scenario, Search::Stateful);
    native(&mut group, &scenario, Search::Census);
}

criterion_group!(benches, catalogue, programs, reductions);
criterion_main!(benches);
