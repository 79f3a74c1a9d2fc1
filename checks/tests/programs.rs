//! The lock programs of known size, on shuttle.

use selvedge_core::Engine;
use selvedge_models::programs::PROGRAMS;

#[test]
fn shuttle_counts_the_same_traces() {
    let few = |traces: &u128| *traces <= 20_000;
    for program in PROGRAMS.iter().filter(|program| program.deadlock.is_none()) {
        let Some(traces) = program.traces.filter(few) else { continue };
        let report = program.scenario().verify(Engine::Shuttle);
        assert!(report.as_expected(), "{}: {report}", program.name);
        let counted = report.fingerprint.traces.map(u128::from);
        assert_eq!(counted, Some(traces), "{}", program.name);
    }
}
