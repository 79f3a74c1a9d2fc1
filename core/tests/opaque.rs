//! Values that cannot be compared: no proof may confuse two of them.

use std::cell::Cell;
use std::ops::ControlFlow;

use selvedge_core::sync::{Mutex, SpinLock};
use selvedge_core::{
    Checker, Checkpoint, Engine, Opaque, Progress, Report, Scenario, Search, Verdict,
    ViolationKind, invariant_broken,
};

type Cells = Opaque<Cell<u32>>;

type Hook = Mutex<Option<Opaque<f64>>>;

/// A thread that waits in vain stores a value that looks like the other thread's. That takes a
/// signal, so the value appears in the middle of the search.
fn put(hook: &Hook, signalled: &Mutex<bool>, value: f64) {
    let Ok(mut signalled) = signalled.lock_interruptible() else {
        *hook.lock() = Some(Opaque(value));
        return;
    };
    *signalled = false;
}

fn look(hook: &Hook) {
    if hook.lock().as_ref().is_some_and(|value| value.0 > 1.0) {
        invariant_broken("SMALL", "a value is greater than 1");
    }
}

fn late() -> Scenario {
    Scenario::builder("opaque/late", || (Mutex::new("hook", None), Mutex::new("signalled", false)))
        .thread("half", |(hook, signalled)| put(hook, signalled, 0.5))
        .thread("two", |(hook, signalled)| put(hook, signalled, 2.0))
        .thread("look", |(hook, _)| look(hook))
        .expect_violations([ViolationKind::invariant("SMALL")])
}

fn search(search: Search, jobs: usize) -> Report {
    Checker::native().search(search).threads(jobs).run(&late())
}

#[test]
fn a_value_that_appears_late_is_not_confused() {
    for jobs in [1, 2] {
        for kind in [Search::Auto, Search::Dpor] {
            let report = search(kind, jobs);
            assert!(report.as_expected(), "{kind:?}, {jobs} threads: {report}");
            assert_eq!(report.search, Some(Search::Dpor));
        }
    }
}

#[test]
fn a_search_that_cannot_compare_values_reports_it() {
    for kind in [Search::Reduced, Search::Full, Search::Shortest] {
        let report = search(kind, 1);
        match &report.verdict {
            // The violations found on the way are reported.
            Verdict::Refuted(_) => assert!(!report.complete, "{kind:?}"),
            Verdict::Inconclusive { reason } => {
                assert!(reason.to_string().contains("compared"), "{reason}")
            }
            Verdict::Proved(_) => panic!("{kind:?} has compared what cannot be compared"),
        }
    }
}

#[test]
fn a_search_that_has_confused_values_has_no_checkpoint() {
    let mut last: Option<Checkpoint> = None;
    let listener = |progress: &Progress<'_>| {
        last = progress.checkpoint();
        ControlFlow::Continue(())
    };
    Checker::native().search(Search::Full).on_progress(listener).run(&late());
    assert_eq!(last, None);
}

/// As in `std`: one thread at a time has what such a lock protects.
#[test]
fn a_value_behind_an_exclusive_lock_need_not_be_sync() {
    let world =
        || (Mutex::new("A", Opaque(Cell::new(0))), SpinLock::new("B", Opaque(Cell::new(0))));
    let adds = |(a, b): &(Mutex<Cells>, SpinLock<Cells>)| {
        let Opaque(cell) = &*a.lock();
        cell.set(cell.get() + 1);
        let Opaque(cell) = &*b.spin_lock_irqsave();
        cell.set(cell.get() + 1);
    };
    Scenario::builder("cells", world)
        .thread("T1", adds)
        .thread("T2", adds)
        .finally(|(a, b)| assert_eq!((a.lock().0.get(), b.spin_lock_irqsave().0.get()), (2, 2)))
        .expect_proof()
        .assert_as_expected(Engine::Native);
}
