//! Locks: the deviations of loom's `try_lock` and `RwLock`.

use std::sync::Arc;

use loom::sync::{Mutex, RwLock};
use loom::thread;
use selvedge_core::{Scenario, ViolationKind, sync, thread as kthread};

use super::{
    check, loom_passes, loom_sees_a_deadlock, panics_with, selvedge_on_loom_agrees_with, unbounded,
};

/// tokio-rs/loom#376: an unlock is not a branch point, so no other thread ever finds the mutex held
/// in between. Selvedge's trylock tests the state of a machine, and its unlock is a step.
#[test]
fn a_trylock_that_fails_is_not_explored() {
    loom_passes(|| {
        let a = Arc::new(Mutex::new(()));
        let shared = Arc::clone(&a);
        let t = thread::spawn(move || assert!(shared.try_lock().is_ok()));
        drop(a.lock().unwrap());
        t.join().unwrap();
    });
    let scenario = Scenario::builder("trylock", || sync::Mutex::new("A", ()))
        .thread("T", |a| assert!(a.try_lock().is_some(), "held"))
        .thread("main", |a| drop(a.lock()))
        .expect_violations(panics_with("held"));
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#376: for the same reason loom never enters the path behind a failed trylock, and
/// misses what is wrong there.
#[test]
fn a_deadlock_behind_a_failed_trylock_is_missed() {
    loom_passes(|| {
        let locks = Arc::new((Mutex::new(()), Mutex::new(())));
        let shared = Arc::clone(&locks);
        let t = thread::spawn(move || {
            if shared.0.try_lock().is_err() {
                let _b = shared.1.lock().unwrap();
                let _a = shared.0.lock().unwrap();
            }
        });
        {
            let _a = locks.0.lock().unwrap();
            let _b = locks.1.lock().unwrap();
        }
        t.join().unwrap();
    });
    let world = || (sync::Mutex::new("A", ()), sync::Mutex::new("B", ()));
    let scenario = Scenario::builder("behind a trylock", world)
        .thread("T", |(a, b)| {
            if a.try_lock().is_none() {
                let _b = b.lock();
                let _a = a.lock();
            }
        })
        .thread("main", |(a, b)| {
            let _a = a.lock();
            let _b = b.lock();
        })
        .expect_violations([ViolationKind::deadlock(["A", "B"])]);
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#376: a thread about to try a mutex is put to sleep when another takes it, as if it
/// had to wait. Selvedge's trylock never waits.
#[test]
fn a_trylock_waits_for_the_mutex() {
    loom_sees_a_deadlock(|| {
        let a = Arc::new(Mutex::new(()));
        let shared = Arc::clone(&a);
        let t = thread::spawn(move || drop(shared.try_lock()));
        let _a = a.lock().unwrap();
        t.join().unwrap();
    });
    let scenario = Scenario::builder("join", || Arc::new(sync::Mutex::new("A", ())))
        .thread("main", |a| {
            let shared = Arc::clone(a);
            let t = kthread::spawn("T", move || drop(shared.try_lock()));
            let _a = a.lock();
            t.join();
        })
        .expect_proof();
    selvedge_on_loom_agrees_with(&scenario);
}

/// A waiting writer does not block loom's readers. It does block the kernel's, and Selvedge's.
#[test]
fn a_reader_passes_a_waiting_writer() {
    loom_passes(|| {
        let world = Arc::new((RwLock::new(()), Mutex::new(())));
        let shared = [(); 2].map(|()| Arc::clone(&world));
        let [t1, t2] = shared;
        let inner = thread::spawn(move || {
            let _m = t1.1.lock().unwrap();
            let _s = t1.0.read().unwrap();
        });
        let writer = thread::spawn(move || drop(t2.0.write().unwrap()));
        {
            let _s = world.0.read().unwrap();
            let _m = world.1.lock().unwrap();
        }
        inner.join().unwrap();
        writer.join().unwrap();
    });
    let world = || (sync::RwSem::new("S", ()), sync::Mutex::new("M", ()));
    let scenario = Scenario::builder("fair", world)
        .thread("outer", |(s, m)| {
            let _s = s.down_read();
            let _m = m.lock();
        })
        .thread("inner", |(s, m)| {
            let _m = m.lock();
            let _s = s.down_read();
        })
        .thread("writer", |(s, _)| drop(s.down_write()))
        .expect_violations([ViolationKind::deadlock(["M", "S"])]);
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#423: a thread that takes the read side twice panics inside loom at its second
/// release. Selvedge's semaphores count.
#[test]
fn a_recursive_reader_panics_inside_loom() {
    let model = || {
        let s = RwLock::new(());
        let outer = s.read().unwrap();
        let inner = s.read().unwrap();
        drop(inner);
        drop(outer);
    };
    let says = check(&unbounded(), model).expect_err("loom counts readers now");
    assert!(says.contains("invalid internal loom state"), "{says}");
    let scenario = Scenario::builder("recursive reader", || sync::RwSem::new("S", ()))
        .thread("T", |s| {
            let _outer = s.down_read();
            let _inner = s.down_read();
        })
        .expect_proof()
        .expect_inversion(["S"]);
    selvedge_on_loom_agrees_with(&scenario);
}
