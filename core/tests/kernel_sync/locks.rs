//! Locks, allocation under them, and `LockedBy`.

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::sync::{
    Arc, LockedBy, Mutex, SpinLock, Srcu, new_mutex, new_spinlock, new_srcu,
};
use selvedge_core::{Search, ViolationKind, thread};

use super::{proves, refutes};

type Pair = (Mutex<u32>, SpinLock<u32>);

fn pair() -> Arc<Pair> {
    Arc::new((new_mutex!(0, "mutex"), new_spinlock!(0, "spinlock")), GFP_KERNEL).unwrap()
}

/// Two threads run these on a mutex and a spinlock.
fn beside(one: fn(&Pair), other: fn(&Pair)) -> impl Fn() + Send + Sync {
    move || {
        let locks = pair();
        let shared = locks.clone();
        let thread = thread::spawn("T", move || other(&shared));
        one(&locks);
        thread.join();
    }
}

#[test]
fn a_spinlock_is_taken_under_a_mutex() {
    let both: fn(&Pair) = |(mutex, spinlock)| {
        let mut outer = mutex.lock();
        *spinlock.lock() += 1;
        *outer += 1;
    };
    let search = proves(beside(both, both));
    assert_eq!(search, Some(Search::Auto), "the states of numbers are compared");
}

#[test]
fn a_mutex_is_not_taken_under_a_spinlock() {
    let inverted: fn(&Pair) = |(mutex, spinlock)| {
        let _outer = spinlock.lock();
        *mutex.lock() += 1;
    };
    let sleeps = ViolationKind::sleep_in_atomic("mutex", "spinlock");
    refutes([sleeps], beside(inverted, |_| ()));
}

#[test]
fn a_mutex_is_tried_under_a_spinlock() {
    let tries: fn(&Pair) = |(mutex, spinlock)| {
        let _outer = spinlock.lock();
        if let Some(mut held) = mutex.try_lock() {
            *held += 1;
        }
    };
    proves(beside(tries, |(mutex, _)| *mutex.lock() += 1));
    let always: fn(&Pair) = |(mutex, _)| assert!(mutex.try_lock().is_some(), "it is free");
    let busy = ViolationKind::panic("it is free");
    refutes([busy], beside(always, |(mutex, _)| *mutex.lock() += 1));
}

#[test]
fn an_allocation_that_may_sleep_is_not_made_under_a_spinlock() {
    let allocates = |flags| {
        move || {
            let lock: SpinLock<u32> = new_spinlock!(0, "spinlock");
            let held = lock.lock();
            let value = KBox::new(*held, flags).unwrap();
            assert_eq!(*value, 0);
            drop(held);
            let arc = Arc::new(1, flags).unwrap();
            let held = lock.lock();
            drop((held, arc));
        }
    };
    proves(allocates(GFP_ATOMIC));
    proves(allocates(GFP_ATOMIC | __GFP_ZERO));
    let sleeps = ViolationKind::sleep_in_atomic("GFP_KERNEL", "spinlock");
    refutes([sleeps], allocates(GFP_KERNEL | __GFP_ZERO));
}

#[test]
fn two_mutexes_in_both_orders_deadlock() {
    refutes([ViolationKind::deadlock(["A", "B"])], || {
        let locks = Arc::new((new_mutex!(0, "A"), new_mutex!((), "B")), GFP_KERNEL).unwrap();
        let other = locks.clone();
        let thread = thread::spawn("T", move || {
            let _b = other.1.lock();
            *other.0.lock() = 1;
        });
        let mut a = locks.0.lock();
        let _b = locks.1.lock();
        *a = 2;
        drop((a, _b));
        thread.join();
    });
}

/// A lock without a name has that of the line that makes it.
#[test]
fn a_lock_is_named_after_its_line() {
    let line = line!() + 3;
    let name = format!("{}:{line}", file!());
    refutes([ViolationKind::deadlock([&*name])], || {
        let lock: Mutex<u32> = new_mutex!(0);
        let _twice = (lock.lock(), lock.lock());
    });
}

/// A value without `Hash` makes the search one of interleavings.
#[test]
fn a_value_need_not_have_a_hash() {
    let program = || {
        let lock = Arc::new(new_mutex!(0.5, "float"), GFP_KERNEL).unwrap();
        let other = lock.clone();
        let thread = thread::spawn("T", move || *other.lock() *= 2.0);
        *lock.lock() *= 3.0;
        thread.join();
        assert_eq!(lock.lock().to_string(), "3");
        assert!(std::ptr::eq(lock.lock().lock_ref(), &*lock));
    };
    assert_eq!(proves(program), Some(Search::Dpor));
}

struct Parent {
    children: u32,
}

type Child = LockedBy<u32, Parent>;

#[test]
fn the_owner_of_the_data_is_the_lock_they_were_made_with() {
    let program = |right: bool| {
        move || {
            let parents = [(); 2].map(|()| new_mutex!(Parent { children: 0 }, "parent"));
            let child: Child = LockedBy::new(&parents[0], 0);
            // A lock that moves has its data where they were.
            let all = Arc::new((parents, child), GFP_KERNEL).unwrap();
            let other = all.clone();
            let add = move |(parents, child): &([Mutex<Parent>; 2], Child)| {
                let mut held = parents[usize::from(!right)].lock();
                held.children += 1;
                *child.access_mut(&mut held) += 1;
                assert!(*child.access(&held) <= 2);
            };
            let thread = thread::spawn("T", move || add(&other));
            add(&all);
            thread.join();
            let held = all.0[0].lock();
            assert_eq!((held.children, *all.1.access(&held)), (2, 2));
        }
    };
    assert_eq!(proves(program(true)), Some(Search::Dpor));
    refutes([ViolationKind::invariant("LockedBy")], program(false));
}

struct Shared {
    srcu: Srcu,
    value: Mutex<u32>,
}

/// A section may sleep, and a grace period waits for it.
#[test]
fn a_grace_period_waits_for_a_reader_that_sleeps() {
    let program = |synchronize: fn(&Srcu)| {
        move || {
            let made =
                pin_init!(Shared { srcu <- new_srcu!("srcu"), value: new_mutex!(0, "value") });
            let shared = Arc::pin_init(made, GFP_KERNEL).unwrap();
            let other = shared.clone();
            let reader = thread::spawn("reader", move || {
                let section = other.srcu.read_lock();
                let before = *other.value.lock();
                let after = *other.value.lock();
                assert!((before, after) != (0, 2), "it has begun before");
                section.unlock();
            });
            *shared.value.lock() = 1;
            synchronize(&shared.srcu);
            *shared.value.lock() = 2;
            reader.join();
        }
    };
    proves(program(Srcu::synchronize));
    proves(program(Srcu::synchronize_expedited));
    refutes([ViolationKind::panic("it has begun before")], program(|_| ()));
}
