//! A module whose load waits for all asynchronous work, one of which waits for the load.
//!
//! Source: `async_synchronize_full` against `request_module`, January 2013 (LWN 532866).

use selvedge_core::sync::Completion;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function};

use super::report;

const SOURCE: &str = "async_synchronize_full against request_module, January 2013 (LWN 532866)";

struct World {
    /// The async domain, completed when its work has ended.
    domain: Completion,
    /// The load of the module, completed when its init function has returned.
    load: Completion,
}

fn world() -> World {
    World { domain: Completion::new("async domain"), load: Completion::new("modprobe") }
}

/// A probe that needs an elevator module.
fn async_run_entry_fn(w: &World) {
    let _function = function("async_run_entry_fn");
    w.domain.promise();
    // __request_module
    w.load.wait_for_completion();
    w.domain.complete_all();
}

/// Loads the module. `waits` says whether it then waits for asynchronous work of others.
fn do_init_module(w: &World, waits: bool) {
    let _function = function("do_init_module");
    w.load.promise();
    if waits {
        // async_synchronize_full
        w.domain.wait_for_completion();
    }
    w.load.complete_all();
}

fn variant(name: &str, waits: bool) -> ScenarioBuilder<World> {
    report(&format!("async-request-module/{name}"), SOURCE, world)
        .thread("async", async_run_entry_fn)
        .thread("modprobe", move |w| do_init_module(w, waits))
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        variant("waits", true)
            .about("the load of a module waits for the asynchronous work that requested it")
            .expect_violations([ViolationKind::deadlock(["async domain", "modprobe"])]),
        variant("used-async", false)
            .about("a module that has used no asynchronous work does not wait (PF_USED_ASYNC)")
            .expect_proof(),
    ]
}
