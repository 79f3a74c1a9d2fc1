//! Locks that are taken and released without a guard.

use selvedge_core::sync::{Atomic, Ghost, Mutex, RwSem, SpinLock, UnfairRwSem};
use selvedge_core::{Scenario, ViolationKind};

use super::{check, check_with_traces, deadlock};

/// A way to take a lock, and the operation that is impossible while it is held.
#[derive(Clone, Copy)]
struct Way<L> {
    make: fn(&'static str) -> L,
    lock: fn(&L),
    try_lock: fn(&L) -> bool,
    unlock: fn(&L),
    exclude: fn(&L),
    include: fn(&L),
}

fn mutex() -> Way<Mutex> {
    Way {
        make: |name| Mutex::new(name, ()),
        lock: Mutex::raw_lock,
        try_lock: Mutex::raw_try_lock,
        unlock: Mutex::raw_unlock,
        exclude: Mutex::raw_lock,
        include: Mutex::raw_unlock,
    }
}

fn spin() -> Way<SpinLock> {
    Way {
        make: |name| SpinLock::new(name, ()),
        lock: SpinLock::raw_lock_irqsave,
        try_lock: SpinLock::raw_try_lock_irqsave,
        unlock: SpinLock::raw_unlock_irqrestore,
        exclude: SpinLock::raw_lock_irqsave,
        include: SpinLock::raw_unlock_irqrestore,
    }
}

fn read() -> Way<RwSem> {
    Way {
        make: |name| RwSem::new(name, ()),
        lock: RwSem::raw_down_read,
        try_lock: RwSem::raw_try_down_read,
        unlock: RwSem::raw_up_read,
        exclude: RwSem::raw_down_write,
        include: RwSem::raw_up_write,
    }
}

fn write() -> Way<RwSem> {
    Way {
        lock: RwSem::raw_down_write,
        try_lock: RwSem::raw_try_down_write,
        unlock: RwSem::raw_up_write,
        ..read()
    }
}

fn read_unfair() -> Way<UnfairRwSem> {
    Way {
        make: |name| UnfairRwSem::new(name, ()),
        lock: UnfairRwSem::raw_down_read,
        try_lock: UnfairRwSem::raw_try_down_read,
        unlock: UnfairRwSem::raw_up_read,
        exclude: UnfairRwSem::raw_down_write,
        include: UnfairRwSem::raw_up_write,
    }
}

fn write_unfair() -> Way<UnfairRwSem> {
    Way {
        lock: UnfairRwSem::raw_down_write,
        try_lock: UnfairRwSem::raw_try_down_write,
        unlock: UnfairRwSem::raw_up_write,
        ..read_unfair()
    }
}

trait Lock: Send + Sync + 'static {}

impl<T: Send + Sync + 'static> Lock for T {}

fn is_owned<L: Lock>(way: Way<L>) {
    let by_another = Scenario::builder("another", move || (way.make)("L"))
        .thread("T1", way.lock)
        .thread("T2", way.unlock)
        .expect_violations([ViolationKind::NotOwner("L".into())]);
    check(&by_another);
    let twice = Scenario::builder("twice", move || (way.make)("L"))
        .thread("T", move |l| {
            (way.lock)(l);
            (way.unlock)(l);
            (way.unlock)(l);
        })
        .expect_violations([ViolationKind::NotOwner("L".into())]);
    check(&twice);
}

#[test]
fn only_the_holder_can_unlock() {
    is_owned(mutex());
    is_owned(spin());
    is_owned(read());
    is_owned(write());
    is_owned(read_unfair());
    is_owned(write_unfair());
}

fn is_leaked<L: Lock>(way: Way<L>) {
    let kept = Scenario::builder("kept", move || (way.make)("L"))
        .thread("T", way.lock)
        .expect_violations([ViolationKind::Leak("L".into())]);
    check(&kept);
    let tried = Scenario::builder("tried", move || (way.make)("L"))
        .thread("T", move |l| assert!((way.try_lock)(l)))
        .expect_violations([ViolationKind::Leak("L".into())]);
    check(&tried);
}

#[test]
fn a_raw_lock_that_is_kept_is_leaked() {
    is_leaked(mutex());
    is_leaked(spin());
    is_leaked(read());
    is_leaked(write());
    is_leaked(read_unfair());
    is_leaked(write_unfair());
}

fn deadlocks<L: Lock>(way: Way<L>) {
    let both = move |[one, other]: [&L; 2]| {
        (way.lock)(one);
        (way.exclude)(other);
        (way.include)(other);
        (way.unlock)(one);
    };
    let scenario = Scenario::builder("abba", move || ["A", "B"].map(way.make))
        .thread("ab", move |[a, b]| both([a, b]))
        .thread("ba", move |[a, b]| both([b, a]))
        .expect_violations(deadlock(["A", "B"]));
    check_with_traces(&scenario);
}

#[test]
fn two_threads_that_take_two_in_opposite_orders_deadlock() {
    deadlocks(mutex());
    deadlocks(spin());
    deadlocks(read());
    deadlocks(write());
    deadlocks(read_unfair());
    deadlocks(write_unfair());
}

/// Both outcomes of a try are explored, and a lock that was taken excludes others.
fn is_tried<L: Lock>(way: Way<L>) {
    type World<L> = (L, Ghost<[u32; 2]>, Ghost<i32>);
    let world = move || ((way.make)("L"), Ghost::new("tries", [0; 2]), Ghost::new("inside", 0));
    let alone = |inside: &i32| if *inside == 0 { Ok(()) } else { Err("not alone".into()) };
    let scenario = || {
        Scenario::builder("tries", world)
            .thread("tries", move |(l, tries, inside): &World<L>| {
                let taken = (way.try_lock)(l);
                tries.update(|tries| tries[usize::from(taken)] += 1);
                if taken {
                    inside.update(|inside| *inside += 1);
                    inside.update(|inside| *inside -= 1);
                    (way.unlock)(l);
                }
            })
            .thread("excludes", move |(l, _, inside)| {
                (way.exclude)(l);
                inside.check("alone", alone);
                (way.include)(l);
            })
    };
    check_with_traces(&scenario().expect_proof());
    for taken in [0, 1] {
        let never = scenario().finally(move |(_, tries, _)| {
            let holds = |tries: &[u32; 2]| if tries[taken] == 0 { Ok(()) } else { Err("".into()) };
            tries.check("never", holds);
        });
        check(&never.expect_violations([ViolationKind::invariant("never")]));
    }
}

#[test]
fn a_try_succeeds_or_fails() {
    is_tried(mutex());
    is_tried(spin());
    is_tried(read());
    is_tried(write());
    is_tried(read_unfair());
    is_tried(write_unfair());
}

/// A try can come between any two steps of the others, including those of threads that cannot wait
/// there and so come first without having been tried elsewhere.
fn is_tried_anywhere<L: Lock>(way: Way<L>) {
    let world = move || ((way.make)("L"), Atomic::new("x", 0));
    let late = Scenario::builder("late", world)
        .thread("locks", move |(l, _)| {
            (way.exclude)(l);
            (way.include)(l);
        })
        .thread("tries", move |(l, x)| {
            x.store(1);
            if (way.try_lock)(l) {
                (way.unlock)(l);
            }
        })
        .thread("looks", |(_, x)| _ = x.load())
        .expect_proof();
    check_with_traces(&late);
    let late_lock = Scenario::builder("late lock", world)
        .thread("locks", move |(l, x)| {
            x.store(1);
            (way.exclude)(l);
            (way.include)(l);
        })
        .thread("tries", move |(l, _)| {
            if (way.try_lock)(l) {
                (way.unlock)(l);
            }
        })
        .thread("locks too", move |(l, x)| {
            x.load();
            (way.lock)(l);
            (way.unlock)(l);
        })
        .expect_proof();
    check_with_traces(&late_lock);
}

#[test]
fn a_try_is_explored_between_any_two_steps() {
    is_tried_anywhere(mutex());
    is_tried_anywhere(spin());
    is_tried_anywhere(read());
    is_tried_anywhere(write());
    is_tried_anywhere(read_unfair());
    is_tried_anywhere(write_unfair());
}

/// A reader passes a waiting writer, and so does a try to read; with a fair semaphore the try is
/// refused.
#[test]
fn a_try_to_read_passes_a_waiting_writer_where_readers_do() {
    let fair = Scenario::builder("fair", || RwSem::new("S", ()))
        .thread("reader", |s| {
            s.raw_down_read();
            assert!(s.raw_try_down_read(), "refused");
            s.raw_up_read();
            s.raw_up_read();
        })
        .thread("writer", |s| {
            s.raw_down_write();
            s.raw_up_write();
        })
        .expect_violations([ViolationKind::Panic("refused".into())]);
    check(&fair);
    let unfair = Scenario::builder("unfair", || UnfairRwSem::new("S", 0_u32))
        .thread("reader", |s| {
            s.raw_down_read();
            assert_eq!(*s.try_down_read().expect("no writer comes in between"), 0);
            s.raw_up_read();
        })
        .thread("writer", |s| {
            if let Some(mut held) = s.try_down_write() {
                *held += 1;
                *held -= 1;
            }
        })
        .expect_proof();
    check_with_traces(&unfair);
}

/// Without a guard as with one, interrupts are off.
#[test]
fn sleeping_with_a_raw_spinlock_is_a_violation() {
    let scenario = |tries: bool| {
        Scenario::builder("sleeps", || (SpinLock::new("L", ()), Mutex::new("M", ())))
            .thread("T", move |(l, m)| {
                if tries {
                    assert!(l.raw_try_lock_irqsave());
                } else {
                    l.raw_lock_irqsave();
                }
                m.lock().unlock();
                l.raw_unlock_irqrestore();
            })
            .expect_violations([ViolationKind::sleep_in_atomic("M", "L")])
    };
    check(&scenario(false));
    check(&scenario(true));
}
