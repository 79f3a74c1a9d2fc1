//! `struct srcu_struct`: the readers for which a grace period waits.

use selvedge_core::sync::{Atomic, ModuleRef, Mutex, RcuHead, Srcu, Tracked};
use selvedge_core::{Scenario, ViolationKind, in_world};

use super::{check, check_with_traces, deadlock, same_traces};

#[test]
fn synchronize_srcu_waits_for_the_readers_that_have_begun() {
    let world = || (Srcu::new("srcu"), Atomic::new("pointer", 0), Tracked::new("old", ()));
    let read = |(srcu, pointer, old): &(Srcu, Atomic, Tracked)| {
        let reader = srcu.read_lock();
        if pointer.load() == 0 {
            old.get();
        }
        reader.unlock();
    };
    let scenario = |waits: bool| {
        Scenario::builder("srcu", world).thread("R1", read).thread("R2", read).thread(
            "update",
            move |(srcu, pointer, old)| {
                pointer.store(1);
                if waits {
                    srcu.synchronize();
                }
                old.release();
            },
        )
    };
    let proved = scenario(true).expect_proof();
    check(&proved);
    same_traces(&proved);
    let refuted = scenario(false).expect_violations([ViolationKind::use_after_release("old")]);
    check(&refuted);
    let two = Scenario::builder("two", world)
        .thread("R", read)
        .thread("S1", |(srcu, ..)| srcu.synchronize())
        .thread("S2", |(srcu, pointer, old)| {
            pointer.store(1);
            srcu.synchronize();
            old.release();
        })
        .expect_proof();
    check(&two);
    same_traces(&two);
}

#[test]
fn synchronize_srcu_deadlocks_with_a_reader_that_wants_its_lock() {
    let world = || (Srcu::new("srcu"), Mutex::new("A", ()));
    let scenario = Scenario::builder("srcu", world)
        .thread("R", |(srcu, a)| {
            let _reader = srcu.read_lock();
            drop(a.lock());
        })
        .thread("S", |(srcu, a)| {
            let _a = a.lock();
            srcu.synchronize();
        })
        .expect_violations(deadlock(["A", "srcu"]));
    check(&scenario);
    same_traces(&scenario);
    // A section inside of a section belongs to the same reader, and waits for no thread.
    let nested = Scenario::builder("nested", world)
        .thread("R", |(srcu, _)| {
            let outer = srcu.read_lock();
            srcu.read_lock().unlock();
            outer.unlock();
        })
        .thread("S", |(srcu, _)| srcu.synchronize())
        .expect_proof();
    check(&nested);
    same_traces(&nested);
}

#[test]
fn srcu_barrier_waits_for_the_callbacks_and_deadlocks_in_a_reader_that_they_wait_for() {
    type World = (Srcu, ModuleRef);
    let world = || (Srcu::new("srcu"), ModuleRef::new("module"));
    let call = |w: &World| w.0.call(&RcuHead::new(in_world(|w: &World| w.1.call())));
    let unloaded = |before: fn(&Srcu)| {
        Scenario::builder("unloaded", world).thread("rmmod", move |w| {
            call(w);
            before(&w.0);
            w.1.free();
        })
    };
    let early = [ViolationKind::use_after_release("module")];
    check(&unloaded(Srcu::synchronize).expect_violations(early));
    check_with_traces(&unloaded(Srcu::barrier).expect_proof());
    let reader = Scenario::builder("reader", world)
        .thread("R", move |w| {
            let _section = w.0.read_lock();
            call(w);
            w.0.barrier();
        })
        .expect_violations(deadlock(["srcu"]));
    check(&reader);
    // The grace period may begin after the reader has.
    let later = Scenario::builder("later", world)
        .thread("R", move |w| {
            call(w);
            let _section = w.0.read_lock();
            w.0.barrier();
        })
        .expect_violations(deadlock(["srcu"]));
    check(&later);
}
