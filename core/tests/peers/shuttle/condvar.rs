//! Programs of shuttle's `condvar` tests.

use selvedge_core::sync::{Condvar, Mutex};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, invariant_broken};

use crate::{by_states, check_open, deadlock, panics};

type Signalled = (Mutex<bool>, Condvar);

fn signalled(workers: usize, signal: fn(&Condvar)) -> ScenarioBuilder<Signalled> {
    let world = || (Mutex::new("L", false), Condvar::new("C"));
    let scenario = (0..workers).fold(Scenario::builder("workers", world), |scenario, _| {
        scenario.thread("worker", |(l, c)| assert!(*c.wait_while(l.lock(), |flag| !*flag)))
    });
    scenario.thread("main", move |(l, c)| {
        *l.lock() = true;
        signal(c);
    })
}

/// condvar: `notify_one`, `notify_one_while`, `notify_all`, `multiple_notify_one`,
/// `notify_one_deadlock`, `notify_one_all`, `notify_all_one`.
#[test]
fn workers_are_woken_by_enough_signals() {
    check_open(signalled(1, Condvar::notify_one).expect_proof());
    check_open(signalled(2, Condvar::notify_one).expect_violations(deadlock(["C"])));
    let enough: [fn(&Condvar); 4] = [
        Condvar::notify_all,
        |c| (0..2).for_each(|_| c.notify_one()),
        |c| {
            c.notify_one();
            c.notify_all();
        },
        |c| {
            c.notify_all();
            c.notify_one();
        },
    ];
    for signal in enough {
        check_open(signalled(2, signal).expect_proof());
    }
}

/// condvar: `notify_one_timeout`. The timeout may expire without the signal.
#[test]
fn a_worker_with_a_timeout_is_not_left_asleep() {
    let world = || (Mutex::new("L", false), Condvar::new("C"));
    let scenario = |signals: bool| {
        Scenario::builder("timeout", world)
            .thread("worker", |(l, c)| {
                let flag = l.lock();
                if !*flag {
                    drop(c.wait_timeout(flag));
                }
            })
            .thread("main", move |(l, c)| {
                *l.lock() = true;
                if signals {
                    c.notify_one();
                }
            })
    };
    check_open(scenario(true).expect_proof());
    check_open(scenario(false).expect_proof());
}

/// condvar: `notify_one_order`. Two sleep, in a known order, and one is notified, which may be the
/// second.
#[test]
fn the_second_of_two_is_woken() {
    let world = || (Mutex::new("L", 0_u8), Condvar::new("C"), Condvar::new("turn"));
    type World = (Mutex<u8>, Condvar, Condvar);
    let sleeper = |turn: u8, last: u8| {
        move |(l, c, order): &World| {
            let mut step = order.wait_while(l.lock(), |step| *step != turn);
            *step = turn + 1;
            order.notify_all();
            let mut step = c.wait_while(step, |step| *step < 5);
            *step = last;
        }
    };
    let scenario = Scenario::builder("order", world)
        .thread("main", |(l, c, order)| {
            let mut step = l.lock();
            for (now, then) in [(1, 2), (3, 4)] {
                *step = now;
                order.notify_all();
                step = order.wait_while(step, |step| *step != then);
            }
            *step = 5;
            c.notify_one();
            step.unlock();
            if *l.lock() == 20 {
                invariant_broken("SECOND", "the second of two was woken");
            }
            c.notify_one();
        })
        .thread("first", sleeper(1, 10))
        .thread("second", sleeper(3, 20));
    by_states(&scenario.expect_violations([ViolationKind::invariant("SECOND")]));
}

/// A buffer with room for one, as in the textbook "Operating Systems: Three Easy Pieces", chapter
/// 30.
struct Buffer {
    items: Mutex<u32>,
    filled: Condvar,
    emptied: Condvar,
}

/// The way in which a thread waits there.
#[derive(Clone, Copy, PartialEq)]
enum Wait {
    /// It checks once, and all share one condition variable.
    Once,
    /// It checks again.
    Again,
    /// It checks again, and producers and consumers have a condition variable each.
    Apart,
}

/// A producer of two items, and two consumers of one.
fn producer_consumer(wait: Wait) -> ScenarioBuilder<Buffer> {
    let world = || Buffer {
        items: Mutex::new("items", 0),
        filled: Condvar::new("filled"),
        emptied: Condvar::new("emptied"),
    };
    let turn = move |b: &Buffer, wanted: u32| {
        let emptied = if wait == Wait::Apart { &b.emptied } else { &b.filled };
        let (mine, others) = if wanted == 1 { (&b.filled, emptied) } else { (emptied, &b.filled) };
        let mut items = b.items.lock();
        if wait != Wait::Once {
            items = mine.wait_while(items, |items| *items != wanted);
        } else if *items != wanted {
            items = mine.wait(items);
        }
        assert!(*items == wanted, "{}", if wanted == 1 { "nothing to get" } else { "no space" });
        *items = 1 - wanted;
        others.notify_one();
    };
    Scenario::builder("buffer", world)
        .thread("C1", move |b| turn(b, 1))
        .thread("C2", move |b| turn(b, 1))
        .thread("P", move |b| (0..2).for_each(|_| turn(b, 0)))
}

/// condvar: `producer_consumer_broken1`, `producer_consumer_broken2`, `producer_consumer_correct`.
#[test]
fn a_buffer_needs_two_looks_and_two_condition_variables() {
    let once = [panics("nothing to get"), panics("no space")].concat();
    check_open(producer_consumer(Wait::Once).expect_violations(once));
    check_open(producer_consumer(Wait::Again).expect_violations(deadlock(["filled"])));
    check_open(producer_consumer(Wait::Apart).expect_proof());
}
