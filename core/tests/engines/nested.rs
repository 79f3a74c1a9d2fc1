//! Mutexes with a subclass, and waits for a semaphore that a signal ends.

use selvedge_core::sync::{Atomic, Mutex, RwSem, Semaphore};
use selvedge_core::{Engine, Expectation, Scenario, ViolationKind, poll};

use super::{check, check_with_traces, deadlock};

type Two = (Mutex, [Mutex; 2]);

fn two(first: fn(&Two), second: fn(&Two)) -> selvedge_core::ScenarioBuilder<Two> {
    let world = || (Mutex::new("outer", ()), ["M", "M"].map(|class| Mutex::new(class, ())));
    Scenario::builder("nested", world).thread("1", first).thread("2", second)
}

#[test]
fn a_subclass_is_an_order_within_a_class() {
    let parent_first = |(_, [parent, child]): &Two| {
        let _parent = parent.lock();
        drop(child.mutex_lock_nested(1));
    };
    check_with_traces(&two(parent_first, parent_first).expect_proof());
    let plain = |(_, [parent, child]): &Two| {
        let _parent = parent.lock();
        drop(child.lock());
    };
    check(&two(plain, |_| ()).expect_proof().expect_inversion(["M"]));
    // lockdep believes the annotation; the search finds the deadlock.
    let child_first = |(_, [parent, child]): &Two| {
        let _child = child.lock();
        drop(parent.mutex_lock_nested(1));
    };
    let wrong = two(parent_first, child_first).expect_violations(deadlock(["M"]));
    check(&wrong);
    assert!(wrong.verify(Engine::Native).predictions.is_empty());
    let against = |(_, [_, child]): &Two| drop(child.mutex_lock_nested(1));
    check_with_traces(&two(parent_first, against).expect_proof());
}

#[test]
fn an_order_between_subclasses_is_checked() {
    let up = |(_, [parent, child]): &Two| {
        let _parent = parent.lock();
        drop(child.mutex_lock_nested(1));
    };
    let down = |(_, [parent, child]): &Two| {
        let _parent = parent.mutex_lock_nested(1);
        drop(child.lock());
    };
    check(&two(up, down).expect_proof().expect_inversion(["M", "M/1"]));
}

#[test]
fn a_nest_lock_makes_the_order_irrelevant() {
    let nests = |(outer, [a, b]): &Two| {
        let _outer = outer.lock();
        let _a = a.mutex_lock_nest_lock(outer);
        drop(b.mutex_lock_nest_lock(outer));
    };
    let reverses = |(outer, [a, b]): &Two| {
        let _outer = outer.lock();
        let _b = b.mutex_lock_nest_lock(outer);
        drop(a.mutex_lock_nest_lock(outer));
    };
    check_with_traces(&two(nests, reverses).expect_proof());
    let without = |(outer, [a, b]): &Two| {
        outer.lock().unlock();
        let _a = a.lock();
        drop(b.mutex_lock_nest_lock(outer));
    };
    let not_held = ViolationKind::invariant("mutex_lock_nest_lock");
    check(&two(without, |_| ()).expect_violations([not_held]));
}

#[test]
fn a_signal_ends_the_wait_for_a_semaphore() {
    let world = || (RwSem::new("S", 0), Mutex::new("M", 0));
    let scenario = Scenario::builder("killable", world)
        .thread("holder", |(sem, _)| *sem.down_write() += 1)
        .thread("reader", |(sem, _)| {
            if let Ok(value) = sem.down_read_killable() {
                assert!(*value <= 2);
            }
        })
        .thread("writer", |(sem, _)| {
            if let Ok(mut value) = sem.down_write_killable() {
                *value += 1;
            }
        })
        .finally(|(sem, _)| assert!([1, 2].contains(&*sem.down_read())))
        .expect_proof();
    check_with_traces(&scenario);
}

/// A thread that only a signal can help waits for good; and one that is killed lets others pass.
#[test]
fn a_killed_writer_does_not_hold_up_readers() {
    let world = || (RwSem::new("S", ()), Mutex::new("M", ()));
    let deadlocks = Scenario::builder("cycle", world)
        .thread("1", |(sem, mutex)| {
            let _sem = sem.down_read();
            drop(mutex.lock());
        })
        .thread("2", |(sem, mutex)| {
            let _mutex = mutex.lock();
            drop(sem.down_write_killable());
        });
    check(&deadlocks.expect_violations(deadlock(["M", "S"])));
    let passes = Scenario::builder("passes", world)
        .thread("reader", |(sem, _)| {
            let outer = sem.down_read();
            drop(sem.down_read());
            outer.up_read();
        })
        .thread("writer", |(sem, _)| drop(sem.down_write_killable()));
    check(&passes.expect_violations(deadlock(["S"])));
}

#[test]
fn a_downgrade_keeps_writers_out_and_lets_readers_in() {
    let world = || (RwSem::new("S", 0), Atomic::new("seen", 0));
    let scenario = |first: fn(&(RwSem<u32>, Atomic))| {
        Scenario::builder("downgrade", world)
            .thread("first", first)
            .thread("second", |(sem, _)| *sem.down_write() += 1)
            .thread("reader", |(sem, _)| assert!(*sem.down_read() <= 2))
    };
    let downgrades = scenario(|(sem, _)| {
        let mut write = sem.down_write();
        *write += 1;
        let mine = *write;
        let read = sem.downgrade_write(write);
        assert_eq!(*read, mine, "changed in between");
    });
    check_with_traces(&downgrades.expect_proof());
    let releases = scenario(|(sem, _)| {
        let mut write = sem.down_write();
        *write += 1;
        let mine = *write;
        write.up_write();
        assert!(*sem.down_read() == mine, "changed in between");
    });
    check(&releases.expect_violations([ViolationKind::Panic("changed in between".into())]));
    // A reader that waits is served, so two that downgrade and wait for each other do not.
    let meets = Scenario::builder("meets", world)
        .thread("writer", |(sem, seen)| {
            let read = sem.downgrade_write(sem.down_write());
            poll("reader", || (seen.load() == 1).then_some(()));
            read.up_read();
        })
        .thread("reader", |(sem, seen)| {
            let _read = sem.down_read();
            seen.store(1);
        })
        .expect_proof()
        .on(Engine::Loom, Expectation::Inconclusive);
    check(&meets);
}

/// A semaphore whose wait a signal may end before the `up` that ends it.
#[test]
fn a_signal_may_come_before_the_up() {
    let world = || (Semaphore::new("slots", 0), Atomic::new("got", 0));
    let scenario = Scenario::builder("signal", world)
        .thread("down", |(slots, got)| got.store(1 + u64::from(slots.down_interruptible().is_ok())))
        .thread("up", |(slots, got)| {
            got.load();
            slots.up();
        })
        .expect_proof();
    check_with_traces(&scenario);
}
