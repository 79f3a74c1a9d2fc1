//! The table with which the kernel checks its own lockdep at boot, applied to this one.
//!
//! Each row is a sequence of locks that one task takes, and whether lockdep has to complain. The
//! rows and the expectations were compared with `lib/locking-selftest.c`, v6.16, function by
//! function. As there, `read_lock` counts as recursive but in the rows about queued reads.
//!
//! | the kernel's rows | where |
//! |---|---|
//! | `AA` to `ABCDBCDA`, with `rtmutex` | here |
//! | `rlock_AA1` to `rlock_AA3`, `rsem_AA1` to `rsem_AA3` | here |
//! | `rlock_ABBA1` to `rwsem_ABBA3`, `rlock_chaincache_ABBA1` | here |
//! | `W1R2_W2R3_W3R1` and the other three | here |
//! | `double_unlock`, `init_held` | `lockdep_contexts.rs` |
//! | `irqsafe1` to `irqsafe4`, `irq_inversion` | `lockdep_interrupts.rs` |
//! | `irq_read_recursion`, `2` and `3` | `lockdep_interrupts.rs` |
//! | `ww_test_spin_nest_unlocked`, `ww_test_spin_nest_lock` | `lockdep_contexts.rs` |
//! | the other `ww_test_` functions | `lockdep_ww.rs` |
//! | `queued_read_lock_hardirq_RE_Er`, `_ER_rE`, `_inversion` | `lockdep_contexts.rs` |
//! | `wait_context_tests` | `lockdep_contexts.rs` |
//! | `hardirq_deadlock_softirq_not_deadlock` | `lockdep_contexts.rs` |
//! | `fs_reclaim_` (3 rows) | left out: nothing here allocates memory |
//! | `local_lock_2`, `_3A`, `_3B` | left out: there is no `local_lock_t` here |
//! | `test_lockdep_set_subclass_name` | left out: a class is its name here |
//!
//! A `struct rt_mutex` is a [`Mutex`] here, which says why. Its column has the rows of a mutex.

use std::panic::Location;

use selvedge_core::observe::lockdep::{Lockdep, Mode, Taken, Task};
use selvedge_core::sync::{Mutex, RwSem};
use selvedge_core::{Classification, Engine, Scenario, Verdict};

/// The lock types of the kernel's table, by the modes in which they hold and wait.
const KINDS: [(&str, Mode); 7] = [
    ("spin_lock", Mode::Exclusive),
    ("write_lock", Mode::Exclusive),
    ("read_lock", Mode::SharedRecursive),
    ("mutex_lock", Mode::Exclusive),
    ("down_write", Mode::Exclusive),
    ("down_read", Mode::Shared),
    ("rt_mutex_lock", Mode::Exclusive),
];

/// The locks that one task holds, and the lockdep that observes them.
#[derive(Default)]
struct Bench {
    lockdep: Lockdep,
    task: Task,
}

