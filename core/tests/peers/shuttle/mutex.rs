//! Programs of shuttle's `mutex` tests.

use selvedge_core::sync::{Atomic, Ghost, Mutex, RwSem};
use selvedge_core::{Scenario, poll};

use super::twice;
use crate::outcomes::{are, are_everywhere, noted};
use crate::{check, deadlock, panics};

/// mutex: `unlock_yields`. A doubling comes before, between or after two increments.
#[test]
fn a_doubling_beside_two_increments() {
    let make = || {
        Scenario::builder("unlock_yields", || Mutex::new("L", 0_u32))
            .thread("adds", |l| (0..2).for_each(|_| *l.lock() += 1))
            .thread("doubles", |l| *l.lock() *= 2)
    };
    are_everywhere(make, |l| *l.lock(), [2, 3, 4]);
}

/// mutex: `mutex_rwlock_interaction`. The doubling may hold the mutex when a thread that holds the
/// other lock tries it: it adds 6 or 2, and the doubling is somewhere between the rest.
#[test]
fn a_mutex_is_tried_with_another_lock_held() {
    type World = (Mutex, RwSem, Ghost<u32>);
    let world = || (Mutex::new("L", ()), RwSem::new("S", ()), Ghost::new("value", 0));
    let make = move || {
        Scenario::builder("mutex_rwlock_interaction", world)
            .thread("adds", |(l, s, value): &World| {
                let add = |n: u32| value.update(|value| *value += n);
                let held = l.lock();
                add(1);
                held.unlock();
                let written = s.down_write();
                match l.try_lock() {
                    Some(held) => {
                        add(2);
                        held.unlock();
                    }
                    None => add(6),
                }
                written.up_write();
                let held = l.lock();
                add(3);
                held.unlock();
            })
            .thread("doubles", |(l, _, value)| {
                let _held = l.lock();
                value.update(|value| *value *= 2);
            })
    };
    are_everywhere(make, |(.., value)| noted(value), [6, 7, 9, 11, 12, 17]);
}

/// mutex and rwlock: `concurrent_try_increment`. At least one of two tries succeeds.
#[test]
fn two_threads_that_try_to_increment() {
    let try_lock = |l: &Mutex<u32>| {
        if let Some(mut value) = l.try_lock() {
            *value += 1;
        }
    };
    let mutex = || {
        Scenario::builder("try_increment", || Mutex::new("L", 0_u32))
            .thread("T1", try_lock)
            .thread("T2", try_lock)
    };
    are_everywhere(mutex, |l| *l.lock(), [1, 2]);
    let try_write = |s: &RwSem<u32>| {
        if let Some(mut value) = s.try_down_write() {
            *value += 1;
        }
    };
    let rwlock = || {
        Scenario::builder("try_increment", || RwSem::new("S", 0_u32))
            .thread("T1", try_write)
            .thread("T2", try_write)
    };
    are_everywhere(rwlock, |s| *s.down_read(), [1, 2]);
}

/// mutex: `concurrent_lock_try_lock`. One adds 1 in any case, the other 1 and then 2 if it can.
#[test]
fn one_thread_that_locks_and_one_that_tries_twice() {
    let make = || {
        Scenario::builder("lock_try_lock", || Mutex::new("L", 0_u32))
            .thread("locks", |l| *l.lock() += 1)
            .thread("tries", |l| {
                for n in 1..=2 {
                    if let Some(mut value) = l.try_lock() {
                        *value += n;
                    }
                }
            })
    };
    are_everywhere(make, |l| *l.lock(), [1, 2, 3, 4]);
}

/// mutex: `mutex_unfair`. The first waiter of a held mutex need not get it first.
#[test]
fn a_mutex_is_granted_to_any_waiter() {
    type Order = Ghost<Vec<u8>>;
    type World = (Mutex, Atomic, Order, Order);
    let world = || {
        let orders = ["came", "got"].map(|name| Ghost::new(name, Vec::new()));
        let [came, got] = orders;
        let mutex = Mutex::new("L", ());
        (mutex, Atomic::new("count", 0), came, got)
    };
    let wants = |me: u8| {
        move |(l, count, came, got): &World| {
            poll("held", || (count.load() > 0).then_some(()));
            came.update(|came| came.push(me));
            count.fetch_add(1);
            let _held = l.lock();
            got.update(|got| got.push(me));
        }
    };
    let make = || {
        Scenario::builder("unfair", world)
            .thread("holds", |(l, count, ..)| {
                let _held = l.lock();
                count.fetch_add(1);
                poll("both", || (count.load() == 3).then_some(()));
            })
            .thread("T0", wants(0))
            .thread("T1", wants(1))
    };
    let orders = [vec![0, 1], vec![1, 0]];
    let pairs = orders.iter().flat_map(|came| orders.iter().map(|got| (came.clone(), got.clone())));
    are(make, |(.., came, got)| (noted(came), noted(got)), pairs);
}

/// mutex: `basic_lock_test`, `concurrent_increment`, `mutex_into_inner`,
/// `concurrent_increment_buggy`, and those of two locks in two orders.
#[test]
fn mutexes_exclude_and_deadlock() {
    let locked = twice("increment", || Mutex::new("L", 0), |l| *l.lock() += 1);
    check(&locked.finally(|l| assert_eq!(*l.lock(), 2)).expect_proof());
    let racing = twice(
        "buggy",
        || Mutex::new("L", 0),
        |l| {
            let value = *l.lock();
            *l.lock() = value + 1;
        },
    );
    let racing = racing.finally(|l| assert!(*l.lock() == 2, "racing increments"));
    check(&racing.expect_violations(panics("racing increments")));
    let abba = Scenario::builder("deadlock", || [Mutex::new("A", ()), Mutex::new("B", ())])
        .thread("T1", |[a, b]| {
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("main", |[a, b]| {
            let _b = b.lock();
            let _a = a.lock();
        });
    check(&abba.expect_violations(deadlock(["A", "B"])));
}

/// mutex: `double_lock`, `double_try_lock`, `panic_drop`.
#[test]
fn a_mutex_is_not_free_for_its_owner() {
    let alone = |thread: fn(&Mutex)| {
        Scenario::builder("alone", || Mutex::new("L", ())).thread("main", thread)
    };
    let locks = alone(|l| {
        let _held = l.lock();
        let _again = l.lock();
    });
    check(&locks.expect_violations(deadlock(["L"])));
    let tries = alone(|l| {
        let _held = l.try_lock().expect("it is free");
        assert!(l.try_lock().is_none());
    });
    check(&tries.expect_proof());
    let drops = alone(|l| {
        let _held = l.lock();
        panic!("expected");
    });
    check(&drops.expect_violations(panics("expected")));
}
