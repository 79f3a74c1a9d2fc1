//! Reference counts and leaks: loom's `arc`, and its `alloc`.

use selvedge_core::std::alloc::Track;
use selvedge_core::std::cell::UnsafeCell;
use selvedge_core::std::sync::Arc;
use selvedge_core::std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes, results};

/// Data whose destructor reads it.
struct State {
    data: UnsafeCell<usize>,
    guard: AtomicBool,
}

// SAFETY: the checker finds accesses that nothing orders.
unsafe impl Sync for State {}

impl State {
    fn new() -> Arc<Self> {
        Arc::new(Self { data: UnsafeCell::new(0), guard: AtomicBool::new(false) })
    }

    fn set(&self) {
        // SAFETY: see `State`.
        self.data.with_mut(|data| unsafe { *data = 1 });
        self.guard.store(true, Release);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: see `State`.
        assert_eq!(self.data.with(|data| unsafe { *data }), 1);
    }
}

#[test]
fn a_flag_and_a_count() {
    proves(|| {
        let state = State::new();
        let other = Arc::clone(&state);
        let setter = thread::spawn(move || other.set());
        while !state.guard.load(Acquire) {
            thread::yield_now();
        }
        // SAFETY: see `State`.
        assert_eq!(state.data.with(|data| unsafe { *data }), 1);
        setter.join().unwrap();
    });
}

#[test]
fn the_last_drop_comes_after_the_others() {
    proves(|| {
        let state = State::new();
        let other = Arc::clone(&state);
        let setter = thread::spawn(move || other.set());
        drop(state);
        setter.join().unwrap();
    });
}

#[test]
fn a_forgotten_reference_is_a_leak() {
    refutes(Wrong::Leak, || std::mem::forget(Arc::new(1)));
}

#[test]
fn get_mut_and_try_unwrap_want_the_only_reference() {
    proves(|| {
        let mut one = Arc::new(1);
        *Arc::get_mut(&mut one).unwrap() += 1;
        let mut two = Arc::clone(&one);
        assert!(Arc::get_mut(&mut one).is_none() && Arc::get_mut(&mut two).is_none());
        assert_eq!(Arc::strong_count(&one), 2);
        let one = Arc::try_unwrap(one).unwrap_err();
        drop(two);
        assert_eq!(Arc::try_unwrap(one), Ok(2));
    });
}

/// Of two threads that drop their references, one gets the value.
#[test]
fn one_of_two_takes_the_value() {
    let taken = results(|| {
        let one = Arc::new(1);
        let two = Arc::clone(&one);
        let thread = thread::spawn(move || Arc::into_inner(two));
        (Arc::into_inner(one), thread.join().unwrap())
    });
    assert_eq!(taken, [(None, Some(1)), (Some(1), None)].into());
}

/// Both may see the other's reference.
#[test]
fn both_may_fail_to_take_the_value() {
    let taken = results(|| {
        let one = Arc::new(1);
        let two = Arc::clone(&one);
        let thread = thread::spawn(move || Arc::try_unwrap(two).ok());
        (Arc::try_unwrap(one).ok(), thread.join().unwrap())
    });
    assert_eq!(taken, [(None, None), (None, Some(1)), (Some(1), None)].into());
}

/// `get_mut` sees what the other had done before it dropped its reference.
#[test]
fn get_mut_comes_after_the_drops() {
    struct Cell(UnsafeCell<usize>);
    // SAFETY: the checker finds accesses that nothing orders.
    unsafe impl Sync for Cell {}
    proves(|| {
        let mut one = Arc::new(Cell(UnsafeCell::new(0)));
        let two = Arc::clone(&one);
        let setter = thread::spawn(move || {
            // SAFETY: see `Cell`.
            two.0.with_mut(|value| unsafe { *value = 1 });
        });
        if let Some(Cell(cell)) = Arc::get_mut(&mut one) {
            // SAFETY: see `Cell`.
            assert_eq!(cell.with(|value| unsafe { *value }), 1);
        }
        setter.join().unwrap();
    });
}

#[test]
fn a_weak_reference_does_not_keep_the_value() {
    let upgraded = results(|| {
        let one = Arc::new(1);
        let weak = Arc::downgrade(&one);
        let thread = thread::spawn(move || weak.upgrade().map(|one| *one));
        drop(one);
        thread.join().unwrap()
    });
    assert_eq!(upgraded, [None, Some(1)].into());
}

#[test]
fn a_trait_object_is_counted() {
    proves(|| {
        let one: Arc<dyn Fn() -> u32 + Send + Sync> = Arc::from_std(std::sync::Arc::new(|| 1));
        let two = Arc::clone(&one);
        let thread = thread::spawn(move || 1 + two());
        assert_eq!(one() + thread.join().unwrap(), 3);
    });
}

/// A count by hand, as in the source of `Arc`, and what happens with an ordering less.
fn by_hand(release: bool, acquire: bool) -> impl Fn() + Send + Sync {
    struct Counted {
        count: AtomicUsize,
        value: UnsafeCell<usize>,
    }
    // SAFETY: the checker finds accesses that nothing orders.
    unsafe impl Sync for Counted {}
    move || {
        let counted = Arc::new(Counted { count: AtomicUsize::new(2), value: UnsafeCell::new(0) });
        let put = move |counted: &Counted| {
            // SAFETY: see `Counted`.
            counted.value.with(|value| unsafe { *value });
            if counted.count.fetch_sub(1, if release { Release } else { Relaxed }) == 1 {
                if acquire {
                    selvedge_core::std::sync::atomic::fence(Acquire);
                }
                // SAFETY: see `Counted`.
                counted.value.with_mut(|value| unsafe { *value = usize::MAX });
            }
        };
        let other = Arc::clone(&counted);
        let thread = thread::spawn(move || put(&other));
        put(&counted);
        thread.join().unwrap();
    }
}

#[test]
fn a_count_needs_both_orderings() {
    proves(by_hand(true, true));
    refutes(Wrong::Race, by_hand(true, false));
    refutes(Wrong::Race, by_hand(false, true));
}

#[test]
fn a_tracked_value_is_to_be_dropped() {
    proves(|| {
        let mut value = Track::new(1);
        *value.get_mut() += 1;
        assert_eq!(*value.get_ref(), 2);
        assert_eq!(value.into_inner(), 2);
        drop(Track::new(()));
    });
    refutes(Wrong::Leak, || std::mem::forget(Track::new(())));
}
