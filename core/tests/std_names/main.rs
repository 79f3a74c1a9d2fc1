//! The names of `std` ([`selvedge_core::std`]) on the programs that people write for loom.
//!
//! Each test of loom's own suite has its counterpart here, in words of its own; `docs/from-loom.md`
//! says which are missing.

mod atomics;
mod cells;
mod channels;
mod counts;
mod fences;
mod futures;
mod litmus;
mod locks;
mod shuttles;
mod spin;
mod threads;
mod waits;

use selvedge_core::std::model;
use selvedge_core::{Checker, Report, Verdict, ViolationKind};

/// What a program does wrong. The names are those of places, so a test does not spell them out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong {
    Deadlock,
    Leak,
    Panic,
    Race,
}

impl Wrong {
    fn of(kind: &ViolationKind) -> Self {
        match kind {
            ViolationKind::Deadlock(_) => Self::Deadlock,
            ViolationKind::Leak(_) => Self::Leak,
            ViolationKind::Panic(_) => Self::Panic,
            ViolationKind::DataRace(_) => Self::Race,
            other => panic!("{other} is not what these programs do"),
        }
    }
}

/// Explores `program`.
fn explore(program: impl Fn() + Send + Sync + 'static) -> Report {
    Checker::native().run(&model::scenario("program", program))
}

/// Explores `program` and asserts that it is proved.
#[track_caller]
fn proves(program: impl Fn() + Send + Sync + 'static) {
    let report = explore(program);
    assert!(matches!(report.verdict, Verdict::Proved(_)), "{report}");
}

/// Explores `program` and asserts that it does this wrong, and nothing else.
#[track_caller]
fn refutes(wrong: Wrong, program: impl Fn() + Send + Sync + 'static) {
    let report = explore(program);
    let found = report.verdict.counterexamples();
    let as_expected = |found: &_| Wrong::of(found) == wrong;
    let kinds: Vec<_> = found.iter().map(|found| &found.violation.kind).collect();
    assert!(!kinds.is_empty() && kinds.into_iter().all(as_expected), "{report}");
}

/// Returns the results that `program` can have, over all interleavings.
fn results<R: Ord + Send + 'static>(
    program: impl Fn() -> R + Send + Sync + 'static,
) -> std::collections::BTreeSet<R> {
    use std::sync::{Arc, Mutex};
    let results = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
    let all = Arc::clone(&results);
    proves(move || {
        let result = program();
        all.lock().unwrap().insert(result);
    });
    let mut results = results.lock().unwrap();
    std::mem::take(&mut results)
}
