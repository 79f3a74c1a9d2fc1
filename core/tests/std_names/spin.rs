//! Loops that spin.

use selvedge_core::std::sync::Arc;
use selvedge_core::std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use selvedge_core::std::{hint, thread};
use selvedge_core::{Checker, Engine, Incomplete, Verdict};

use super::{Wrong, explore, proves, refutes, results};

#[test]
fn a_loop_that_yields_ends_when_the_flag_is_set() {
    for (set, look) in [(Release, Acquire), (Relaxed, Relaxed), (SeqCst, SeqCst)] {
        proves(move || {
            let flag = Arc::new(AtomicBool::new(false));
            let other = Arc::clone(&flag);
            let setter = thread::spawn(move || other.store(true, set));
            while !flag.load(look) {
                thread::yield_now();
            }
            setter.join().unwrap();
        });
    }
}

#[test]
fn a_loop_that_nothing_ends_is_a_deadlock() {
    refutes(Wrong::Deadlock, || {
        let flag = AtomicBool::new(false);
        while !flag.load(Relaxed) {
            hint::spin_loop();
        }
    });
}

/// What others write elsewhere does not end the loop.
#[test]
fn a_loop_that_looks_at_the_wrong_flag_is_a_deadlock() {
    refutes(Wrong::Deadlock, || {
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let other = Arc::clone(&flags);
        let setter = thread::spawn(move || other[1].store(true, Release));
        while !flags[0].load(Acquire) {
            thread::yield_now();
        }
        setter.join().unwrap();
    });
}

/// A thread that reads an old value in its last round reads the new one later.
#[test]
fn an_old_value_is_not_read_for_ever() {
    proves(|| {
        let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let other = Arc::clone(&words);
        let setter = thread::spawn(move || {
            other[0].store(1, Relaxed);
            other[1].store(1, Relaxed);
        });
        while words[0].load(Relaxed) + words[1].load(Relaxed) < 2 {
            thread::yield_now();
        }
        setter.join().unwrap();
    });
}

#[test]
fn two_threads_spin_for_each_other() {
    let program = |both: bool| {
        move || {
            let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let other = Arc::clone(&flags);
            let thread = thread::spawn(move || {
                while !other[0].load(Acquire) {
                    thread::yield_now();
                }
                other[1].store(true, Release);
            });
            if both {
                flags[0].store(true, Release);
            }
            while !flags[1].load(Acquire) {
                thread::yield_now();
            }
            thread.join().unwrap();
        }
    };
    proves(program(true));
    refutes(Wrong::Deadlock, program(false));
}

#[test]
fn a_spinning_lock() {
    let program = |unlock| {
        move || {
            let shared = Arc::new((AtomicBool::new(false), AtomicUsize::new(0)));
            let add = move |shared: &(AtomicBool, AtomicUsize)| {
                while shared.0.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
                    thread::yield_now();
                }
                shared.1.store(shared.1.load(Relaxed) + 1, Relaxed);
                shared.0.store(false, unlock);
            };
            let other = Arc::clone(&shared);
            let thread = thread::spawn(move || add(&other));
            add(&shared);
            thread.join().unwrap();
            assert_eq!(shared.1.load(Relaxed), 2);
        }
    };
    proves(program(Release));
    refutes(Wrong::Panic, program(Relaxed));
}

/// The tickets of a lock are taken in order. The threads spin in rounds of one load each.
#[test]
fn a_ticket_lock() {
    let orders = results(|| {
        let lock = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0)));
        let take = |lock: &(AtomicUsize, AtomicUsize, AtomicUsize)| {
            let mine = lock.0.fetch_add(1, Relaxed);
            while lock.1.load(Acquire) != mine {
                hint::spin_loop();
            }
            lock.2.store(lock.2.load(Relaxed) * 10 + mine + 1, Relaxed);
            lock.1.store(mine + 1, Release);
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || take(&lock))
            })
            .collect();
        take(&lock);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        lock.2.load(Relaxed)
    });
    assert_eq!(orders, [123].into());
}

/// A `yield_now` that is in no loop has no effect.
#[test]
fn yielding_is_no_step() {
    proves(|| {
        thread::yield_now();
        let word = AtomicUsize::new(0);
        thread::yield_now();
        word.store(1, Relaxed);
        thread::yield_now();
        thread::yield_now();
        assert_eq!(word.load(Relaxed), 1);
    });
}

/// The loop stores in each round, so each is something new, without end.
#[test]
fn a_loop_that_does_more_than_look_has_no_proof() {
    let report = explore(|| {
        let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let other = Arc::clone(&words);
        let setter = thread::spawn(move || other[0].store(1, Release));
        while words[0].load(Acquire) == 0 {
            words[1].fetch_add(1, Relaxed);
            thread::yield_now();
        }
        setter.join().unwrap();
    });
    let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
    assert!(matches!(reason, Incomplete::Operations { .. }), "{reason}");
}

#[test]
fn a_verdict_says_what_it_assumes_of_loops() {
    let report = explore(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&flag);
        let setter = thread::spawn(move || other.store(true, Release));
        while !flag.load(Acquire) {
            thread::yield_now();
        }
        setter.join().unwrap();
    });
    let assumed = report.preconditions.iter().any(|text| text.starts_with("a loop that yields"));
    assert!(assumed, "{report}");
    let none = Checker::new(Engine::Native);
    let report = none.run(&selvedge_core::std::model::scenario("none", || ()));
    assert!(!report.preconditions.iter().any(|text| text.starts_with("a loop")), "{report}");
}
