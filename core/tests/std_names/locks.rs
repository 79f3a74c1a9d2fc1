//! Locks: loom's `deadlock`, `mutex`, `rwlock` and `rwlock_regression1`.

use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
use selvedge_core::std::sync::{Arc, Mutex, RwLock, TryLockError};
use selvedge_core::std::{model, thread};
use selvedge_core::{Checker, Search};

use super::{Wrong, proves, refutes, results};

#[test]
fn two_mutexes_in_two_orders() {
    refutes(Wrong::Deadlock, || {
        let locks = Arc::new((Mutex::new(()), Mutex::new(())));
        let other = Arc::clone(&locks);
        let thread = thread::spawn(move || {
            let _one = other.0.lock().unwrap();
            let _two = other.1.lock().unwrap();
        });
        let two = locks.1.lock().unwrap();
        drop((locks.0.lock().unwrap(), two));
        thread.join().unwrap();
    });
}

#[test]
fn a_mutex_keeps_threads_apart() {
    proves(|| {
        let shared = Arc::new((Mutex::new(0), AtomicUsize::new(0)));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let mut count = shared.0.lock().unwrap();
                    assert_eq!(shared.1.fetch_add(1, SeqCst), *count);
                    *count += 1;
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*shared.0.lock().unwrap(), shared.1.load(SeqCst));
    });
}

#[test]
fn the_owner_of_a_mutex_takes_the_value() {
    proves(|| {
        let mutex = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || *mutex.lock().unwrap() += 1)
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut mutex = Arc::try_unwrap(mutex).unwrap();
        *mutex.get_mut().unwrap() += 1;
        assert_eq!(mutex.into_inner().unwrap(), 3);
    });
}

#[test]
fn a_mutex_that_is_held_is_not_taken_twice() {
    proves(|| {
        let mutex = Mutex::new(());
        let held = mutex.lock().unwrap();
        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        assert!(mutex.try_lock().is_ok());
    });
    refutes(Wrong::Deadlock, || {
        let mutex = Mutex::new(());
        let held = mutex.lock().unwrap();
        drop((mutex.lock().unwrap(), held));
    });
}

/// A value that is neither `Hash` nor comparable.
#[test]
fn a_mutex_holds_any_value() {
    let sums = results(|| {
        let calls: Mutex<Vec<Box<dyn Fn() -> u32 + Send>>> = Mutex::new(Vec::new());
        let calls = Arc::new(calls);
        let other = Arc::clone(&calls);
        let thread = thread::spawn(move || other.lock().unwrap().push(Box::new(|| 1)));
        calls.lock().unwrap().push(Box::new(|| 10));
        let seen = calls.lock().unwrap().len();
        thread.join().unwrap();
        (seen, calls.lock().unwrap().iter().map(|call| call()).sum::<u32>())
    });
    assert_eq!(sums, [(1, 11), (2, 11)].into());
}

/// Three threads take turns: with values that can be compared each state is visited once.
#[test]
fn hashed_mutexes_have_states() {
    let program = |new: fn(u32) -> Mutex<u32>| {
        move || {
            let mutex = Arc::new(new(0));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let mutex = Arc::clone(&mutex);
                    thread::spawn(move || *mutex.lock().unwrap() += 1)
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(*mutex.lock().unwrap(), 3);
        }
    };
    let run = |new| Checker::native().run(&model::scenario("turns", program(new)));
    let (hashed, opaque) = (run(Mutex::hashed), run(Mutex::new));
    assert_eq!((hashed.search, opaque.search), (Some(Search::Auto), Some(Search::Dpor)));
    assert_eq!(hashed.verdict.as_str(), "proved", "{hashed}");
    assert_eq!(opaque.verdict.as_str(), "proved", "{opaque}");
}

#[test]
fn readers_and_writers() {
    let results = results(|| {
        let lock = Arc::new(RwLock::new(1));
        let readers = [(); 2].map(|()| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || *lock.read().unwrap())
        });
        *lock.write().unwrap() += 1;
        readers.map(|reader| reader.join().unwrap())
    });
    assert_eq!(results, [[1, 1], [1, 2], [2, 1], [2, 2]].into());
}

#[test]
fn three_writers() {
    proves(|| {
        let lock = Arc::new((RwLock::new(0), AtomicUsize::new(0)));
        let add = |lock: &(RwLock<usize>, AtomicUsize)| {
            let mut held = lock.0.write().unwrap();
            *held += 1;
            lock.1.fetch_add(1, Relaxed);
            thread::yield_now();
        };
        let threads = [(); 2].map(|()| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || add(&lock))
        });
        add(&lock);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let (value, count) = Arc::into_inner(lock).unwrap();
        assert_eq!((value.into_inner().unwrap(), count.into_inner()), (3, 3));
    });
}

#[test]
fn a_lock_that_is_held_is_not_taken() {
    proves(|| {
        let mut lock = RwLock::new(1);
        let read = lock.try_read().unwrap();
        assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
        assert_eq!(*lock.try_read().unwrap() + *read, 2);
        drop(read);
        let mut write = lock.write().unwrap();
        *write = 2;
        assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)));
        assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
        drop(write);
        assert_eq!(*lock.get_mut().unwrap(), 2);
    });
}

#[test]
fn those_who_try_do_not_wait() {
    proves(|| {
        let lock = Arc::new(RwLock::new(0));
        let other = Arc::clone(&lock);
        let reader = thread::spawn(move || _ = other.try_read().map(|value| *value));
        let held = lock.try_write();
        reader.join().unwrap();
        drop(held);
    });
}

/// A thread that reads twice may wait for a writer that waits for its first read.
#[test]
fn a_recursive_read_may_deadlock() {
    refutes(Wrong::Deadlock, || {
        let lock = Arc::new(RwLock::new(()));
        let other = Arc::clone(&lock);
        let writer = thread::spawn(move || drop(other.write().unwrap()));
        let first = lock.read().unwrap();
        drop((lock.read().unwrap(), first));
        writer.join().unwrap();
    });
}
