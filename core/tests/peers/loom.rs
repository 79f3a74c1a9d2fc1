//! Programs of loom's suite.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Condvar, Ghost, Kref, Mutex, RwSem, Tracked};
use selvedge_core::thread::spawn;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, poll};

use super::outcomes::{are_everywhere, noted};
use super::{check, check_open, deadlock, panics};

/// mutex: `mutex_enforces_mutual_exclusion`, `mutex_into_inner`; smoke: `checks_fail`.
#[test]
fn a_mutex_keeps_two_increments_apart() {
    let locked = |l: &(Mutex, Atomic)| {
        let _held = l.0.lock();
        l.1.store(l.1.load() + 1);
    };
    let scenario = Scenario::builder("mutex", || (Mutex::new("L", ()), Atomic::new("x", 0)))
        .thread("T1", locked)
        .thread("T2", locked)
        .finally(|(_, x)| assert_eq!(x.load(), 2));
    check(&scenario.expect_proof());
    let bare = |x: &Atomic| x.store(x.load() + 1);
    let scenario = Scenario::builder("checks_fail", || Atomic::new("x", 0))
        .thread("T1", bare)
        .thread("T2", bare)
        .finally(|x| assert!(x.load() == 2, "lost"));
    check(&scenario.expect_violations(panics("lost")));
}

/// deadlock: `two_mutexes_deadlock`.
#[test]
fn two_mutexes_deadlock() {
    let world = || [Mutex::new("A", 1), Mutex::new("B", 2)];
    let both = |one: usize, other: usize| {
        move |mutexes: &[Mutex<i32>; 2]| {
            let mut first = mutexes[one].lock();
            *first += *mutexes[other].lock();
        }
    };
    let scenario =
        Scenario::builder("two", world).thread("T1", both(0, 1)).thread("T2", both(1, 0));
    check(&scenario.expect_violations(deadlock(["A", "B"])));
}

/// condvar: `notify_one`, `notify_all`.
#[test]
fn a_waiter_is_notified() {
    let world = || (Atomic::new("count", 0), Mutex::new("L", ()), Condvar::new("C"));
    type World = (Atomic, Mutex, Condvar);
    let waits = |(count, l, c): &World| drop(c.wait_while(l.lock(), |()| count.load() == 0));
    let notifies = |notify: fn(&Condvar)| {
        move |(count, l, c): &World| {
            count.fetch_add(1);
            l.lock().unlock();
            notify(c);
        }
    };
    let one = Scenario::builder("one", world)
        .thread("waits", waits)
        .thread("notifies", notifies(Condvar::notify_one));
    check_open(one.expect_proof());
    let all = Scenario::builder("all", world)
        .thread("waits", waits)
        .thread("waits too", waits)
        .thread("notifies", notifies(Condvar::notify_all));
    check_open(all.expect_proof());
}

fn rwlock(thread: fn(&RwSem<u32>)) -> ScenarioBuilder<RwSem<u32>> {
    Scenario::builder("rwlock", || RwSem::new("S", 1)).thread("main", thread)
}

/// rwlock: `rwlock_write_then_try_write`, `rwlock_write_then_try_read`,
/// `rwlock_read_then_try_write`, `rwlock_try_read`, `rwlock_write`, `rwlock_try_write`.
#[test]
fn tries_are_refused_beside_incompatible_holders() {
    let threads: [fn(&RwSem<u32>); 4] = [
        |s| {
            let _held = s.down_write();
            assert!(s.try_down_write().is_none());
        },
        |s| {
            let mut held = s.down_write();
            *held = 2;
            assert!(s.try_down_read().is_none());
        },
        |s| {
            let held = s.down_read();
            assert!(s.try_down_write().is_none());
            assert_eq!(*held, 1);
        },
        |s| assert_eq!(*s.try_down_read().expect("it is free"), 1),
    ];
    for thread in threads {
        check(&rwlock(thread).expect_proof());
    }
}

