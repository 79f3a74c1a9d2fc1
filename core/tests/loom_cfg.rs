//! With `--cfg loom` the primitives are loom's own where no engine is in charge.
#![cfg(loom)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use selvedge_core::sync::{Kref, Mutex, RwSem, WaitQueue};

/// Returns the message of the panic by which a model fails.
fn failure(model: impl Fn() + Sync + Send + 'static) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| loom::model(model))).expect_err("it must fail");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap()
}

#[test]
fn a_mutex_excludes_and_hands_its_data_on() {
    loom::model(|| {
        let sum = Arc::new(Mutex::new("sum", 0));
        let other = Arc::clone(&sum);
        let thread = loom::thread::spawn(move || *other.lock() += 1);
        *sum.lock() += 1;
        thread.join().unwrap();
        assert_eq!(*sum.lock(), 2);
    });
}

#[test]
fn a_deadlock_is_found() {
    let message = failure(|| {
        let locks = Arc::new((Mutex::new("A", ()), Mutex::new("B", ())));
        let other = Arc::clone(&locks);
        loom::thread::spawn(move || {
            let _b = other.1.lock();
            let _a = other.0.lock();
        });
        let _a = locks.0.lock();
        let _b = locks.1.lock();
    });
    assert!(message.starts_with("deadlock"), "{message}");
}

#[test]
fn a_trylock_that_fails_is_found() {
    let message = failure(|| {
        let lock = Arc::new(Mutex::new("A", ()));
        let other = Arc::clone(&lock);
        loom::thread::spawn(move || drop(other.lock()));
        assert!(lock.try_lock().is_some(), "busy");
    });
    assert!(message.contains("busy"), "{message}");
}

#[test]
fn a_reader_behind_a_waiting_writer_is_found() {
    let message = failure(|| {
        let sem = Arc::new(RwSem::new("S", ()));
        let other = Arc::clone(&sem);
        loom::thread::spawn(move || drop(other.down_write()));
        let _outer = sem.down_read();
        let _inner = sem.down_read();
    });
    assert!(message.starts_with("deadlock"), "{message}");
}

#[test]
fn a_waiter_is_woken() {
    loom::model(|| {
        let world = Arc::new((Mutex::new("M", true), WaitQueue::new("busy")));
        let other = Arc::clone(&world);
        loom::thread::spawn(move || {
            *other.0.lock() = false;
            other.1.wake_up_all();
        });
        world.1.wait_event(|| !*world.0.lock());
    });
}

#[test]
fn a_broken_rule_is_a_panic() {
    let message = failure(|| {
        let count = Arc::new(Kref::new("count"));
        let other = Arc::clone(&count);
        loom::thread::spawn(move || other.put());
        count.get();
    });
    assert!(message.contains("UseAfterRelease"), "{message}");
}
