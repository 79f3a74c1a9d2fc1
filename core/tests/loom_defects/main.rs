//! The defects of loom 0.7.2 that the library steps round, each shown to be there still.
//!
//! A test that fails here is good news: a release of loom has mended something. Each test runs
//! a program on loom's own primitives and asserts the wrong answer, then the same program on
//! selvedge's primitives over loom and asserts the right one. That works because the library
//! uses nothing of loom but its `Mutex` and its `Condvar` in a predicate loop, on which loom's
//! search is complete; everything else is a state machine behind that mutex.
#![cfg(feature = "loom")]

#[cfg(unix)]
mod aborts;
mod atomics;
mod bounds;
mod locks;
mod sleeping;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use loom::model::Builder;
use selvedge_core::{Engine, Scenario, ViolationKind};

/// loom without any bound, whatever its environment variables say.
fn unbounded() -> Builder {
    let mut builder = Builder::new();
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = None;
    builder
}

/// Runs a model. An error is what loom's panic says.
fn check(builder: &Builder, model: impl Fn() + Send + Sync + 'static) -> Result<(), String> {
    let checked = quietly(|| panic::catch_unwind(AssertUnwindSafe(|| builder.check(model))));
    checked.map_err(|payload| match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    })
}

/// The model has a bug, and loom says that it has none.
fn loom_passes(model: impl Fn() + Send + Sync + 'static) {
    assert_eq!(check(&unbounded(), model), Ok(()), "loom has learnt to find this");
}

/// The model is correct, and loom says that it deadlocks.
fn loom_sees_a_deadlock(model: impl Fn() + Send + Sync + 'static) {
    let says = check(&unbounded(), model).expect_err("loom has learnt that this is correct");
    assert!(says.starts_with("deadlock; threads = "), "{says}");
}

/// The same program on selvedge's primitives: loom comes to the verdict claimed.
fn selvedge_on_loom_agrees_with(scenario: &Scenario) {
    let report = scenario.verify(Engine::Loom);
    assert!(report.as_expected(), "{:#?}", report.verdict);
}

/// The panics that we provoke are results; they would only clutter standard error.
fn quietly<R>(body: impl FnOnce() -> R) -> R {
    thread_local! { static QUIET: Cell<bool> = const { Cell::new(false) }; }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                outer(info);
            }
        }));
    });
    QUIET.set(true);
    let result = body();
    QUIET.set(false);
    result
}

fn panics_with(message: &str) -> [ViolationKind; 1] {
    [ViolationKind::Panic(message.to_owned())]
}