/// rwlock: `rwlock_read_two_write_one`, `rwlock_write_three`, `rwlock_into_inner`,
/// `rwlock_try_write_no_block`; rwlock_regression1: `rwlock_two_writers`.
#[test]
fn readers_and_writers_all_finish() {
    let read = |s: &RwSem<u32>| assert!(*s.down_read() >= 1);
    let write = |s: &RwSem<u32>| *s.down_write() += 1;
    check(&rwlock(write).thread("T1", read).thread("T2", read).expect_proof());
    let three = rwlock(write).thread("T1", write).thread("T2", write);
    check(&three.finally(|s| assert_eq!(*s.down_read(), 4)).expect_proof());
    let two = Scenario::builder("two", || (RwSem::new("S", 1_u32), Atomic::new("count", 0)));
    let write_and_count = |(s, count): &(RwSem<u32>, Atomic)| {
        let mut held = s.down_write();
        *held += 1;
        count.fetch_add(1);
    };
    check(&two.thread("T1", write_and_count).thread("T2", write_and_count).expect_proof());
    let tried = rwlock(|s| drop(s.try_down_write())).thread("T1", |s| drop(s.try_down_read()));
    check(&tried.expect_proof());
}

/// rwlock: `rwlock_read_one`, in which a reader starts another one and joins it.
#[test]
fn a_reader_joins_a_reader() {
    let scenario = Scenario::builder("join", || Arc::new(RwSem::new("S", 1))).thread("main", |s| {
        let held = s.down_read();
        let other = Arc::clone(s);
        spawn("reader", move || assert_eq!(*other.down_read(), 1)).join();
        assert_eq!(*held, 1);
    });
    check(&scenario.expect_proof());
}

/// Data without a lock: an access during a change is a race.
struct Cell(RwSem<u32>);

impl Cell {
    fn get(&self) -> u32 {
        let value = self.0.try_down_read();
        assert!(value.is_some(), "race");
        value.map_or(0, |value| *value)
    }

    fn inc(&self) -> u32 {
        let value = self.0.try_down_write();
        assert!(value.is_some(), "race");
        value.map_or(0, |mut value| {
            *value += 1;
            *value
        })
    }
}

fn cell(main: fn(&Arc<Cell>)) -> ScenarioBuilder<Arc<Cell>> {
    Scenario::builder("cell", || Arc::new(Cell(RwSem::new("cell", 1)))).thread("main", main)
}

/// Starts a thread that runs `does` on the cell, and returns a function that joins it.
fn child(cell: &Arc<Cell>, does: fn(&Arc<Cell>)) -> impl FnOnce() + use<> {
    let cell = Arc::clone(cell);
    let child = spawn("child", move || does(&cell));
    move || child.join()
}

fn get(cell: &Arc<Cell>) {
    cell.get();
}

fn inc(cell: &Arc<Cell>) {
    cell.inc();
}

/// unsafe_cell: `unsafe_cell_race_mut_mut_1` and `_2`, `unsafe_cell_race_mut_immut_1` to `_5`.
#[test]
fn a_change_beside_another_access_is_a_race() {
    let races: [fn(&Arc<Cell>); 7] = [
        |x| {
            let other = child(x, inc);
            x.inc();
            other();
            assert_eq!(x.inc(), 4);
        },
        |x| {
            let others = [child(x, inc), child(x, inc)];
            others.into_iter().for_each(|other| other());
            assert_eq!(x.inc(), 4);
        },
        |x| {
            let other = child(x, inc);
            x.get();
            other();
            assert_eq!(x.inc(), 3);
        },
        |x| {
            let other = child(x, get);
            assert_eq!(x.inc(), 2);
            other();
            assert_eq!(x.inc(), 3);
        },
        |x| {
            let others = [child(x, inc), child(x, get)];
            others.into_iter().for_each(|other| other());
            assert_eq!(x.inc(), 3);
        },
        |x| {
            let others = [child(x, get), child(x, inc)];
            others.into_iter().for_each(|other| other());
            assert_eq!(x.inc(), 3);
        },
        |x| {
            let reader = child(x, get);
            let writer = child(x, |x| {
                assert_eq!(x.get(), 1);
                assert_eq!(x.inc(), 2);
            });
            reader();
            writer();
            assert_eq!(x.inc(), 3);
        },
    ];
    for main in races {
        check(&cell(main).expect_violations(panics("race")));
    }
}

