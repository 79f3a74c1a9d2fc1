//! The names of the kernel's Rust abstractions ([`selvedge_core::kernel`]).

mod condvar;
mod counts;
mod device;
mod globals;
mod locks;
mod requests;
mod revocable;
mod table;

use std::collections::BTreeSet;

use selvedge_core::std::model;
use selvedge_core::{Checker, Incomplete, Report, Search, Verdict, ViolationKind};

/// Explores `program`.
fn explore(program: impl Fn() + Send + Sync + 'static) -> Report {
    Checker::native().run(&model::scenario("program", program))
}

/// Explores `program` and asserts that it is proved. Returns the search.
#[track_caller]
fn proves(program: impl Fn() + Send + Sync + 'static) -> Option<Search> {
    let report = explore(program);
    assert!(matches!(report.verdict, Verdict::Proved(_)), "{report}");
    report.search
}

/// Explores `program` and asserts that it violates this, and nothing else.
#[track_caller]
fn refutes(
    expected: impl IntoIterator<Item = ViolationKind>,
    program: impl Fn() + Send + Sync + 'static,
) {
    let report = explore(program);
    let found = report.verdict.counterexamples().iter();
    let found: BTreeSet<_> = found.map(|found| found.violation.kind.clone()).collect();
    assert_eq!(found, expected.into_iter().collect(), "{report}");
    let refused = matches!(report.stopped, Some(Incomplete::Nondeterministic));
    assert!(!refused, "{report}");
}
