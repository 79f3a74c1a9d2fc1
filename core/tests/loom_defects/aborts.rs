//! Failures that loom cannot report, because they kill the process.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;

use loom::sync::{Mutex, RwLock};
use loom::thread;
use selvedge_core::{Scenario, ViolationKind, sync};

use super::{loom_sees_a_deadlock, selvedge_on_loom_agrees_with, unbounded};

const SIGABRT: i32 = 6;

/// Runs a model in a separate process: this very test once more, with `CHILD` set. Returns the
/// signal that killed it.
fn signal_in_a_child(test: &str, model: impl Fn() + Send + Sync + 'static) -> Option<i32> {
    const CHILD: &str = "SELVEDGE_LOOM_DEFECTS_CHILD";
    if std::env::var_os(CHILD).is_some() {
        unbounded().check(model);
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args([test, "--exact"]).env(CHILD, "").env("RUST_BACKTRACE", "0");
    let output = child.output().unwrap();
    assert!(!output.status.success(), "{test} found nothing: {output:?}");
    output.status.signal()
}

/// tokio-rs/loom#331: when a deadlock unwinds a thread that holds a `RwLock`, the release panics
/// again and the process dies. Selvedge's semaphores do not use it, so the deadlock is a verdict.
#[test]
fn a_deadlock_over_a_rwlock_aborts_the_process() {
    let signal = signal_in_a_child("aborts::a_deadlock_over_a_rwlock_aborts_the_process", || {
        let locks = Arc::new((RwLock::new(()), RwLock::new(())));
        let shared = Arc::clone(&locks);
        let t = thread::spawn(move || {
            let _a = shared.0.write().unwrap();
            let _b = shared.1.write().unwrap();
        });
        {
            let _b = locks.1.write().unwrap();
            let _a = locks.0.write().unwrap();
        }
        t.join().unwrap();
    });
    assert_eq!(signal, Some(SIGABRT));
    let world = || (sync::RwSem::new("A", ()), sync::RwSem::new("B", ()));
    let scenario = Scenario::builder("rwsem abba", world)
        .thread("ab", |(a, b)| {
            let _a = a.down_write();
            let _b = b.down_write();
        })
        .thread("ba", |(a, b)| {
            let _b = b.down_write();
            let _a = a.down_write();
        })
        .expect_violations([ViolationKind::deadlock(["A", "B"])]);
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#291: so does a `loom::sync::Arc` on a stack that a deadlock unwinds. Selvedge
/// shares objects in a `std::sync::Arc`, of which loom knows nothing.
#[test]
fn a_deadlock_over_an_arc_aborts_the_process() {
    loom_sees_a_deadlock(|| {
        let lock = Arc::new(Mutex::new(()));
        let _outer = lock.lock().unwrap();
        let _inner = lock.lock().unwrap();
    });
    let signal = signal_in_a_child("aborts::a_deadlock_over_an_arc_aborts_the_process", || {
        let lock = loom::sync::Arc::new(Mutex::new(()));
        let _outer = lock.lock().unwrap();
        let _inner = lock.lock().unwrap();
    });
    assert_eq!(signal, Some(SIGABRT));
}
