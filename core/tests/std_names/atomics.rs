//! Atomics: loom's `atomic`, `atomic_int`, `atomic_relaxed`, `smoke` and `spec`.

use selvedge_core::std::sync::Arc;
use selvedge_core::std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8,
    AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, Ordering::*,
};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes, results};

macro_rules! changes_as_the_integer {
    ($($atomic:ident of $type:ident)*) => {$(
        let [a, b] = [0xA190_63F8_2C5B_0DC3_u64, 0xB751_8E3A_94D2_6F1D].map(|word| word as $type);
        let changes: [(fn(&$atomic, $type) -> $type, $type); 8] = [
            (|word, value| word.fetch_add(value, SeqCst), a.wrapping_add(b)),
            (|word, value| word.fetch_sub(value, SeqCst), a.wrapping_sub(b)),
            (|word, value| word.fetch_and(value, SeqCst), a & b),
            (|word, value| word.fetch_nand(value, SeqCst), !(a & b)),
            (|word, value| word.fetch_or(value, SeqCst), a | b),
            (|word, value| word.fetch_xor(value, SeqCst), a ^ b),
            (|word, value| word.fetch_max(value, SeqCst), a.max(b)),
            (|word, value| word.fetch_min(value, SeqCst), a.min(b)),
        ];
        proves(move || {
            for (change, after) in changes {
                let word = $atomic::new(a);
                assert_eq!(change(&word, b), a);
                assert_eq!(word.load(SeqCst), after);
            }
            let mut word = $atomic::new(a);
            assert_eq!(word.swap(b, SeqCst), a);
            assert_eq!(word.compare_exchange(a, a, SeqCst, SeqCst), Err(b));
            assert_eq!(word.compare_exchange_weak(b, a, SeqCst, SeqCst), Ok(b));
            assert_eq!(word.fetch_update(SeqCst, SeqCst, |value| (value == a).then_some(b)), Ok(a));
            assert_eq!(word.fetch_update(SeqCst, SeqCst, |_| None), Err(b));
            word.with_mut(|value| *value = a);
            assert_eq!((word.unsync_load(), word.into_inner()), (a, a));
        });
    )*};
}

#[test]
fn integers_of_every_width_change_as_those_of_std() {
    changes_as_the_integer! {
        AtomicU8 of u8 AtomicU16 of u16 AtomicU32 of u32 AtomicU64 of u64 AtomicUsize of usize
        AtomicI8 of i8 AtomicI16 of i16 AtomicI32 of i32 AtomicI64 of i64 AtomicIsize of isize
    }
}

#[test]
fn a_bool_changes_as_that_of_std() {
    for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
        proves(move || {
            let after = |change: fn(&AtomicBool, bool) -> bool| {
                let word = AtomicBool::new(a);
                assert_eq!(change(&word, b), a);
                word.load(Relaxed)
            };
            assert_eq!(after(|word, value| word.fetch_and(value, Relaxed)), a & b);
            assert_eq!(after(|word, value| word.fetch_nand(value, Relaxed)), !(a & b));
            assert_eq!(after(|word, value| word.fetch_or(value, Relaxed)), a | b);
            assert_eq!(after(|word, value| word.fetch_xor(value, Relaxed)), a ^ b);
            assert_eq!(after(|word, _| word.fetch_not(Relaxed)), !a);
        });
    }
}

#[test]
fn a_pointer_comes_back() {
    proves(|| {
        let (mut one, mut two) = (1, 2);
        let word = AtomicPtr::new(&raw mut one);
        assert_eq!(word.load(Relaxed), &raw mut one);
        assert_eq!(word.swap(&raw mut two, Relaxed), &raw mut one);
        let null = std::ptr::null_mut();
        assert_eq!(word.compare_exchange(&raw mut one, null, Relaxed, Relaxed), Err(&raw mut two));
        word.store(null, Relaxed);
        assert!(word.load(Relaxed).is_null());
    });
}

/// Two threads add one by `change`; the sum is asserted.
fn two_add_one(change: fn(&AtomicUsize)) -> impl Fn() + Send + Sync {
    move || {
        let count = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let count = Arc::clone(&count);
                thread::spawn(move || change(&count))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(count.load(Relaxed), 2);
    }
}

