//! Fences: loom's `fence`.

use selvedge_core::std::cell::UnsafeCell;
use selvedge_core::std::sync::Arc;
use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering, Ordering::*, fence};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes};

struct Shared {
    data: UnsafeCell<usize>,
    flag: AtomicUsize,
}

// SAFETY: the checker finds accesses that nothing orders.
unsafe impl Sync for Shared {}

/// A thread writes data and sets the flag; the other waits for the flag and reads the data.
fn publish(
    release: Option<Ordering>,
    store: Ordering,
    load: Ordering,
    acquire: Option<Ordering>,
) -> impl Fn() + Send + Sync {
    move || {
        let shared = Arc::new(Shared { data: UnsafeCell::new(0), flag: AtomicUsize::new(0) });
        let other = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            // SAFETY: see `Shared`.
            other.data.with_mut(|data| unsafe { *data = 1 });
            release.into_iter().for_each(fence);
            other.flag.store(1, store);
        });
        while shared.flag.load(load) == 0 {
            thread::yield_now();
        }
        acquire.into_iter().for_each(fence);
        // SAFETY: see `Shared`.
        assert_eq!(shared.data.with(|data| unsafe { *data }), 1);
        writer.join().unwrap();
    }
}

#[test]
fn an_acquire_fence_after_a_relaxed_load() {
    proves(publish(None, Release, Relaxed, Some(Acquire)));
    refutes(Wrong::Race, publish(None, Release, Relaxed, None));
}

#[test]
fn a_release_fence_before_a_relaxed_store() {
    proves(publish(Some(Release), Relaxed, Acquire, None));
    refutes(Wrong::Race, publish(None, Relaxed, Acquire, None));
}

#[test]
fn two_fences_around_relaxed_accesses() {
    proves(publish(Some(Release), Relaxed, Relaxed, Some(Acquire)));
    proves(publish(Some(AcqRel), Relaxed, Relaxed, Some(AcqRel)));
    proves(publish(Some(SeqCst), Relaxed, Relaxed, Some(SeqCst)));
    refutes(Wrong::Race, publish(Some(Acquire), Relaxed, Relaxed, Some(Release)));
}

#[test]
fn a_release_fence_covers_the_stores_after_it() {
    proves(|| {
        let words = Arc::new([0, 0, 0].map(AtomicUsize::new));
        let other = Arc::clone(&words);
        let writer = thread::spawn(move || {
            other[0].store(1, Relaxed);
            fence(Release);
            other[1].store(1, Relaxed);
            other[2].store(1, Relaxed);
        });
        if words[2].load(Acquire) == 1 {
            assert_eq!(words[0].load(Relaxed), 1);
        }
        writer.join().unwrap();
    });
}

/// Store buffering with a fence between each store and the load.
fn store_buffering(order: Option<Ordering>) -> impl Fn() + Send + Sync {
    move || {
        let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let other = Arc::clone(&words);
        let half = move |words: &[AtomicUsize; 2], mine: usize| {
            words[mine].store(1, Relaxed);
            order.into_iter().for_each(fence);
            words[1 - mine].load(Relaxed)
        };
        let thread = thread::spawn(move || half(&other, 0));
        let second = half(&words, 1);
        let first = thread.join().unwrap();
        assert!(first + second > 0);
    }
}

#[test]
fn only_sequentially_consistent_fences_forbid_store_buffering() {
    proves(store_buffering(Some(SeqCst)));
    refutes(Wrong::Panic, store_buffering(Some(AcqRel)));
    refutes(Wrong::Panic, store_buffering(None));
}

/// The classic of Dekker: each thread announces itself, and enters if the other has not.
#[test]
fn fences_keep_two_threads_apart() {
    let program = |order| {
        move || {
            let shared = Arc::new((
                [AtomicUsize::new(0), AtomicUsize::new(0)],
                Shared { data: UnsafeCell::new(0), flag: AtomicUsize::new(0) },
            ));
            let enter = move |shared: &([AtomicUsize; 2], Shared), mine: usize| {
                shared.0[mine].store(1, Relaxed);
                fence(order);
                if shared.0[1 - mine].load(Relaxed) == 0 {
                    // SAFETY: see `Shared`.
                    shared.1.data.with_mut(|data| unsafe { *data += 1 });
                }
            };
            let other = Arc::clone(&shared);
            let thread = thread::spawn(move || enter(&other, 0));
            enter(&shared, 1);
            thread.join().unwrap();
        }
    };
    proves(program(SeqCst));
    refutes(Wrong::Race, program(AcqRel));
}
