//! Programs of shuttle's suite: sets of final values, and verdicts.

use selvedge_core::sync::{Atomic, Condvar, Ghost, Mutex, RwSem};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, invariant_broken, poll};

use super::outcomes::{are, are_everywhere, noted};
use super::{by_states, check, check_open, deadlock, panics};

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

type Words = (Atomic, Atomic, Ghost<[u64; 2]>);

fn words() -> Words {
    (Atomic::new("x", 0), Atomic::new("y", 0), Ghost::new("seen", [0; 2]))
}

fn note(seen: &Ghost<[u64; 2]>, place: usize, value: u64) {
    seen.update(|seen| seen[place] = value);
}

/// atomic: `store_store_reordering`, `store_load_reordering`, `load_store_reordering`. Exactly the
/// outcomes that sequential consistency allows.
#[test]
fn accesses_to_words_are_not_reordered() {
    let message = || {
        Scenario::builder("store_store", words)
            .thread("T1", |(x, y, _)| {
                x.store(1);
                y.store(1);
            })
            .thread("T2", |(x, y, seen)| {
                note(seen, 1, y.load());
                note(seen, 0, x.load());
            })
    };
    are_everywhere(message, |(.., seen)| noted(seen), [[0, 0], [1, 0], [1, 1]]);
    let load_first = || {
        Scenario::builder("store_load", words)
            .thread("T1", |(x, y, seen)| {
                note(seen, 0, x.load());
                y.store(1);
            })
            .thread("T2", |(x, y, seen)| {
                note(seen, 1, y.load());
                x.store(1);
            })
    };
    are_everywhere(load_first, |(.., seen)| noted(seen), [[0, 0], [0, 1], [1, 0]]);
    let store_first = || {
        Scenario::builder("load_store", words)
            .thread("T1", |(x, y, seen)| {
                x.store(1);
                note(seen, 0, y.load());
            })
            .thread("T2", |(x, y, seen)| {
                y.store(1);
                note(seen, 1, x.load());
            })
    };
    are_everywhere(store_first, |(.., seen)| noted(seen), [[0, 1], [1, 0], [1, 1]]);
}

/// Replaces the value of a word by the result of `change`, as `fetch_update`.
fn update(word: &Atomic, change: impl Fn(u64) -> u64) {
    let mut value = word.load();
    while let Err(found) = word.compare_exchange(value, change(value)) {
        value = found;
    }
}

/// atomic: `fetch_update`, of numbers and of a flag. It is one step, wherever the stores come.
#[test]
fn a_word_is_updated_beside_stores() {
    let numbers = || {
        Scenario::builder("fetch_update", || Atomic::new("x", 0))
            .thread("T1", |x| x.store(1))
            .thread("T2", |x| x.store(2))
            .thread("main", |x| update(x, |value| value + 5))
    };
    are_everywhere(numbers, Atomic::load, [1, 2, 6, 7]);
    let flag = || {
        Scenario::builder("fetch_update", || Atomic::new("x", 0))
            .thread("T1", |x| x.store(1))
            .thread("main", |x| update(x, |value| 1 - value))
    };
    are_everywhere(flag, Atomic::load, [0, 1]);
}

/// atomic: `compare_exchange`. It finds the value that was stored, or the initial one.
#[test]
fn an_exchange_finds_the_present_value() {
    let make = || {
        Scenario::builder("compare_exchange", || (Atomic::new("x", 0), Ghost::new("result", None)))
            .thread("stores", |(x, _)| x.store(1))
            .thread("exchanges", |(x, result)| {
                let found = x.compare_exchange(1, 5);
                result.update(|result| *result = Some(found));
            })
    };
    let results = [(Some(Ok(1)), 5), (Some(Err(0)), 1)];
    are_everywhere(make, |(x, result)| (noted(result), x.load()), results);
}

fn twice<W: Send + Sync + 'static>(
    name: &str,
    world: fn() -> W,
    thread: impl Fn(&W) + Copy + Send + Sync + 'static,
) -> ScenarioBuilder<W> {
    Scenario::builder(name, world).thread("T1", thread).thread("T2", thread)
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