#[test]
fn an_exchange_that_is_repeated_adds() {
    proves(two_add_one(|count| {
        let mut value = count.load(Relaxed);
        while let Err(found) = count.compare_exchange(value, value + 1, Relaxed, Relaxed) {
            value = found;
        }
    }));
    proves(two_add_one(|count| _ = count.fetch_add(1, Relaxed)));
    proves(two_add_one(|count| _ = count.fetch_update(Relaxed, Relaxed, |n| Some(n + 1))));
}

#[test]
fn a_load_and_a_store_do_not_add() {
    for (load, store) in [(Acquire, Release), (Relaxed, Relaxed), (SeqCst, SeqCst)] {
        let program = move || {
            let count = Arc::new(AtomicUsize::new(0));
            let other = Arc::clone(&count);
            let add = move |count: &AtomicUsize| count.store(count.load(load) + 1, store);
            let thread = thread::spawn(move || add(&other));
            add(&count);
            thread.join().unwrap();
            assert_eq!(count.load(Relaxed), 2);
        };
        refutes(Wrong::Panic, program);
    }
}

/// One thread stores to two words, the other reads them in the other order.
fn message(store: Ordering, load: Ordering) -> impl Fn() + Send + Sync {
    move || {
        let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let other = Arc::clone(&words);
        let writer = thread::spawn(move || {
            other[0].store(1, Relaxed);
            other[1].store(1, store);
        });
        if words[1].load(load) == 1 {
            assert_eq!(words[0].load(Relaxed), 1);
        }
        writer.join().unwrap();
    }
}

#[test]
fn relaxed_stores_are_seen_in_any_order() {
    refutes(Wrong::Panic, message(Relaxed, Relaxed));
    refutes(Wrong::Panic, message(Release, Relaxed));
    refutes(Wrong::Panic, message(Relaxed, Acquire));
    proves(message(Release, Acquire));
    proves(message(SeqCst, SeqCst));
}

#[test]
fn a_relaxed_word_goes_forward() {
    proves(|| {
        let word = Arc::new(AtomicUsize::new(0));
        let other = Arc::clone(&word);
        let writer = thread::spawn(move || {
            other.store(1, Relaxed);
            other.store(2, Relaxed);
        });
        let (first, second) = (word.load(Relaxed), word.load(Relaxed));
        assert!(first <= second);
        writer.join().unwrap();
    });
}

/// A failed exchange reads an old value, and the next one too.
#[test]
fn a_failed_exchange_may_read_an_old_value() {
    let seen = results(|| {
        let word = Arc::new(AtomicUsize::new(0));
        let other = Arc::clone(&word);
        let writer = thread::spawn(move || other.store(1, Relaxed));
        let found = word.compare_exchange(2, 3, Relaxed, Relaxed);
        writer.join().unwrap();
        found
    });
    assert_eq!(seen, [Err(0), Err(1)].into());
}

#[test]
fn acquire_and_release_are_transitive() {
    proves(|| {
        let words = Arc::new([0, 0, 0].map(AtomicUsize::new));
        let threads = [
            {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    words[0].store(1, Relaxed);
                    words[1].store(1, Release);
                })
            },
            {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    if words[1].load(Acquire) == 1 {
                        words[2].store(1, Release);
                    }
                })
            },
        ];
        if words[2].load(Acquire) == 1 {
            assert_eq!(words[0].load(Relaxed), 1);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Two readers of two independent writers agree on the order of the stores, if all is SeqCst.
#[test]
fn sequentially_consistent_accesses_have_one_order() {
    let program = |order: Ordering| {
        move || {
            let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
            let store = |word: usize| {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    words[word].store(1, if order == SeqCst { SeqCst } else { Release })
                })
            };
            let load = |first: usize| {
                let words = Arc::clone(&words);
                let order = if order == SeqCst { SeqCst } else { Acquire };
                thread::spawn(move || {
                    (words[first].load(order), words[1 - first].load(order)) == (1, 0)
                })
            };
            let writers = [store(0), store(1)];
            let readers = [load(0), load(1)].map(|reader| reader.join().unwrap());
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            assert_ne!(readers, [true, true]);
        }
    };
    proves(program(SeqCst));
    refutes(Wrong::Panic, program(AcqRel));
}