/// unsafe_cell: `unsafe_cell_ok_1` to `_3`.
#[test]
fn ordered_accesses_are_not_a_race() {
    let fine: [fn(&Arc<Cell>); 3] = [
        |x| {
            assert_eq!(x.inc(), 2);
            child(x, |x| assert_eq!(x.inc(), 3))();
            assert_eq!(x.inc(), 4);
        },
        |x| {
            assert_eq!(x.get(), 1);
            assert_eq!(x.inc(), 2);
            child(x, |x| {
                assert_eq!(x.get(), 2);
                assert_eq!(x.inc(), 3);
            })();
            assert_eq!(x.inc(), 4);
        },
        |x| {
            let reader = child(x, |x| {
                let inner = child(x, get);
                assert_eq!(x.get(), 1);
                inner();
            });
            assert_eq!(x.get(), 1);
            reader();
            assert_eq!(x.inc(), 2);
        },
    ];
    for main in fine {
        check(&cell(main).expect_proof());
    }
}

/// unsafe_cell: `atomic_causality_success`, `atomic_causality_fail`,
/// `unsafe_cell_access_after_sync`.
#[test]
fn a_flag_that_is_set_after_the_change_keeps_readers_out() {
    let world = || (Arc::new(Cell(RwSem::new("cell", 1))), Atomic::new("flag", 0));
    type World = (Arc<Cell>, Atomic);
    let scenario = |set: fn(&World), get: fn(&World)| {
        Scenario::builder("causality", world).thread("sets", set).thread("gets", get)
    };
    let first = |(x, flag): &World| {
        x.inc();
        flag.store(1);
    };
    let late = |(x, flag): &World| {
        flag.store(1);
        x.inc();
    };
    let guarded = |(x, flag): &World| {
        if flag.load() == 1 {
            assert_eq!(x.get(), 2);
        }
    };
    check(&scenario(first, guarded).expect_proof());
    check(&scenario(first, |(x, _)| _ = x.get()).expect_violations(panics("race")));
    // mutex: `mutex_establishes_seq_cst`. The flag is behind a mutex.
    let world = || (Arc::new(Cell(RwSem::new("cell", 1))), Mutex::new("flag", false));
    let locked = Scenario::builder("locked", world)
        .thread("sets", |(x, flag)| {
            x.inc();
            *flag.lock() = true;
        })
        .thread("gets", |(x, flag)| {
            let set = *flag.lock();
            if set {
                assert_eq!(x.get(), 2);
            }
        });
    check(&locked.expect_proof());
    let changed = |(x, flag): &World| {
        if flag.load() == 1 {
            x.inc();
        }
    };
    check(&scenario(late, changed).expect_violations(panics("race")));
}

/// arc: `basic_usage`, `sync_in_drop`, `detect_mem_leak`. The thread that drops the last reference
/// sees what the other has done, and frees.
#[test]
fn the_last_reference_frees_the_object() {
    struct Shared {
        references: Kref,
        memory: Tracked,
        data: Atomic,
    }
    let world = || {
        let shared = Shared {
            references: Kref::new("references"),
            memory: Tracked::new("memory", ()),
            data: Atomic::new("data", 0),
        };
        shared.references.get();
        shared
    };
    let put = |s: &Shared| {
        if s.references.put() {
            assert_eq!(s.data.load(), 1);
            s.memory.release();
        }
    };
    let writes = move |s: &Shared| {
        s.memory.get();
        s.data.store(1);
        put(s);
    };
    let waits = move |s: &Shared| {
        poll("data", || (s.data.load() == 1).then_some(()));
        put(s);
    };
    let drops = Scenario::builder("drop", world).thread("writes", writes).thread("drops", put);
    check(&drops.expect_proof());
    let usage = Scenario::builder("usage", world).thread("writes", writes).thread("waits", waits);
    check_open(usage.expect_proof());
    let leak = Scenario::builder("leak", world).thread("writes", writes).thread("forgets", |_| ());
    let leaks = ["references", "memory"].map(|class| ViolationKind::Leak(class.to_owned()));
    check(&leak.expect_violations(leaks));
}

