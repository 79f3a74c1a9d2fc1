//! `struct srcu_struct`: the readers for which a grace period waits.

use selvedge_core::sync::{Atomic, Mutex, Srcu, Tracked};
use selvedge_core::{Scenario, ViolationKind};

use super::{check, deadlock, same_traces};

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
