//! RCU: the objects that a grace period keeps.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Rcu, Tracked};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::{check, check_with_traces};

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
