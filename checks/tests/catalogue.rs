//! Every scenario of the catalogue, on every engine.

mod common;
#[path = "common/each.rs"]
mod each;

use selvedge_checks::catalogue;
use selvedge_core::{
    Checker, Classification, Engine, Expectation, Report, Scenario, Search, Verdict, ViolationKind,
};

use common::named;
use each::each;

/// More executions than the tests run on loom.
const EXECUTIONS: u64 = 20_000;

/// The scenarios with more executions on loom, and their number. They take a minute at most, so
/// the tests run the first only, and an explicit command runs all. Each family has scenarios
/// with fewer.
const LONG_ON_LOOM: [(&str, u64); 17] = [
    ("iommu/v6.13/life-cycle", 20_803),
    ("iommu/v6.2-alone/life-cycle", 56_599),
    ("iommu/v6.2/life-cycle", 56_599),
    ("iommu/v6.2-locked/life-cycle", 56_599),
    ("iommu/v6.5/life-cycle", 56_599),
    ("iommu/v6.7/life-cycle", 29_698),
    ("iommu/v6.15/life-cycle", 20_803),
    ("iommu/v6.17/life-cycle", 20_803),
    ("iommu/v7.0/life-cycle", 20_803),
    ("iommu/v7.0.10/life-cycle", 20_803),
    ("iommu/v6.17-alone/life-cycle", 20_803),
    ("iommu/proposed/life-cycle", 41_450),
    ("iommu/v7.0.10/reset-ats", 23_648),
    ("iommu/v7.0.10/reset-ats-free", 32_353),
    ("vfio-ap/ap-perms/p18/apmask-assign-unassign", 45_488),
    ("vfio-ap/ap-perms/v6.0/apmask-assign-unassign", 20_589),
    ("vfio-ap/bugs/b38-two-guests/v5.13", 76_721),
];

/// The verdict depends on memory that is weaker than sequentially consistent.
fn is_weak(report: &Report) -> bool {
    report.preconditions.iter().any(|given| given.contains("RC11"))
}

/// The verdict is as expected, and a counterexample replays natively to the same trace.
fn assert_as_expected(scenario: &Scenario, report: &Report) {
    assert!(report.as_expected(), "{}: {report}", scenario.name());
    let Verdict::Refuted(found) = &report.verdict else { return };
    if report.engine == Engine::Loom && is_weak(report) {
        // The order in which loom executes accesses is not that in which they take effect.
        return;
    }
    // Where any number of threads run a function, the counterexample is of so many.
    let scenario = report.instance().unwrap_or(scenario);
    for found in found {
        let again = scenario.replay(&found.schedule).expect("it was just seen");
        // The same cycle may starve several, and the same end leave several things behind.
        assert!(again.contains(found), "{}: {again:?}", scenario.name());
    }
}

#[test]
fn every_verdict_is_as_expected_natively_and_complete_and_the_same_every_time() {
    each(&catalogue(), |scenario| {
        let report = scenario.verify(Engine::Native);
        assert_as_expected(scenario, &report);
        let decided = *scenario.expected(Engine::Native) != Expectation::Inconclusive;
        assert_eq!(report.complete, decided, "{}: {report}", scenario.name());
        if let Verdict::Proved(fingerprint) = report.verdict {
            let again = scenario.verify(Engine::Native);
            assert_eq!(again.fingerprint, fingerprint, "{}", scenario.name());
        }
    });
}

#[test]
fn every_verdict_is_as_expected_on_loom_where_loom_can_tell() {
    let mut scenarios = catalogue();
    // Where it cannot, it runs into its limit, which takes seconds each:
    // `selvedge verify --engine all` shows those too.
    scenarios.retain(|scenario| *scenario.expected(Engine::Loom) != Expectation::Inconclusive);
    let later = |scenario: &Scenario| LONG_ON_LOOM[1..].iter().any(|(l, _)| *l == scenario.name());
    scenarios.retain(|scenario| !later(scenario));
    let executions = each(&scenarios, |scenario| {
        let report = scenario.verify(Engine::Loom);
        assert_as_expected(scenario, &report);
        report.executions
    });
    let long = scenarios.iter().map(Scenario::name).zip(executions);
    let long: Vec<(&str, u64)> = long.filter(|(_, executions)| *executions > EXECUTIONS).collect();
    assert_eq!(long, LONG_ON_LOOM[..1], "these belong into the explicit test");
}

