//! Threads that wait: yields, park tokens, condition variables.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use selvedge_core::{Scenario, sync};

use super::{loom_passes, loom_sees_a_deadlock, panics_with, selvedge_on_loom_agrees_with};

/// A thread that has just yielded is not a candidate for backtracking, so a `yield_now` hides the
/// orders in which it goes first: here the simplest of all deadlocks. Selvedge never yields.
#[test]
fn a_yield_hides_a_deadlock() {
    fn abba(yields: bool) -> impl Fn() + Send + Sync + 'static {
        move || {
            let locks = Arc::new((Mutex::new(()), Mutex::new(())));
            let shared = Arc::clone(&locks);
            let t = thread::spawn(move || {
                if yields {
                    thread::yield_now();
                }
                let _a = shared.0.lock().unwrap();
                let _b = shared.1.lock().unwrap();
            });
            {
                let _b = locks.1.lock().unwrap();
                let _a = locks.0.lock().unwrap();
            }
            t.join().unwrap();
        }
    }
    loom_sees_a_deadlock(abba(false));
    loom_passes(abba(true));
}

/// A thread's park token is lost when the thread waits for a mutex. Selvedge's operations do not
/// park.
#[test]
fn a_park_token_is_lost_over_a_mutex() {
    loom_sees_a_deadlock(|| {
        let m = Arc::new(Mutex::new(()));
        let shared = Arc::clone(&m);
        let t = thread::spawn(move || {
            drop(shared.lock().unwrap());
            thread::park();
        });
        t.thread().unpark();
        drop(m.lock().unwrap());
        t.join().unwrap();
    });
}

/// tokio-rs/loom#422: a wait on a condition variable consumes the park token.
#[test]
fn a_condvar_eats_the_park_token() {
    loom_sees_a_deadlock(|| {
        let world = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&world);
        let t = thread::spawn(move || {
            let mut done = shared.0.lock().unwrap();
            while !*done {
                done = shared.1.wait(done).unwrap();
            }
            drop(done);
            thread::park();
        });
        t.thread().unpark();
        *world.0.lock().unwrap() = true;
        world.1.notify_one();
        t.join().unwrap();
    });
}

/// tokio-rs/loom#1: no thread wakes spuriously, so a waiter that does not check again passes.
/// Selvedge's queues ask whether a sleeper wakes spuriously, and both answers are explored.
#[test]
fn a_spurious_wake_up_is_not_explored() {
    loom_passes(|| {
        let world = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&world);
        let t = thread::spawn(move || {
            *shared.0.lock().unwrap() = true;
            shared.1.notify_one();
        });
        let mut done = world.0.lock().unwrap();
        if !*done {
            done = world.1.wait(done).unwrap();
        }
        assert!(*done);
        drop(done);
        t.join().unwrap();
    });
    let world = || (sync::Atomic::new("done", 0), sync::WaitQueue::new("wait"));
    let scenario = Scenario::builder("if instead of while", world)
        .thread("waiter", |(done, wait)| {
            wait.prepare_to_wait();
            if done.load() == 0 {
                wait.schedule();
            }
            wait.finish_wait();
            assert!(done.load() == 1, "too early");
        })
        .thread("waker", |(done, wait)| {
            done.store(1);
            wait.wake_up();
        })
        .expect_violations(panics_with("too early"));
    selvedge_on_loom_agrees_with(&scenario);
}
