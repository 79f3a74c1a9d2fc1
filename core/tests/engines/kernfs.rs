//! Active references of kernfs, pointers of RCU, and reference counts with a lock.

use selvedge_core::sync::{Kernfs, Kref, Mutex, Rcu, RcuHead, SpinLock, Srcu, Tracked};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, ViolationKind, in_world, might_sleep};

use super::{check, check_with_traces, deadlock};

struct Device {
    file: Kernfs,
    lock: Mutex,
    data: Tracked,
}

fn device(show: fn(&Device), remove: fn(&Device)) -> ScenarioBuilder<Device> {
    let world = || Device {
        file: Kernfs::new("kn->active"),
        lock: Mutex::new("lock", ()),
        data: Tracked::new("data", ()),
    };
    Scenario::builder("kernfs", world).thread("show", show).thread("remove", remove)
}

fn shows(w: &Device) {
    if let Some(active) = w.file.kernfs_get_active() {
        w.data.get();
        active.kernfs_put_active();
    }
}

#[test]
fn a_removal_waits_for_the_active_references() {
    let drains = |w: &Device| {
        w.file.kernfs_remove();
        w.data.release();
    };
    check_with_traces(&device(shows, drains).expect_proof());
    let too_early = |w: &Device| {
        w.data.release();
        w.file.kernfs_remove();
    };
    let kind = ViolationKind::use_after_release("data");
    check(&device(shows, too_early).expect_violations([kind]));
}

#[test]
fn a_removal_under_a_lock_of_the_show_deadlocks() {
    let takes = |w: &Device| {
        if let Some(_active) = w.file.kernfs_get_active() {
            drop(w.lock.lock());
        }
    };
    let removes = |w: &Device| {
        let _held = w.lock.lock();
        w.file.kernfs_remove();
    };
    let scenario = device(takes, removes).finally(|w| w.data.release());
    let scenario = scenario.expect_violations(deadlock(["kn->active", "lock"]));
    check_with_traces(&scenario);
    assert_eq!(scenario.verify(Engine::Native).predictions.len(), 1);
    let tries = |w: &Device| {
        if let Some(_active) = w.file.kernfs_get_active() {
            drop(w.lock.try_lock());
        }
    };
    let scenario = device(tries, removes).finally(|w| w.data.release());
    check_with_traces(&scenario.expect_proof());
}

#[test]
fn a_file_is_removed_from_its_own_store_without_the_reference() {
    let releases = |w: &Device| w.data.release();
    let own = |w: &Device| {
        if let Some(_active) = w.file.kernfs_get_active() {
            w.file.kernfs_remove();
        }
    };
    check_with_traces(&device(own, releases).expect_violations(deadlock(["kn->active"])));
    let remove_self = |w: &Device| {
        if let Some(mut active) = w.file.kernfs_get_active()
            && active.remove_self()
        {
            w.data.release();
        }
    };
    check_with_traces(&device(remove_self, remove_self).expect_proof());
    let breaks = |w: &Device| {
        if let Some(mut active) = w.file.kernfs_get_active() {
            active.break_active_protection();
            w.file.kernfs_remove();
            active.unbreak_active_protection();
        }
    };
    check_with_traces(&device(breaks, releases).expect_proof());
}

#[test]
fn a_pointer_of_rcu_is_followed_in_a_section_or_under_its_lock() {
    let world = || (Rcu::new(), Mutex::new("rtnl", ()), Tracked::new("bearer", ()));
    let scenario = |body: fn(&(Rcu, Mutex, Tracked))| {
        Scenario::builder("rcu", world).thread("T", body).finally(|w| w.2.release())
    };
    let section = scenario(|(rcu, _, bearer)| {
        let _section = rcu.read_lock();
        rcu.dereference(bearer);
    });
    check_with_traces(&section.expect_proof());
    let locked = scenario(|(rcu, rtnl, bearer)| {
        let held = rtnl.lock();
        rcu.dereference_protected(bearer, &held);
    });
    check_with_traces(&locked.expect_proof());
    let suspicious = scenario(|(rcu, _, bearer)| _ = rcu.dereference(bearer));
    check(&suspicious.expect_violations([ViolationKind::invariant("rcu_dereference")]));
    let over = scenario(|(rcu, _, bearer)| {
        rcu.read_lock().unlock();
        rcu.dereference(bearer);
    });
    check(&over.expect_violations([ViolationKind::invariant("rcu_dereference")]));
}

#[test]
fn the_last_put_is_under_the_lock() {
    struct List {
        users: Kref,
        mutex: Mutex<bool>,
        spin: SpinLock<bool>,
        object: Tracked,
    }
    let scenario = |put: fn(&List)| {
        let world = || {
            let users = Kref::new("users");
            users.get();
            List {
                users,
                mutex: Mutex::new("mutex", true),
                spin: SpinLock::new("spin", true),
                object: Tracked::new("object", ()),
            }
        };
        Scenario::builder("put", world).thread("1", put).thread("2", put)
    };
    let by_mutex = |w: &List| {
        if let Some(mut listed) = w.users.put_mutex(&w.mutex) {
            *listed = false;
            w.object.release();
        }
    };
    // A thread that finds the object in the list gets a reference before the last put.
    let finds = |w: &List| {
        let listed = w.mutex.lock();
        if *listed {
            w.users.get();
            listed.unlock();
            w.object.get();
            by_put(w);
        }
    };
    fn by_put(w: &List) {
        if let Some(mut listed) = w.users.put_mutex(&w.mutex) {
            *listed = false;
            w.object.release();
        }
    }
    check_with_traces(&scenario(by_mutex).thread("find", finds).expect_proof());
    let unlocked = |w: &List| {
        if w.users.put() {
            *w.mutex.lock() = false;
            w.object.release();
        }
    };
    let kind = ViolationKind::use_after_release("users");
    check(&scenario(unlocked).thread("find", finds).expect_at_least([kind]));
    let by_spin = |w: &List| {
        if let Some(mut listed) = w.users.put_lock(&w.spin) {
            *listed = false;
            w.object.release();
        }
    };
    check_with_traces(&scenario(by_spin).expect_proof());
}

#[test]
fn a_callback_of_srcu_comes_after_the_readers_and_does_not_sleep() {
    let world = || (Srcu::new("srcu"), Tracked::new("object", ()));
    let scenario = |callback: fn(&(Srcu, Tracked))| {
        Scenario::builder("srcu", world)
            .thread("reader", |w| {
                let section = w.0.read_lock();
                w.1.get();
                section.unlock();
            })
            .thread("remover", move |w| {
                w.0.call(&RcuHead::new(in_world(callback)));
            })
    };
    // A reader that begins after the grace period is not waited for.
    let releases = scenario(|w| w.1.release());
    check(&releases.expect_violations([ViolationKind::use_after_release("object")]));
    let sleeps = scenario(|_| might_sleep("vfree")).finally(|w| w.1.release());
    let kind = ViolationKind::sleep_in_atomic("vfree", "local_bh_disable");
    check(&sleeps.expect_violations([kind]));
    let after = Scenario::builder("after", world)
        .thread("both", |w| {
            let section = w.0.read_lock();
            w.0.call(&RcuHead::new(in_world(|w: &(Srcu, Tracked)| w.1.release())));
            w.1.get();
            section.unlock();
        })
        .expect_proof();
    check_with_traces(&after);
}