impl Bench {
    /// Takes the locks one inside the other and releases them, the last first.
    fn nest(&mut self, locks: &[(&'static str, Mode)]) {
        for (name, mode) in locks {
            let class = self.lockdep.class(name);
            self.lockdep.acquire(&mut self.task, "task", class, *mode);
        }
        for (name, _) in locks.iter().rev() {
            let class = self.lockdep.class(name);
            self.lockdep.release(&mut self.task, class);
        }
        assert_eq!(self.task.held().count(), 0, "{locks:?}");
    }

    fn complains(&self) -> bool {
        !self.lockdep.inversions().is_empty()
    }
}

/// Returns whether lockdep complains about the groups, one after the other.
fn complains(groups: &[&[(&'static str, Mode)]]) -> bool {
    let mut bench = Bench::default();
    groups.iter().for_each(|group| bench.nest(group));
    bench.complains()
}

/// Parses `"W1R2"`: take lock 1 for writing and, inside it, lock 2 for reading. The letters are `L`
/// for a spinlock, `W` and `R` for the sides of a rwlock, `M` for a mutex, and `w` and `r` for the
/// sides of a semaphore.
fn parse(group: &str) -> Vec<(&'static str, Mode)> {
    let mode = |letter| match letter {
        'L' | 'W' | 'M' | 'w' => Mode::Exclusive,
        'R' => Mode::SharedRecursive,
        'r' => Mode::Shared,
        other => panic!("{other} is not a kind of lock"),
    };
    let letters: Vec<char> = group.chars().collect();
    let lock = |pair: &[char]| {
        let name = ["1", "2", "3"].into_iter().find(|name| name.starts_with(pair[1]));
        (name.expect("locks are 1, 2 and 3"), mode(pair[0]))
    };
    letters.chunks(2).map(lock).collect()
}

/// Checks every row of a table: its groups, separated by blanks, and whether lockdep complains.
fn check(rows: &[(&str, bool)]) {
    for (row, expected) in rows {
        let groups: Vec<_> = row.split(' ').map(parse).collect();
        let groups: Vec<_> = groups.iter().map(Vec::as_slice).collect();
        assert_eq!(complains(&groups), *expected, "{row}");
    }
}

#[test]
fn cycles_of_one_kind_of_lock_are_reported_unless_its_readers_recurse() {
    const CYCLES: [&[[&str; 2]]; 7] = [
        &[["A", "A"]],
        &[["A", "B"], ["B", "A"]],
        &[["A", "B"], ["B", "C"], ["C", "A"]],
        &[["A", "B"], ["C", "A"], ["B", "C"]],
        &[["A", "B"], ["B", "C"], ["C", "D"], ["D", "A"]],
        &[["A", "B"], ["C", "D"], ["B", "D"], ["D", "A"]],
        &[["A", "B"], ["C", "D"], ["B", "C"], ["D", "A"]],
    ];
    for cycle in CYCLES {
        for (kind, mode) in KINDS {
            let groups: Vec<_> = cycle.iter().map(|pair| pair.map(|name| (name, mode))).collect();
            let groups: Vec<_> = groups.iter().map(|pair| pair.as_slice()).collect();
            let expected = mode != Mode::SharedRecursive;
            assert_eq!(complains(&groups), expected, "{kind}: {cycle:?}");
        }
    }
}

#[test]
fn a_class_taken_twice_is_reported_unless_both_are_recursive_reads() {
    check(&[
        ("R1R1", false),
        ("r1r1", true),
        ("R1W1", true),
        ("r1w1", true),
        ("W1R1", true),
        ("w1r1", true),
    ]);
}

#[test]
fn a_reader_is_in_an_abba_cycle_only_if_a_writer_waits_for_it() {
    check(&[
        ("R1L2 L2W1", true),
        ("r1M2 M2w1", true),
        ("R1L2 L2R1", false),
        ("r1M2 M2r1", true),
        ("W1L2 L2W1", true),
        ("w1M2 M2w1", true),
        // The harmless middle pair must not make the last one look known.
        ("R1L2 L2R1 L2W1", true),
    ]);
}

#[test]
fn a_cycle_of_three_rwlocks_is_reported_if_no_recursive_read_meets_a_read() {
    const ROWS: [([&str; 3], bool); 4] = [
        (["W1R2", "W2R3", "W3R1"], true),
        (["W1W2", "R2R3", "W3R1"], true),
        (["W1W2", "R2R3", "R3W1"], false),
        (["W1R2", "R2R3", "W3W1"], false),
    ];
    const ORDERS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (groups, expected) in ROWS {
        for order in ORDERS {
            check(&[(&order.map(|place| groups[place]).join(" "), expected)]);
        }
    }
}

/// Not in the kernel's table, which links a lock to the nearest held one only. The path over the
/// recursive read is not strong, but the dependency of lock 3 on lock 1 itself is.
#[test]
fn a_lock_depends_on_every_lock_held_and_not_only_on_the_nearest() {
    check(&[("W1R2L3 L3W1", true), ("W1R2L3 L3R1", true), ("R1R2L3 L3R1", false)]);
}

/// Not in the table either: a class that is reached by a recursive read leads nowhere, and must be
/// visited again when it is reached by a write.
#[test]
fn a_class_is_visited_again_for_each_mode() {
    check(&[
        ("W1R2 R2L3 L3W1", false),
        ("W1R2 W1W2 R2L3 L3W1", true),
        ("W1W2 W1R2 R2L3 L3W1", true),
    ]);
}

#[test]
fn no_dependency_leads_to_a_trylock_but_some_start_there() {
    let mut bench = Bench::default();
    let at = Taken { function: None, at: Location::caller(), line: None };
    let [a, b] = ["A", "B"].map(|name| bench.lockdep.class(name));
    bench.nest(&[("A", Mode::Exclusive), ("B", Mode::Exclusive)]);
    // B, and A inside it by a trylock: the task would not have waited.
    bench.lockdep.acquire(&mut bench.task, "task", b, Mode::Exclusive);
    bench.lockdep.hold(&mut bench.task, "task", a, Mode::Exclusive, at);
    bench.lockdep.release(&mut bench.task, a);
    bench.lockdep.release(&mut bench.task, b);
    assert!(!bench.complains());
    // B by a trylock, and A inside it: a holder of A may wait for B.
    bench.lockdep.hold(&mut bench.task, "task", b, Mode::Exclusive, at);
    bench.lockdep.acquire(&mut bench.task, "task", a, Mode::Exclusive);
    assert!(bench.complains());
}

/// Not in the table: a lock that is held by a trylock is between two others, so the outer one is
/// not the nearest. The nearest ones lead from a reader to the inner lock, and only a writer is
/// waited for.
#[test]
fn a_path_from_a_reader_does_not_replace_the_dependency_of_a_writer() {
    let mut bench = Bench::default();
    let at = Taken { function: None, at: Location::caller(), line: None };
    let [one, two, three] = ["1", "2", "3"].map(|name| bench.lockdep.class(name));
    bench.nest(&parse("r1M2"));
    bench.nest(&parse("M2M3"));
    bench.lockdep.acquire(&mut bench.task, "task", one, Mode::Exclusive);
    bench.lockdep.hold(&mut bench.task, "task", two, Mode::Exclusive, at);
    bench.lockdep.acquire(&mut bench.task, "task", three, Mode::Exclusive);
    for class in [three, two, one] {
        bench.lockdep.release(&mut bench.task, class);
    }
    bench.nest(&parse("M3R1"));
    assert!(bench.complains());
}

/// Four locks, and one thread: nothing can deadlock, only the order can be wrong.
struct Locks {
    a: Mutex,
    b: Mutex,
    s: RwSem,
    t: RwSem,
}

/// Returns the classes of each inversion that is predicted, in a world that is proved not to
/// deadlock.
fn predicted(thread: impl Fn(&Locks) + Send + Sync + 'static) -> Vec<Vec<String>> {
    let world = || Locks {
        a: Mutex::new("A", ()),
        b: Mutex::new("B", ()),
        s: RwSem::new("S", ()),
        t: RwSem::new("T", ()),
    };
    let report = Scenario::builder("sequential", world).thread("T1", thread).expect_proof();
    let report = report.verify(Engine::Native);
    assert!(matches!(report.verdict, Verdict::Proved(_)), "{:#?}", report.verdict);
    let infeasible =
        |classification: &Classification| *classification == Classification::Infeasible;
    assert!(report.predictions.iter().all(|prediction| infeasible(&prediction.classification)));
    report.predictions.iter().map(|prediction| prediction.inversion.classes()).collect()
}

#[test]
fn one_thread_shows_the_inversion_of_two_mutexes() {
    let classes = predicted(|Locks { a, b, .. }| {
        drop((a.lock(), b.lock()));
        drop((b.lock(), a.lock()));
    });
    assert_eq!(classes, [["A", "B"]]);
}

#[test]
fn one_thread_shows_the_inversion_of_the_read_sides_of_two_semaphores() {
    let classes = predicted(|Locks { s, t, .. }| {
        drop((s.down_read(), t.down_read()));
        drop((t.down_read(), s.down_read()));
    });
    assert_eq!(classes, [["S", "T"]]);
}

#[test]
fn one_thread_shows_the_inversion_of_a_mutex_and_a_semaphore() {
    let classes = predicted(|Locks { a, s, .. }| {
        drop((s.down_read(), a.lock()));
        drop((a.lock(), s.down_write()));
    });
    assert_eq!(classes, [["A", "S"]]);
}

#[test]
fn a_trylock_in_one_of_the_orders_is_not_an_inversion() {
    let classes = predicted(|Locks { a, b, s, t }| {
        drop((a.lock(), b.lock()));
        drop((b.lock(), a.try_lock()));
        drop((s.down_write(), t.down_write()));
        drop((t.down_read(), s.try_down_read()));
    });
    assert!(classes.is_empty(), "{classes:?}");
}
