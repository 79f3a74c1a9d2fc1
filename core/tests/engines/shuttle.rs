//! Shuttle as an engine: its proofs, its random tests, and its listener.

use std::ops::ControlFlow;

use selvedge_core::sync::Mutex;
use selvedge_core::{Checker, Fingerprint, Incomplete, Progress, Scenario, Verdict};

/// Two threads that take a mutex twice each: six orders.
fn six_traces() -> Scenario {
    let twice = |m: &Mutex| {
        drop(m.lock());
        drop(m.lock());
    };
    let scenario = Scenario::builder("six", || Mutex::new("M", ()));
    scenario.thread("T1", twice).thread("T2", twice).expect_proof()
}

#[test]
fn shuttle_proves_with_as_many_executions_as_needed() {
    let report = Checker::shuttle().executions(6).run(&six_traces());
    assert!(report.as_expected() && report.complete, "{report}");
    assert_eq!((report.executions, report.fingerprint.traces), (6, Some(6)));
}

#[test]
fn shuttle_tests_at_random_where_it_cannot_prove() {
    let report = Checker::shuttle().executions(4).run(&six_traces());
    let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
    assert_eq!(*reason, Incomplete::Executions { limit: 4 });
    assert_eq!((report.executions, report.fingerprint), (8, Fingerprint::default()));
}

#[test]
fn the_listener_stops_shuttle() {
    let twice = |m: &Mutex| (0..5).for_each(|_| drop(m.lock()));
    let scenario = Scenario::builder("many", || Mutex::new("M", ()));
    let scenario = ["T1", "T2", "T3"].iter().fold(scenario, |s, name| s.thread(name, twice));
    let mut heard = Vec::new();
    let stop = |progress: &Progress<'_>| {
        heard.push((progress.executions, progress.depth.is_some()));
        ControlFlow::Break("enough".to_owned())
    };
    let report = Checker::shuttle().on_progress(stop).run(&scenario.expect_proof());
    assert_eq!(report.stopped, Some(Incomplete::Stopped("enough".to_owned())));
    assert_eq!(heard, [(256, true)]);
}
