//! The programs of the test suites of loom and shuttle, and their expectations.
//!
//! Each program is described anew from the subject of the test of that name: no line of either
//! suite is here. loom's is `tests/*.rs` of 0.7.2, shuttle's `shuttle/tests/basic/*.rs` of 0.9. A
//! reader-writer lock is an `RwSem`, which queues. A cell of data without a lock is an `RwSem` that
//! is only tried, so that a race is a try that fails. An `Arc` is a `Kref`.
//!
//! | suite, file | tests | here | what the others lack |
//! |---|---|---|---|
//! | loom `arc` | 6 | 3 | `try_unwrap` |
//! | loom `atomic` | 7 | 0 | `lazy_static`, `unsync_load`; weak memory |
//! | loom `atomic_int` | 6 | 1 | widths, weak exchanges; `xor`, `max`, `min` |
//! | loom `atomic_relaxed`, `fence`, `litmus` | 13 | 0 | weak memory: `engines/weak.rs` |
//! | loom `condvar` | 2 | 2 | |
//! | loom `deadlock` | 1 | 1 | |
//! | loom `double_panic_in_drop`, `futures` | | 0 | the limits of loom, wakers |
//! | loom `mpsc`, `thread_local` | 12 with these | 0 | channels, thread locals |
//! | loom `mutex` | 3 | 3 | |
//! | loom `rwlock`, `rwlock_regression1` | 11 | 11 | |
//! | loom `smoke` | 1 | 1 | |
//! | loom `spec` | 3 | 1 | weak memory |
//! | loom `thread_api` | 8 | 2 | ids, names, builders, channels, `park` |
//! | loom `unsafe_cell` | 15 | 13 | access while it is dropped, `into_inner` |
//! | loom `yield` | 1 | 1 | |
//! | shuttle `atomic` | 12 | 6 | clocks (left out of the six), weak exchanges, pointers |
//! | shuttle `condvar` | 16 | 12 | random numbers, replays; timeouts that never expire |
//! | shuttle `mutex` | 15 | 15 | three are one deadlock under three schedulers |
//! | shuttle `rwlock` | 23 | 21 | `Default`, what only `std` allows; three are one deadlock |
//! | shuttle, the rest | 312 | 0 | futures, channels, barriers, `Once`; shuttle's own tools |

mod loom;
mod outcomes;
mod shuttle;

use selvedge_core::{
    Checker, Engine, Expectation, Report, Scenario, Search, Verdict, ViolationKind,
};

fn by(scenario: &Scenario, search: Search) -> Report {
    Checker::native().search(search).run(scenario)
}

/// Checks that the claim is what was found, and that each counterexample replays.
fn claimed(scenario: &Scenario, report: &Report) {
    assert!(report.as_expected(), "{} on {}: {report}", scenario.name(), report.engine);
    let Verdict::Refuted(found) = &report.verdict else { return };
    for found in found {
        let again = scenario.replay(&found.schedule);
        let again = again.unwrap_or_else(|e| panic!("{}: {e}", found.schedule));
        assert!(again.contains(found), "{}: {again:#?}", found.schedule);
    }
}

/// Checks by states, where there are too many interleavings.
fn by_states(scenario: &Scenario) {
    claimed(scenario, &by(scenario, Search::Auto));
    claimed(scenario, &by(scenario, Search::Full));
}

/// Checks by states, by interleavings if they have an end, and on the other engines.
fn check(scenario: &Scenario) {
    by_states(scenario);
    let dpor = by(scenario, Search::Dpor);
    let open = scenario.claim_on(Engine::Native).admits(&dpor.verdict);
    assert!(dpor.as_expected() || open, "{} by orderings: {dpor}", scenario.name());
    for engine in [Engine::Loom, Engine::Shuttle] {
        claimed(scenario, &scenario.verify(engine));
    }
}

/// Threads sleep or poll: loom and shuttle may not complete, and must match the claim if they do.
fn check_open(scenario: Scenario) {
    let scenario = scenario.on(Engine::Loom, Expectation::Inconclusive).loom_executions_max(2_000);
    check(&scenario.on(Engine::Shuttle, Expectation::Inconclusive));
}

fn deadlock<const N: usize>(classes: [&str; N]) -> [ViolationKind; 1] {
    [ViolationKind::deadlock(classes)]
}

fn panics(message: &str) -> [ViolationKind; 1] {
    [ViolationKind::Panic(message.to_owned())]
}
