//! Explicit wait loops.

use selvedge_core::sync::{Atomic, SpinLock, WaitQueue};
use selvedge_core::{Scenario, ScenarioBuilder, poll};

use super::{by_states, deadlock};

/// The owner of the right to cannibalize bcache's btree nodes, and the threads that wait for it.
struct Cannibals {
    owner: Atomic,
    lock: SpinLock,
    wait: WaitQueue,
}

/// `mca_cannibalize_lock` fails, the owner releases it and wakes, and only then the other queues.
/// bcache, 2019-11. The fix is a spinlock around each pair.
fn bcache(users: usize, together: bool) -> ScenarioBuilder<Cannibals> {
    let world = || Cannibals {
        owner: Atomic::new("btree_cache_alloc_lock", 0),
        lock: SpinLock::new("btree_cannibalize_lock", ()),
        wait: WaitQueue::new("btree_cache_wait"),
    };
    let allocate = move |w: &Cannibals| {
        poll("btree_cache_wait", || {
            let held = together.then(|| w.lock.spin_lock());
            if w.owner.compare_exchange(0, 1).is_ok() {
                return Some(());
            }
            w.wait.prepare_to_wait();
            drop(held);
            w.wait.schedule();
            w.wait.finish_wait();
            None
        });
        let _held = together.then(|| w.lock.spin_lock());
        w.owner.store(0);
        w.wait.wake_up();
    };
    let scenario = Scenario::builder("bcache", world)
        .source("bcache: lost wake-up of mca_cannibalize_lock, 2019-11");
    ["user 1", "user 2", "user 3"][..users]
        .iter()
        .fold(scenario, |s, user| s.thread(user, allocate))
}

#[test]
fn a_lock_is_released_between_the_try_and_the_queue() {
    by_states(&bcache(2, false).expect_violations([deadlock(["btree_cache_wait"])]));
    by_states(&bcache(2, true).expect_proof());
    by_states(&bcache(3, true).expect_proof());
}

/// The writer of a sequence lock prints, and wants the lock of a console's port. The holder of that
/// allocates, and spins until the sequence is even. mm, 2023-04. The fix prints later.
fn zonelist(prints_within: bool) -> ScenarioBuilder<(Atomic, SpinLock)> {
    let print = |port: &SpinLock| drop(port.spin_lock_irqsave());
    Scenario::builder("zonelist", || {
        (Atomic::new("zonelist_update_seq", 0), SpinLock::new("port_lock", ()))
    })
    .source("mm: zonelist_update_seq, 2023-04")
    .thread("build_all_zonelists", move |(seq, port)| {
        seq.fetch_add(1);
        if prints_within {
            print(port);
        }
        seq.fetch_add(1);
        if !prints_within {
            print(port);
        }
    })
    .thread("tty_insert_flip_string", |(seq, port)| {
        let _port = port.spin_lock_irqsave();
        poll("zonelist_update_seq", || (seq.load() % 2 == 0).then_some(()));
    })
}

/// No thread sleeps: one spins on a lock, the other on the number.
#[test]
fn two_spin_for_each_other() {
    super::by_orderings(&zonelist(true).expect_violations([deadlock(["zonelist_update_seq"])]));
    super::by_orderings(&zonelist(false).expect_proof());
}
