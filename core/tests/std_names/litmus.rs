//! The classic litmus tests by the names of `std`: loom's `litmus`.

use selvedge_core::std::sync::Arc;
use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering, Ordering::*};
use selvedge_core::std::thread;

use super::results;

fn store_buffering(store: Ordering, load: Ordering) -> std::collections::BTreeSet<(usize, usize)> {
    results(move || {
        let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let other = Arc::clone(&words);
        let thread = thread::spawn(move || {
            other[0].store(1, store);
            other[1].load(load)
        });
        words[1].store(1, store);
        let second = words[0].load(load);
        (thread.join().unwrap(), second)
    })
}

#[test]
fn store_buffering_has_the_weak_outcome() {
    assert_eq!(store_buffering(Relaxed, Relaxed), [(0, 0), (0, 1), (1, 0), (1, 1)].into());
    assert_eq!(store_buffering(Release, Acquire), [(0, 0), (0, 1), (1, 0), (1, 1)].into());
    assert_eq!(store_buffering(SeqCst, SeqCst), [(0, 1), (1, 0), (1, 1)].into());
}

/// RC11 has no load buffering: C11 allows (1, 1) to relaxed accesses, and no compiler or processor
/// of the tier-1 targets but some of Arm's shows it.
#[test]
fn load_buffering_is_left_out() {
    let seen = results(|| {
        let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let other = Arc::clone(&words);
        let thread = thread::spawn(move || {
            let seen = other[0].load(Relaxed);
            other[1].store(1, Relaxed);
            seen
        });
        let seen = words[1].load(Relaxed);
        words[0].store(1, Relaxed);
        (thread.join().unwrap(), seen)
    });
    assert_eq!(seen, [(0, 0), (0, 1), (1, 0)].into());
}
