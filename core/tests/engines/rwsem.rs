//! `struct rw_semaphore`, and the semaphore that favours its readers.

use selvedge_core::Scenario;
use selvedge_core::sync::{Ghost, Mutex, RwSem, UnfairRwSem};

use super::{check, deadlock, same_traces};

#[test]
fn a_reader_behind_a_waiting_writer_deadlocks() {
    // Neither loom's nor shuttle's own RwLock has this one.
    let scenario = Scenario::builder("rwsem", || RwSem::new("S", ()))
        .thread("reader", |s| {
            let _outer = s.down_read();
            let _inner = s.down_read();
        })
        .thread("writer", |s| drop(s.down_write()))
        .expect_violations(deadlock(["S"]));
    check(&scenario);
}

#[test]
fn readers_alone_do_not_wait() {
    let scenario = Scenario::builder("readers", || RwSem::new("S", 7))
        .thread("T1", |s| assert_eq!(*s.down_read(), 7))
        .thread("T2", |s| assert_eq!(*s.down_read(), 7))
        .expect_proof();
    check(&scenario);
}

/// A reader that returns while a writer waits: fatal if the writer goes first.
#[test]
fn reading_twice_deadlocks_unless_readers_are_favoured() {
    let fair = Scenario::builder("fair", || RwSem::new("sem", ()))
        .thread("twice", |sem| {
            let _first = sem.down_read();
            let _second = sem.down_read();
        })
        .thread("write", |sem| drop(sem.down_write()))
        .expect_violations(deadlock(["sem"]));
    check(&fair);
    let unfair = Scenario::builder("unfair", || UnfairRwSem::new("sem", ()))
        .thread("twice", |sem| {
            let _first = sem.down_read();
            let _second = sem.down_read();
        })
        .thread("write", |sem| drop(sem.down_write()))
        .expect_proof();
    check(&unfair);
    same_traces(&unfair);
}

#[test]
fn an_unfair_rwsem_still_excludes() {
    let world = || (UnfairRwSem::new("sem", 0_u32), Ghost::new("inside", 0_i32));
    let alone = |inside: &i32| if *inside == 0 { Ok(()) } else { Err("not alone".into()) };
    let write = move |(sem, inside): &(UnfairRwSem<u32>, Ghost<i32>)| {
        let mut held = sem.down_write();
        inside.check("alone", alone);
        *held += 1;
        held.up_write();
    };
    let read = |(sem, inside): &(UnfairRwSem<u32>, Ghost<i32>)| {
        let held = sem.down_read();
        inside.update(|readers| *readers += 1);
        inside.update(|readers| *readers -= 1);
        held.up_read();
    };
    let scenario = Scenario::builder("excludes", world)
        .thread("W1", write)
        .thread("W2", write)
        .thread("R", read)
        .finally(|(sem, _)| assert_eq!(*sem.down_read(), 2))
        .expect_proof();
    check(&scenario);
    same_traces(&scenario);
    let readers = Scenario::builder("readers", world)
        .thread("R1", read)
        .thread("R2", read)
        .thread("W", write)
        .expect_proof();
    check(&readers);
    same_traces(&readers);
}

/// The order of two locks depends on whether readers pass a writer.
#[test]
fn an_unfair_rwsem_deadlocks_where_a_writer_holds_it() {
    let world = || (UnfairRwSem::new("sem", ()), Mutex::new("A", ()));
    let scenario = |writes: bool| {
        Scenario::builder("abba", world)
            .thread("sem, A", move |(sem, a)| {
                let _held = match writes {
                    true => (Some(sem.down_write()), None),
                    false => (None, Some(sem.down_read())),
                };
                drop(a.lock());
            })
            .thread("A, sem", |(sem, a)| {
                let _a = a.lock();
                drop(sem.down_read());
            })
            .thread("W", |(sem, _)| drop(sem.down_write()))
    };
    let refuted = scenario(true).expect_violations(deadlock(["A", "sem"]));
    check(&refuted);
    same_traces(&refuted);
    let proved = scenario(false).expect_proof();
    check(&proved);
    same_traces(&proved);
}
