//! Programs of shuttle's `rwlock` tests.

use selvedge_core::sync::{Atomic, Ghost, RwSem};
use selvedge_core::{Scenario, poll};

use super::twice;
use crate::outcomes::{are, noted};
use crate::{by_states, check, check_open, deadlock};

/// rwlock: `concurrent_write_try_write_try_read`. The same with a third thread that tries to read:
/// it is refused, or reads an intermediate value. If the first try fails there is no 2.
#[test]
fn a_third_thread_that_tries_to_read() {
    type World = (RwSem<u32>, Ghost<Option<u32>>);
    let make = || {
        Scenario::builder("try_read", || (RwSem::new("S", 0), Ghost::new("read", None)))
            .thread("writes", |(s, _): &World| *s.down_write() += 1)
            .thread("tries", |(s, _)| {
                for n in 1..=2 {
                    if let Some(mut value) = s.try_down_write() {
                        *value += n;
                    }
                }
            })
            .thread("reads", |(s, read)| {
                if let Some(value) = s.try_down_read() {
                    let value = *value;
                    read.update(|read| *read = Some(value));
                }
            })
    };
    let pairs = (1..=4).flat_map(|last| {
        let values = (0..=last).filter(move |value| (last, *value) != (3, 2));
        values.map(Some).chain([None]).map(move |value| (last, value))
    });
    are(make, |(s, read)| (*s.down_read(), noted(read)), pairs);
}

/// rwlock: those of two locks in two orders, `rwlock_two_writers`, `rwlock_into_inner`,
/// `two_readers_and_one_writer`.
#[test]
fn writers_exclude_and_deadlock() {
    let writers = twice("two_writers", || RwSem::new("S", 1), |s| *s.down_write() += 1);
    check(&writers.finally(|s| assert_eq!(*s.down_read(), 3)).expect_proof());
    let readers = twice("two readers", || RwSem::new("S", 1), |s| assert!(*s.down_read() > 0));
    check(&readers.thread("writes", |s| *s.down_write() += 1).expect_proof());
    let abba = Scenario::builder("deadlock", || [RwSem::new("A", ()), RwSem::new("B", ())])
        .thread("reads", |[a, b]| {
            let _a = a.down_read();
            let _b = b.down_read();
        })
        .thread("writes", |[a, b]| {
            let _b = b.down_write();
            let _a = a.down_write();
        });
    check(&abba.expect_violations(deadlock(["A", "B"])));
}

/// rwlock: `rwlock_allows_multiple_readers`, `reader_concurrency`. Each waits, as a reader, until
/// the other is one.
#[test]
fn readers_hold_it_together() {
    let world = || (RwSem::new("S", 1), Atomic::new("readers", 0));
    let both = twice("both", world, |(s, readers)| {
        let value = s.down_read();
        readers.fetch_add(1);
        poll("both", || (readers.load() == 2).then_some(()));
        assert_eq!(*value, 1);
    });
    check_open(both.expect_proof());
}

/// rwlock: `double_write`, `read_upgrade`, `write_downgrade`, `double_try_write`,
/// `write_try_write`, `try_read_upgrade`, `try_write_downgrade`; and `double_read`,
/// `double_try_read`, `read_try_read`, which shuttle refuses by design: here a reader may read
/// again, if no writer waits.
#[test]
fn a_reader_can_take_the_read_side_again() {
    let alone = |thread: fn(&RwSem)| {
        Scenario::builder("alone", || RwSem::new("S", ())).thread("main", thread)
    };
    let stuck: [fn(&RwSem); 3] = [
        |s| {
            let _held = s.down_write();
            let _again = s.down_write();
        },
        |s| {
            let _held = s.down_read();
            let _upgraded = s.down_write();
        },
        |s| {
            let _held = s.down_write();
            let _downgraded = s.down_read();
        },
    ];
    for thread in stuck {
        check(&alone(thread).expect_violations(deadlock(["S"])));
    }
    let refused: [fn(&RwSem); 3] = [
        |s| {
            let _held = s.try_down_write().expect("it is free");
            assert!(s.try_down_write().is_none() && s.try_down_read().is_none());
        },
        |s| {
            let _held = s.down_write();
            assert!(s.try_down_write().is_none());
        },
        |s| {
            let _held = s.try_down_read().expect("it is free");
            assert!(s.try_down_write().is_none());
        },
    ];
    for thread in refused {
        check(&alone(thread).expect_proof());
    }
    let reads = alone(|s| {
        let _held = s.try_down_read().expect("it is free");
        let _again = s.try_down_read().expect("no thread writes");
    });
    check(&reads.expect_proof());
    let twice = alone(|s| {
        let _held = s.down_read();
        let _again = s.down_read();
    });
    // Lockdep complains, since a writer could come.
    check(&twice.expect_proof().expect_inversion(["S"]));
}

/// rwlock: `try_lock_implies_std`. A holder is only beside the holders that it allows.
#[test]
fn a_try_that_succeeds_excludes() {
    type World = (RwSem, Ghost<[u32; 2]>);
    let enter = |inside: &Ghost<[u32; 2]>, side: usize| {
        inside.update(|inside| inside[side] += 1);
        inside.check("company", |[readers, writers]| match (readers, writers) {
            (_, 0) | (0, 1) => Ok(()),
            _ => Err(format!("{readers} readers and {writers} writers")),
        });
        inside.update(|inside| inside[side] -= 1);
    };
    let tries = move |(s, inside): &World| {
        if let Some(held) = s.try_down_read() {
            enter(inside, 0);
            held.up_read();
        }
        if let Some(held) = s.try_down_write() {
            enter(inside, 1);
            held.up_write();
        }
    };
    let world = || (RwSem::new("S", ()), Ghost::new("inside", [0; 2]));
    by_states(&twice("tries", world, tries).thread("T3", tries).expect_proof());
}
