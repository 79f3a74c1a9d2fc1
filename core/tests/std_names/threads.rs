//! Threads and what each has of its own: loom's `thread_api` and `thread_local`.

use std::cell::{Cell, RefCell};

use selvedge_core::std::sync::atomic::{AtomicBool, Ordering::*};
use selvedge_core::std::sync::{Arc, Mutex, mpsc};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes};

#[test]
fn the_first_thread_has_no_name() {
    proves(|| {
        assert_eq!(thread::current().id(), thread::current().id());
        assert_eq!(thread::current().name(), None);
    });
}

#[test]
fn threads_wait_for_a_mutex_and_are_joined() {
    proves(|| {
        let mutex = Arc::new(Mutex::new(()));
        let held = mutex.lock().unwrap();
        let threads = [(); 2].map(|()| {
            let mutex = Arc::clone(&mutex);
            thread::spawn(move || drop(mutex.lock().unwrap()))
        });
        drop(held);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_thread_joins_another() {
    proves(|| {
        let mutex = Arc::new(Mutex::new(()));
        let held = mutex.lock().unwrap();
        let other = Arc::clone(&mutex);
        let first = thread::spawn(|| ());
        let second = thread::spawn(move || {
            drop(other.lock().unwrap());
            first.join().unwrap();
        });
        let third = thread::spawn(|| ());
        drop(held);
        third.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn threads_have_identities_of_their_own() {
    proves(|| {
        let started = [(); 2].map(|()| {
            let (sender, receiver) = mpsc::channel();
            let thread = thread::spawn(move || sender.send(thread::current().id()).unwrap());
            let id = receiver.recv().unwrap();
            assert_eq!(thread.thread().id(), id);
            thread.join().unwrap();
            id
        });
        assert_ne!(started[0], started[1]);
        assert!(!started.contains(&thread::current().id()));
    });
}

#[test]
fn a_thread_knows_its_name() {
    let name = || thread::current().name().map(str::to_owned);
    proves(move || {
        let unnamed = thread::spawn(name);
        assert_eq!(unnamed.thread().name(), None);
        assert_eq!(unnamed.join().unwrap(), None);
        let unnamed = thread::Builder::new().spawn(name).unwrap();
        assert_eq!(unnamed.join().unwrap(), None);
        let named = thread::Builder::new().name("worker".to_owned()).spawn(name).unwrap();
        assert_eq!(named.thread().name(), Some("worker"));
        assert_eq!(named.join().unwrap().as_deref(), Some("worker"));
    });
}

#[test]
fn an_unpark_is_kept() {
    proves(|| {
        thread::current().unpark();
        thread::park();
    });
    refutes(Wrong::Deadlock, || {
        thread::current().unpark();
        thread::current().unpark();
        thread::park();
        thread::park();
    });
}

#[test]
fn a_thread_parks_until_the_flag_is_set() {
    let program = |unparks: bool| {
        move || {
            let flag = Arc::new(AtomicBool::new(false));
            let other = Arc::clone(&flag);
            let waiter = thread::spawn(move || {
                while !other.load(Acquire) {
                    thread::park();
                }
            });
            flag.store(true, Release);
            if unparks {
                waiter.thread().unpark();
            }
            waiter.join().unwrap();
        }
    };
    proves(program(true));
    refutes(Wrong::Deadlock, program(false));
}

selvedge_core::thread_local! {
    static NUMBER: RefCell<usize> = RefCell::new(1);
    static OTHER: Cell<usize> = const { Cell::new(2) };
}

#[test]
fn each_thread_has_its_own_value() {
    fn changes(to: usize) {
        assert_eq!(NUMBER.with(|number| *number.borrow()), 1);
        NUMBER.with_borrow_mut(|number| *number = to);
        assert_eq!(NUMBER.with_borrow(|number| *number), to);
    }
    proves(|| {
        let threads = [2, 3].map(|to| thread::spawn(move || changes(to)));
        changes(4);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_value_is_used_within_another() {
    proves(|| {
        NUMBER.with(|number| *number.borrow_mut() = OTHER.with(Cell::get));
        assert_eq!(NUMBER.with_borrow(|number| *number), 2);
        OTHER.set(OTHER.replace(5) + OTHER.take());
        assert_eq!(OTHER.get(), 7);
    });
}

#[test]
fn a_value_is_dropped_with_its_thread() {
    use std::sync::atomic::AtomicUsize;
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Relaxed);
        }
    }
    selvedge_core::thread_local! {
        static COUNTED: Counted = Counted;
    }
    proves(|| {
        DROPS.store(0, Relaxed);
        COUNTED.with(|_| ());
        for drops in [1, 2] {
            thread::spawn(|| COUNTED.with(|_| ())).join().unwrap();
            assert_eq!(DROPS.load(Relaxed), drops);
        }
    });
    assert_eq!(DROPS.load(Relaxed), 3);
}
