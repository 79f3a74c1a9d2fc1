//! What the test suites of loom and shuttle say of their programs, of ours.
//!
//! Each program is described anew from what the test of that name is about: no line of either suite is
//! here. loom's is `tests/*.rs` of 0.7.2, shuttle's `shuttle/tests/basic/*.rs` of 0.9. A reader-writer
//! lock is an `RwSem`, which queues; a cell of data without a lock is an `RwSem` that is only tried, so
//! that a race is a try that fails; an `Arc` is a `Kref`.
//!
//! | suite, file | tests | here | what the others lack |
//! |---|---|---|---|
//! | loom `arc` | 6 | 3 | `try_unwrap` |
//! | loom `atomic` | 7 | 0 | `lazy_static`, `unsync_load`; weak memory |
//! | loom `atomic_int` | 6 | 1 | widths, weak exchanges; `xor`, `max`, `min` are more loops of exchanges |
//! | loom `atomic_relaxed`, `fence`, `litmus` | 13 | 0 | weak memory: `engines/weak.rs` |
//! | loom `condvar` | 2 | 2 | |
//! | loom `deadlock` | 1 | 1 | |
//! | loom `double_panic_in_drop`, `futures`, `mpsc`, `thread_local` | 12 | 0 | the limits of loom, wakers, channels, thread locals |
//! | loom `mutex` | 3 | 3 | |
//! | loom `rwlock`, `rwlock_regression1` | 11 | 11 | |
//! | loom `smoke` | 1 | 1 | |
//! | loom `spec` | 3 | 1 | weak memory |
//! | loom `thread_api` | 8 | 2 | ids, names, builders, channels, `park` |
//! | loom `unsafe_cell` | 15 | 13 | access while it is dropped, `into_inner` |
//! | loom `yield` | 1 | 1 | |
//! | shuttle `atomic` | 12 | 6 | clocks (left out of the six), weak exchanges, pointers |
//! | shuttle `condvar` | 16 | 12 | random numbers, replays; times that are never up |
//! | shuttle `mutex` | 15 | 15 | three are one deadlock under three schedulers |
//! | shuttle `rwlock` | 23 | 21 | `Default`, all that `std`'s own allows; three are one deadlock |
//! | shuttle, the rest | 312 | 0 | futures, channels, barriers, `Once`, lazy statics; shuttle's own tools |

mod loom;
mod outcomes;
mod shuttle;

use selvedge_core::{
    Checker, Engine, Expectation, Report, Scenario, Search, Verdict, ViolationKind,
};

fn by(scenario: &Scenario, search: Search) -> Report {
    Checker::native().search(search).run(scenario)
}

/// The claim is what is found, and each counterexample shows itself again.
fn claimed(scenario: &Scenario, report: &Report) {
    assert!(report.as_expected(), "{} on {}: {report}", scenario.name(), report.engine);
    let Verdict::Refuted(found) = &report.verdict else { return };
    for found in found {
        let again = scenario.replay(&found.schedule);
        let again = again.unwrap_or_else(|e| panic!("{}: {e}", found.schedule));
        assert!(again.contains(found), "{}: {again:#?}", found.schedule);
    }
}

/// Where orderings are too many.
fn by_states(scenario: &Scenario) {
    claimed(scenario, &by(scenario, Search::Auto));
    claimed(scenario, &by(scenario, Search::Full));
}

/// By states, by orderings if they come to an end, and on the other engines.
fn check(scenario: &Scenario) {
    by_states(scenario);
    let dpor = by(scenario, Search::Dpor);
    let open = scenario.claim_on(Engine::Native).admits(&dpor.verdict);
    assert!(dpor.as_expected() || open, "{} by orderings: {dpor}", scenario.name());
    for engine in [Engine::Loom, Engine::Shuttle] {
        claimed(scenario, &scenario.verify(engine));
    }
}

/// Threads sleep or poll: loom and shuttle may come to no end, and are held to the claim if they do.
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
