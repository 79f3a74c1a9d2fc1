//! Completions, and the promises to complete them.

use selvedge_core::sync::{Completion, Mutex};
use selvedge_core::{Scenario, ScenarioBuilder};

use super::{by_orderings, deadlock};

struct World {
    domain: Completion,
    modprobe: Completion,
    sysfs_lock: Mutex,
}

#[derive(Clone, Copy)]
struct Variant {
    /// Whether the threads promise what they complete.
    promises: bool,
    /// Whether the module's initialisation waits for all asynchronous work, including that which it
    /// has not started.
    waits: bool,
}

/// The initialisation of a module waits for all asynchronous work. Work that elevator code has
/// started asks for a module to be loaded, and waits for that. "async, kmod: fix deadlock of
/// async_synchronize_full() and request_module()", 2013-01 (LWN 532866).
fn module(variant: Variant) -> ScenarioBuilder<World> {
    let world = || World {
        domain: Completion::new("async domain"),
        modprobe: Completion::new("modprobe"),
        sysfs_lock: Mutex::new("q->sysfs_lock", ()),
    };
    let promise = move |completion: &Completion| {
        if variant.promises {
            completion.promise();
        }
    };
    let complete = move |completion: &Completion| {
        completion.complete_all();
        if variant.promises {
            completion.fulfil();
        }
    };
    Scenario::builder("module", world)
        .source("async_synchronize_full() against request_module(), 2013-01 (LWN 532866)")
        .thread("do_init_module", move |w| {
            promise(&w.modprobe);
            if variant.waits {
                w.domain.wait_for_completion();
            }
            complete(&w.modprobe);
        })
        .thread("async_run_entry", move |w| {
            promise(&w.domain);
            let _held = w.sysfs_lock.lock();
            w.modprobe.wait_for_completion();
            complete(&w.domain);
        })
        .thread("elv_iosched_show", |w| drop(w.sysfs_lock.lock()))
}

/// One bug has one name, whichever threads wait behind it, and whether or not the cycle is known.
#[test]
fn a_module_waits_for_work_that_waits_for_a_module() {
    for promises in [true, false] {
        let stuck = module(Variant { promises, waits: true });
        let stuck = stuck.expect_violations([deadlock(["async domain", "modprobe"])]);
        // The lock is held where a promise is waited for: an order of three classes, and one of
        // two.
        let predicted = ["async domain", "modprobe", "q->sysfs_lock"];
        by_orderings(&if promises { stuck.expect_inversion(predicted) } else { stuck });
        by_orderings(&module(Variant { promises, waits: false }).expect_proof());
    }
}
