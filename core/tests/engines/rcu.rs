//! RCU: the objects that a grace period keeps.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, ModuleRef, Rcu, SpinLock, Tracked};
use selvedge_core::{Classification, Engine, Scenario, ScenarioBuilder, ViolationKind};

use super::{check, check_with_traces, slow_on_loom};

/// A reader of a node that is about to be freed, and the thread that frees it.
fn freed_by(free: fn(&Arc<Domain>)) -> ScenarioBuilder<Arc<Domain>> {
    let world = || {
        let (rcu, listed) = (Rcu::new(), Atomic::new("listed", 1));
        Arc::new(Domain { rcu, listed, node: Tracked::new("node", ()) })
    };
    let read = |w: &Arc<Domain>| {
        let _reader = w.rcu.read_lock();
        if w.listed.load() == 1 {
            w.node.get();
        }
    };
    Scenario::builder("rcu", world).thread("R", read).thread("remove", move |w| {
        w.listed.store(0);
        free(w);
    })
}

struct Domain {
    rcu: Rcu,
    listed: Atomic,
    node: Tracked,
}

#[test]
fn rcu_keeps_an_object_that_a_reader_has_found() {
    check_with_traces(
        &freed_by(|w| {
            w.rcu.synchronize();
            w.node.release();
        })
        .expect_proof(),
    );
    let callback = freed_by(|w| {
        let world = Arc::clone(w);
        w.rcu.call(move || world.node.release());
    });
    check_with_traces(&callback.expect_proof());
    check(
        &freed_by(|w| w.node.release())
            .expect_violations([ViolationKind::use_after_release("node")]),
    );
    // A grace period that begins before the node is taken off the list is over too early.
    let early = Scenario::builder("early", || (Rcu::new(), Tracked::new("node", ())))
        .thread("R", |(rcu, node)| {
            let _reader = rcu.read_lock();
            node.get();
        })
        .thread("remove", |(rcu, node)| {
            rcu.synchronize();
            node.release();
        })
        .expect_violations([ViolationKind::use_after_release("node")]);
    check(&early);
}

#[test]
fn a_nested_rcu_section_belongs_to_the_same_reader() {
    let scenario = Scenario::builder("rcu", || (Rcu::new(), Atomic::new("go", 0)))
        .thread("R", |(rcu, go)| {
            let _outer = rcu.read_lock();
            rcu.read_lock().unlock();
            go.load();
        })
        .thread("S", |(rcu, go)| {
            rcu.synchronize();
            go.store(1);
        })
        .expect_proof();
    check_with_traces(&scenario);
}

/// A module whose callbacks are code of the module: `Documentation/RCU/rcubarrier.rst`.
struct Module {
    rcu: Rcu,
    module: ModuleRef,
    node: Tracked,
}

/// A module that frees its node with `call_rcu`, and is then unloaded.
fn unloaded(before: fn(&Rcu)) -> ScenarioBuilder<Arc<Module>> {
    let world = || {
        let (rcu, module) = (Rcu::new(), ModuleRef::new("module"));
        Arc::new(Module { rcu, module, node: Tracked::new("node", ()) })
    };
    Scenario::builder("unloaded", world).thread("rmmod", move |w| {
        let world = Arc::clone(w);
        w.rcu.call(move || {
            world.module.call();
            world.node.release();
        });
        w.module.delete().expect("no reference is taken");
        before(&w.rcu);
        w.module.free();
    })
}

#[test]
fn rcu_barrier_keeps_the_text_of_a_module_until_its_callbacks_have_run() {
    let unloaded_too_early = [ViolationKind::use_after_release("module")];
    check(&unloaded(|_| ()).expect_violations(unloaded_too_early.clone()));
    // A grace period is not enough: the callback comes after it.
    check(&unloaded(Rcu::synchronize).expect_violations(unloaded_too_early));
    check_with_traces(&unloaded(Rcu::barrier).expect_proof());
}

#[test]
fn rcu_barrier_does_not_wait_for_what_a_callback_calls() {
    let world = || Arc::new((Rcu::new(), ModuleRef::new("module")));
    let scenario = move |barriers: usize| {
        Scenario::builder("again", world).thread("rmmod", move |w| {
            let world = Arc::clone(w);
            w.0.call(move || {
                let again = Arc::clone(&world);
                world.0.call(move || again.1.call());
            });
            (0..barriers).for_each(|_| w.0.barrier());
            w.1.free();
        })
    };
    check(&scenario(1).expect_violations([ViolationKind::use_after_release("module")]));
    check_with_traces(&slow_on_loom(scenario(2).expect_proof()));
}

#[test]
fn rcu_barrier_without_a_callback_waits_for_no_reader() {
    let world = || (Rcu::new(), Atomic::new("go", 0), Tracked::new("node", ()));
    let scenario = Scenario::builder("no callback", world)
        .thread("R", |(rcu, _, node)| {
            let _reader = rcu.read_lock();
            node.get();
        })
        .thread("S", |(rcu, go, node)| {
            go.store(1);
            rcu.barrier();
            node.release();
        })
        .expect_violations([ViolationKind::use_after_release("node")]);
    check(&scenario);
}

#[test]
fn rcu_barrier_sleeps() {
    let scenario = Scenario::builder("in a reader", Rcu::new)
        .thread("R", |rcu| {
            let _reader = rcu.read_lock();
            rcu.barrier();
        })
        .expect_violations([ViolationKind::sleep_in_atomic("rcu", "rcu")]);
    check(&scenario);
}

#[test]
fn a_callback_of_rcu_runs_in_softirq() {
    let world = || Arc::new((Rcu::new(), SpinLock::new("A", ())));
    let scenario = |lock: fn(&SpinLock)| {
        Scenario::builder("softirq", world).thread("T", move |w| {
            let world = Arc::clone(w);
            w.0.call(move || drop(world.1.spin_lock()));
            lock(&w.1);
            w.0.barrier();
        })
    };
    let open = scenario(|lock| drop(lock.spin_lock())).expect_proof().expect_inversion(["A"]);
    check_with_traces(&open);
    let report = open.verify(Engine::Native);
    assert_eq!(report.predictions[0].classification, Classification::Open);
    let closed = scenario(|lock| drop(lock.spin_lock_bh())).expect_proof();
    check_with_traces(&closed);
}

#[test]
fn two_barriers_wait_for_two_callbacks() {
    let world = || Arc::new((Rcu::new(), ModuleRef::new("module"), Atomic::new("ended", 0)));
    let thread = |w: &Arc<(Rcu, ModuleRef, Atomic)>| {
        let world = Arc::clone(w);
        w.0.call(move || world.1.call());
        w.0.barrier();
        if w.2.fetch_add(1) == 1 {
            w.1.free();
        }
    };
    let scenario = Scenario::builder("two", world).thread("A", thread).thread("B", thread);
    check(&slow_on_loom(scenario.expect_proof()));
}
