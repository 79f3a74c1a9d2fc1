//! Atomics: orders of loads and stores that loom does not explore, or should not.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;
use selvedge_core::{Scenario, ViolationKind, sync};

use super::{check, loom_passes, panics_with, selvedge_on_loom_agrees_with, unbounded};

/// tokio-rs/loom#166 and #392: of the accesses to an atomic only the last is recorded. When a
/// thread loads and later stores, its own load hides the load of another that the store races with.
/// Selvedge's atomics are machines behind a mutex: every access is dependent on every other.
#[test]
fn a_store_after_an_own_load_is_not_reordered() {
    loom_passes(|| {
        let count = Arc::new(AtomicUsize::new(1));
        let shared = Arc::clone(&count);
        let t = thread::spawn(move || {
            if shared.load(SeqCst) != 0 {
                shared.store(2, SeqCst);
            }
        });
        assert_eq!(count.load(SeqCst), 1);
        t.join().unwrap();
    });
    let scenario = Scenario::builder("get unless zero", || sync::Atomic::new("count", 1))
        .thread("T", |count| {
            if count.load() != 0 {
                count.store(2);
            }
        })
        .thread("main", |count| assert!(count.load() == 1, "got"))
        .expect_violations(panics_with("got"));
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#166 and #392 again, with a whole deadlock hidden behind the order.
#[test]
fn a_deadlock_behind_a_load_and_a_store_is_missed() {
    loom_passes(|| {
        let world = Arc::new((AtomicUsize::new(0), Mutex::new(()), Mutex::new(())));
        let shared = Arc::clone(&world);
        let t = thread::spawn(move || {
            let (x, a, b) = &*shared;
            if x.load(SeqCst) == 0 {
                x.store(1, SeqCst);
            }
            let _a = a.lock().unwrap();
            let _b = b.lock().unwrap();
        });
        let (x, a, b) = &*world;
        if x.load(SeqCst) == 1 {
            let _b = b.lock().unwrap();
            let _a = a.lock().unwrap();
        }
        t.join().unwrap();
    });
    let world =
        || (sync::Atomic::new("x", 0), sync::Mutex::new("A", ()), sync::Mutex::new("B", ()));
    let scenario = Scenario::builder("behind a store", world)
        .thread("T", |(x, a, b)| {
            if x.load() == 0 {
                x.store(1);
            }
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("main", |(x, a, b)| {
            if x.load() == 1 {
                let _b = b.lock();
                let _a = a.lock();
            }
        })
        .expect_violations([ViolationKind::deadlock(["A", "B"])]);
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#166 and #392 again: a lock word that is tested and then set is not a lock, and
/// another thread may find it taken.
#[test]
fn a_lock_word_is_never_found_taken() {
    fn take(word: &AtomicUsize) -> bool {
        let free = word.load(SeqCst) == 0;
        if free {
            word.store(1, SeqCst);
            word.store(0, SeqCst);
        }
        free
    }
    loom_passes(|| {
        let word = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&word);
        let t = thread::spawn(move || take(&shared));
        assert!(take(&word));
        t.join().unwrap();
    });
    let take = |word: &sync::Atomic| {
        let free = word.load() == 0;
        if free {
            word.store(1);
            word.store(0);
        }
        free
    };
    let scenario = Scenario::builder("lock word", || sync::Atomic::new("word", 0))
        .thread("T", move |word| {
            take(word);
        })
        .thread("main", move |word| assert!(take(word), "taken"))
        .expect_violations(panics_with("taken"));
    selvedge_on_loom_agrees_with(&scenario);
}

/// A look at the number of references is not explored against a reference that is dropped.
/// Selvedge's counts are machines like every other object.
#[test]
fn a_strong_count_is_read_in_one_order_only() {
    loom_passes(|| {
        let count = loom::sync::Arc::new(());
        let other = loom::sync::Arc::clone(&count);
        let t = thread::spawn(move || drop(other));
        assert_eq!(loom::sync::Arc::strong_count(&count), 2);
        t.join().unwrap();
    });
    let scenario = Scenario::builder("count", || sync::Atomic::new("count", 2))
        .thread("T", |count| {
            count.fetch_add(u64::MAX);
        })
        .thread("main", |count| assert!(count.load() == 2, "gone"))
        .expect_violations(panics_with("gone"));
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#180: sequentially consistent accesses are treated as release and acquire, so two
/// threads can both miss the store of the other. Selvedge's are sequentially consistent.
#[test]
fn sequential_consistency_is_not_modelled() {
    let model = || {
        let flags = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let shared = Arc::clone(&flags);
        let t = thread::spawn(move || {
            shared.0.store(1, SeqCst);
            shared.1.load(SeqCst)
        });
        flags.1.store(1, SeqCst);
        let mine = flags.0.load(SeqCst);
        assert!(t.join().unwrap() + mine > 0, "both missed");
    };
    assert_eq!(check(&unbounded(), model), Err("both missed".to_owned()));
    let world =
        || (sync::Atomic::new("x", 0), sync::Atomic::new("y", 0), sync::Atomic::new("seen", 0));
    let scenario = Scenario::builder("store buffering", world)
        .thread("T1", |(x, y, seen)| {
            x.store(1);
            seen.fetch_add(y.load());
        })
        .thread("T2", |(x, y, seen)| {
            y.store(1);
            seen.fetch_add(x.load());
        })
        .finally(|(_, _, seen)| assert!(seen.load() > 0))
        .expect_proof();
    selvedge_on_loom_agrees_with(&scenario);
}

/// tokio-rs/loom#254, #389 and #391: beside a plain store an exchange is not one step. It may see
/// the value before the store and yet be last. Selvedge's atomics are one step; of its weak ones
/// the engine reports that a violation found by such a pair decides nothing (`engines/weak.rs`).
#[test]
fn an_exchange_beside_a_store_is_two_steps() {
    let model = |exchange: fn(&AtomicUsize) -> usize| {
        move || {
            let word = Arc::new(AtomicUsize::new(0));
            let shared = Arc::clone(&word);
            let t = thread::spawn(move || shared.store(10, SeqCst));
            let seen = exchange(&word);
            t.join().unwrap();
            assert!((seen, word.load(SeqCst)) != (0, 1), "the store is lost");
        }
    };
    let lost = Err("the store is lost".to_owned());
    assert_eq!(check(&unbounded(), model(|word| word.swap(1, SeqCst))), lost);
    assert_eq!(check(&unbounded(), model(|word| word.fetch_add(1, SeqCst))), lost);
    let scenario = Scenario::builder("exchange", || sync::Atomic::new("word", 0))
        .thread("stores", |word| word.store(10))
        .thread("exchanges", |word| {
            let seen = word.swap(1);
            assert!((seen, word.load()) != (0, 0), "lost");
        })
        .expect_proof();
    selvedge_on_loom_agrees_with(&scenario);
}
