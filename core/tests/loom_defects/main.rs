//! The defects of loom 0.7.2 that the library works around, each shown to be present still.
//!
//! A test that fails here is good news: a release of loom has fixed something. Each test runs a
//! program on loom's own primitives and asserts the wrong answer, then the same program on
//! selvedge's primitives over loom and asserts the correct one. That works because the library uses
//! only loom's `Mutex` and its `Condvar` in a predicate loop, on which loom's search is complete;
//! everything else is a state machine behind that mutex.
#![cfg(any(loom, feature = "loom"))]

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

/// Configures loom without any bound, independent of its environment variables.
fn unbounded() -> Builder {
    let mut builder = Builder::new();
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = None;
    builder
}

/// Runs a model. An error is the message of loom's panic.
fn check(builder: &Builder, model: impl Fn() + Send + Sync + 'static) -> Result<(), String> {
    let checked = quietly(|| panic::catch_unwind(AssertUnwindSafe(|| builder.check(model))));
    checked.map_err(|payload| match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    })
}

/// Checks that loom finds no bug in a model that has one.
fn loom_passes(model: impl Fn() + Send + Sync + 'static) {
    assert_eq!(check(&unbounded(), model), Ok(()), "loom finds this now");
}

/// Checks that loom finds a deadlock in a model that is correct.
fn loom_sees_a_deadlock(model: impl Fn() + Send + Sync + 'static) {
    let says = check(&unbounded(), model).expect_err("loom accepts this now");
    assert!(says.starts_with("deadlock; threads = "), "{says}");
}

/// Checks that loom reaches the expected verdict on the same program on selvedge's primitives.
fn selvedge_on_loom_agrees_with(scenario: &Scenario) {
    let report = scenario.verify(Engine::Loom);
    assert!(report.as_expected(), "{:#?}", report.verdict);
}

/// The panics that these tests provoke are results; they would only clutter standard error.
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