/// atomic_int: `compare_exchange`, and an addition. Each of two finds the previous value.
#[test]
fn the_second_thread_finds_the_value_of_the_first() {
    type World = (Atomic, Ghost<[u64; 2]>);
    let world = || (Atomic::new("x", 0), Ghost::new("found", [9; 2]));
    let two = |access: fn(&Atomic) -> u64| {
        let thread = move |me: usize| {
            move |(x, found): &World| {
                let before = access(x);
                found.update(|found| found[me] = before);
            }
        };
        Scenario::builder("two", world).thread("T1", thread(0)).thread("T2", thread(1))
    };
    let adds = || two(|x| x.fetch_add(1));
    are_everywhere(adds, |(x, found)| (noted(found), x.load()), [([0, 1], 2), ([1, 0], 2)]);
    let exchanges = || two(|x| x.compare_exchange(0, 5).unwrap_or_else(|found| found));
    are_everywhere(exchanges, |(x, found)| (noted(found), x.load()), [([0, 5], 5), ([5, 0], 5)]);
}

/// spec: `test_seq_cst`. If two threads see two stores in different orders, one at least is wrong.
/// loom leaves the test out, since its sequential consistency is weaker.
#[test]
fn all_threads_see_two_stores_in_one_order() {
    type World = ([Atomic; 2], Ghost<u32>);
    let world = || ([Atomic::new("x", 0), Atomic::new("y", 0)], Ghost::new("count", 0));
    let looks = |first: usize| {
        move |(words, count): &World| {
            poll("first", || (words[first].load() == 1).then_some(()));
            if words[1 - first].load() == 1 {
                count.update(|count| *count += 1);
            }
        }
    };
    let scenario = Scenario::builder("seq_cst", world)
        .thread("x", |(words, _)| words[0].store(1))
        .thread("y", |(words, _)| words[1].store(1))
        .thread("x then y", looks(0))
        .thread("y then x", looks(1))
        .finally(|(_, count)| {
            count.check("SC", |count| if *count > 0 { Ok(()) } else { Err("none".into()) });
        });
    check_open(scenario.expect_proof());
}

/// thread_api: `many_joins`, `alt_join`.
#[test]
fn threads_are_joined_by_the_owner_of_the_handle() {
    let many = Scenario::builder("many", || Arc::new(Mutex::new("L", ()))).thread("main", |l| {
        let held = l.lock();
        let children = [0, 1].map(|_| {
            let shared = Arc::clone(l);
            spawn("child", move || shared.lock().unlock())
        });
        held.unlock();
        children.into_iter().for_each(|child| child.join());
    });
    check(&many.expect_proof());
    let alt = Scenario::builder("alt", || Arc::new(Mutex::new("L", ()))).thread("main", |l| {
        let held = l.lock();
        let shared = Arc::clone(l);
        let first = spawn("first", || ());
        let second = spawn("second", move || {
            shared.lock().unlock();
            first.join();
        });
        let third = spawn("third", || ());
        held.unlock();
        third.join();
        second.join();
    });
    check(&alt.expect_proof());
}

/// yield: `yield_completes`; and a thread that is joined has ended.
#[test]
fn a_poll_ends_and_a_join_returns_the_result() {
    let yields = Scenario::builder("yield", || Atomic::new("flag", 0))
        .thread("sets", |flag| flag.store(1))
        .thread("yields", |flag| poll("flag", || (flag.load() == 1).then_some(())));
    check_open(yields.expect_proof());
    let joins = Scenario::builder("join", || Arc::new(Atomic::new("x", 0))).thread("main", |x| {
        let shared = Arc::clone(x);
        let child = spawn("child", move || {
            shared.store(1);
            "result"
        });
        assert_eq!(child.join(), "result");
        assert_eq!(x.load(), 1);
    });
    check(&joins.expect_proof());
}
