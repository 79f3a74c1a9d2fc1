//! `struct module`: references that keep the text.

use selvedge_core::sync::{Completion, ModuleRef, Timer};
use selvedge_core::{Scenario, ViolationKind, in_world};

use super::check;

#[test]
fn a_module_reference_keeps_the_text() {
    let scenario = Scenario::builder("module", || ModuleRef::new("vfio_ap"))
        .thread("caller", |module| {
            module.call();
        })
        .thread("rmmod", |module| {
            if module.delete().is_ok() {
                module.free();
            }
        })
        .expect_violations([ViolationKind::use_after_release("vfio_ap")]);
    check(&scenario);
}

struct Unloaded {
    module: ModuleRef,
    done: Completion,
    timer: Timer,
}

/// A thread that waits for a completion may free the text: `kthread_complete_and_exit`,
/// kernel/kthread.c, v6.6.
#[test]
fn a_function_needs_the_text_until_it_has_returned() {
    let scenario = |function: fn(&Unloaded)| {
        let world = move || Unloaded {
            module: ModuleRef::new("driver"),
            done: Completion::new("done"),
            timer: Timer::new("timer", in_world(function)),
        };
        Scenario::builder("text", world).thread("rmmod", |w| {
            w.timer.mod_timer();
            w.module.delete().expect("no one has a reference");
            w.done.wait_for_completion();
            w.module.free();
        })
    };
    let returns = scenario(|w| {
        let _text = w.module.enter();
        w.done.complete();
    });
    check(&returns.expect_violations([ViolationKind::use_after_release("driver")]));
    let exits = scenario(|w| {
        w.module.enter().exit();
        w.done.complete();
    });
    check(&exits.expect_proof());
    let calls = scenario(|w| {
        w.done.complete();
        let _text = w.module.enter();
    });
    check(&calls.expect_violations([ViolationKind::use_after_release("driver")]));
}
