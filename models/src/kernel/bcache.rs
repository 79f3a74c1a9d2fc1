//! A lock of one word with an open-coded wait, whose wake-up is lost.
//!
//! Source: bcache: a lost wake-up of `mca_cannibalize_lock`, November 2019.

use selvedge_core::sync::{Atomic, SpinLock, WaitQueue};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, poll};

use super::report;

const SOURCE: &str = "bcache: a lost wake-up of mca_cannibalize_lock, November 2019";

struct World {
    /// `btree_cache_alloc_lock`: whether a thread has it.
    owned: Atomic<bool>,
    wait: WaitQueue,
    /// `btree_cannibalize_lock`, which the fix adds.
    lock: SpinLock,
}

fn world() -> World {
    World {
        owned: Atomic::new("btree_cache_alloc_lock", false),
        wait: WaitQueue::new("btree_cache_wait"),
        lock: SpinLock::new("btree_cannibalize_lock", ()),
    }
}

/// Tries to take the lock, and queues the thread if another has it.
fn mca_cannibalize_lock(w: &World) -> bool {
    let _function = function("mca_cannibalize_lock");
    let taken = w.owned.compare_exchange(false, true).is_ok();
    if !taken {
        w.wait.prepare_to_wait();
    }
    taken
}

fn mca_cannibalize_lock_locked(w: &World) -> bool {
    let _locked = w.lock.spin_lock();
    mca_cannibalize_lock(w)
}

fn bch_cannibalize_unlock(w: &World) {
    let _function = function("bch_cannibalize_unlock");
    w.owned.store(false);
    w.wait.wake_up();
}

fn bch_cannibalize_unlock_locked(w: &World) {
    let _locked = w.lock.spin_lock();
    bch_cannibalize_unlock(w);
}

fn user(w: &World, lock: fn(&World) -> bool, unlock: fn(&World)) {
    poll("mca_cannibalize_lock", || {
        if lock(w) {
            return Some(());
        }
        w.wait.schedule();
        None
    });
    w.wait.finish_wait();
    unlock(w);
}

fn variant(name: &str, lock: fn(&World) -> bool, unlock: fn(&World)) -> ScenarioBuilder<World> {
    report(&format!("bcache-cannibalize/{name}"), SOURCE, world)
        .thread("A", move |w| user(w, lock, unlock))
        .thread("B", move |w| user(w, lock, unlock))
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        variant("unlocked", mca_cannibalize_lock, bch_cannibalize_unlock)
            .about("the owner wakes between the failed exchange and prepare_to_wait")
            .expect_violations([ViolationKind::deadlock(["mca_cannibalize_lock"])]),
        variant("locked", mca_cannibalize_lock_locked, bch_cannibalize_unlock_locked)
            .about("a spinlock around both pairs")
            .expect_proof(),
    ]
}
