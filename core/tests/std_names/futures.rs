//! Futures: loom's `futures`.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use selvedge_core::std::future::{AtomicWaker, block_on};
use selvedge_core::std::sync::Arc;
use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes};

/// A future that is ready when another thread has stored and woken it.
fn waits(wakes: bool) -> impl Fn() + Send + Sync {
    move || {
        let number = Arc::new(AtomicUsize::new(0));
        let mut thread = None;
        block_on(poll_fn(|context| {
            let (number, waker) = (Arc::clone(&number), context.waker().clone());
            let setter = Arc::clone(&number);
            thread.get_or_insert_with(|| {
                thread::spawn(move || {
                    setter.store(1, Relaxed);
                    if wakes {
                        waker.wake();
                    }
                })
            });
            if number.load(Relaxed) == 1 { Poll::Ready(()) } else { Poll::Pending }
        }));
        thread.unwrap().join().unwrap();
    }
}

#[test]
fn a_future_is_woken() {
    proves(waits(true));
    refutes(Wrong::Deadlock, waits(false));
}

/// A task that registers its waker before it looks, or only looks before.
fn registers(looks_again: bool) -> impl Fn() + Send + Sync {
    move || {
        let shared = Arc::new((AtomicUsize::new(0), AtomicWaker::new()));
        let other = Arc::clone(&shared);
        let setter = thread::spawn(move || {
            other.0.store(1, Release);
            other.1.wake();
        });
        block_on(poll_fn(|context| {
            if shared.0.load(Acquire) == 1 {
                return Poll::Ready(());
            }
            shared.1.register_by_ref(context.waker());
            if looks_again && shared.0.load(Acquire) == 1 {
                return Poll::Ready(());
            }
            Poll::Pending
        }));
        setter.join().unwrap();
    }
}

#[test]
fn a_task_looks_again_after_it_has_registered() {
    proves(registers(true));
    refutes(Wrong::Deadlock, registers(false));
}

#[test]
fn a_waker_is_taken_once() {
    proves(|| {
        let waker = Arc::new(AtomicWaker::new());
        waker.register(Waker::noop().clone());
        let other = Arc::clone(&waker);
        let thread = thread::spawn(move || other.take_waker().is_some());
        let mine = waker.take_waker().is_some();
        assert_ne!(mine, thread.join().unwrap());
    });
}