#[test]
#[ignore = "minutes: CONTRIBUTING.md has the command"]
fn the_long_explorations_on_loom_are_as_expected() {
    let mut scenarios = catalogue();
    let known = |scenario: &Scenario| LONG_ON_LOOM.iter().find(|(l, _)| *l == scenario.name());
    scenarios.retain(|scenario| known(scenario).is_some());
    assert_eq!(scenarios.len(), LONG_ON_LOOM.len());
    each(&scenarios, |scenario| {
        let report = scenario.verify(Engine::Loom);
        assert_as_expected(scenario, &report);
        let executions = known(scenario).map(|(_, executions)| *executions);
        assert_eq!(Some(report.executions), executions, "{}", scenario.name());
    });
}

#[test]
fn shuttle_agrees_and_counts_the_traces_of_the_native_engine() {
    // Four threads have many orderings, and some scenarios more than shuttle gets through:
    // `selvedge verify --engine shuttle` has those too.
    let quick = |scenario: &Scenario| match scenario.expected(Engine::Shuttle) {
        Expectation::Proved => scenario.threads().count() < 4,
        Expectation::Refuted(_) | Expectation::RefutedAtLeast(_) => true,
        _ => false,
    };
    let mut scenarios = catalogue();
    scenarios.retain(quick);
    each(&scenarios, |scenario| {
        let report = scenario.verify(Engine::Shuttle);
        assert_as_expected(scenario, &report);
        if let Verdict::Proved(fingerprint) = report.verdict {
            let native = Checker::native().search(Search::Dpor).run(scenario);
            assert_eq!(native.fingerprint, fingerprint, "{}", scenario.name());
        }
    });
}

#[test]
fn lockdep_convicts_p11_from_an_execution_that_does_not_deadlock() {
    let report = named("vfio-ap/ap-perms/p11/in-turn").verify(Engine::Native);
    assert!(matches!(report.verdict, Verdict::Proved(_)), "{report}");
    let [prediction] = report.predictions.as_slice() else { panic!("{report}") };
    assert_eq!(prediction.inversion.classes(), ["ap_perms_mutex", "matrix_dev->lock"]);
    assert_eq!(prediction.classification, Classification::Infeasible);
}

#[test]
fn lockdep_has_nothing_against_what_was_merged() {
    for scenario in catalogue().iter().filter(|s| s.name().contains("/v6.0/")) {
        let report = scenario.verify(Engine::Native);
        assert!(report.predictions.is_empty(), "{}: {report}", scenario.name());
    }
}

/// H. Pasic's interleaving of 2020-11-26, step by step: the writer of the mask asks and gets the
/// answer no, the queue is assigned, the mask is written.
#[test]
fn the_interleaving_of_the_mail_is_a_counterexample_to_p12_07() {
    let scenario = named("vfio-ap/ap-perms/p12-07/apmask-assign");
    // ap_perms_mutex, module, trylock, unlock, module | trylock, bound?, assigned, unlock | commit
    let schedule = "0.0.0.0.0.1.1.1.1.0".parse().unwrap();
    let [found] = &scenario.replay(&schedule).unwrap()[..] else { panic!("one violation") };
    assert_eq!(found.violation.kind, ViolationKind::invariant("INV-07"));
    let did: Vec<&str> = found.trace.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(did[0], "mutex_lock_interruptible(ap_perms_mutex)");
    assert_eq!(did[2], "mutex_trylock(matrix_dev->lock)");
    assert_eq!(did[5], "mutex_trylock(matrix_dev->lock)");
    assert_eq!(did[9], "ghost(assigned)");
}

/// The deadlock that the commit message of v12 07/17 tells in four steps.
#[test]
fn the_deadlock_of_the_commit_message_is_a_counterexample_to_p11() {
    let scenario = named("vfio-ap/ap-perms/p11/apmask-assign");
    // apmask_store: ap_perms_mutex; assign: matrix_dev->lock; in_use wants the one, the check of
    // the masks the other.
    let found = scenario.replay(&"0.1.0".parse().unwrap()).unwrap();
    let [found] = found.as_slice() else { panic!("one violation") };
    let abba = ViolationKind::deadlock(["ap_perms_mutex", "matrix_dev->lock"]);
    assert_eq!(found.violation.kind, abba);
    assert!(found.violation.waits.iter().all(|wait| wait.on_cycle));
    assert!(found.violation.waits[0].at.starts_with("vfio_ap_mdev_resource_in_use"));
    assert!(found.violation.waits[1].at.starts_with("ap_apqn_in_matrix_owned_by_def_drv"));
}
