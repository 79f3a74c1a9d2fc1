//! The removal of sysfs files under a lock that their functions take: network devices and zram.
//!
//! Source: "[RFC PATCH 0/9] Userspace spinning on net-sysfs access", 2021-09-28; "[PATCH v7 09/12]
//! sysfs: fix deadlock race with module removal", 2021-09-18.

use selvedge_core::sync::{Kernfs, ModuleRef, Mutex};
use selvedge_core::{Scenario, ViolationKind, forever, function, poll};

use super::report;

const NET: &str = "\"[RFC PATCH 0/9] Userspace spinning on net-sysfs access\", 2021-09-28";
const ZRAM: &str = "\"[PATCH v7 09/12] sysfs: fix deadlock race with module removal\", 2021-09-18";

struct Net {
    rtnl: Mutex,
    file: Kernfs,
}

fn net() -> Net {
    Net { rtnl: Mutex::new("rtnl_mutex", ()), file: Kernfs::new("kn->active") }
}

fn show_locking(w: &Net) {
    let _function = function("netstat_show");
    if let Some(_active) = w.file.kernfs_get_active() {
        w.rtnl.lock().unlock();
    }
}

/// Tries the lock, and restarts the system call if it is taken.
fn show_trying(w: &Net) {
    let _function = function("netstat_show");
    poll("rtnl_trylock", || match w.file.kernfs_get_active() {
        None => Some(()),
        Some(_active) => w.rtnl.try_lock().map(drop),
    });
}

fn unregister(w: &Net) {
    let _function = function("unregister_netdevice_many");
    let _rtnl = w.rtnl.lock();
    w.file.kernfs_remove();
}

/// Removes the files after the lock is dropped, as the series proposes.
fn unregister_later(w: &Net) {
    let _function = function("netdev_run_todo");
    w.rtnl.lock().unlock();
    w.file.kernfs_remove();
}

fn busy(w: &Net) {
    forever(|| w.rtnl.lock().unlock());
}

struct Zram {
    init_lock: Mutex,
    file: Kernfs,
    module: ModuleRef,
}

fn zram() -> Zram {
    Zram {
        init_lock: Mutex::new("zram_index_mutex", ()),
        file: Kernfs::new("kn->active"),
        module: ModuleRef::new("zram"),
    }
}

fn store(w: &Zram) {
    let _function = function("hot_add_show");
    if let Some(_active) = w.file.kernfs_get_active() {
        w.init_lock.lock().unlock();
    }
}

/// Also takes a reference to the module, as version 7 of the series does for every file.
fn store_referenced(w: &Zram) {
    let _function = function("kernfs_fop_write_iter");
    if let Some(_active) = w.file.kernfs_get_active().filter(|_| w.module.try_get()) {
        w.init_lock.lock().unlock();
        w.module.put();
    }
}

fn remove_locked(w: &Zram) {
    let _function = function("zram_remove");
    let _lock = w.init_lock.lock();
    w.file.kernfs_remove();
}

fn exit(w: &Zram) {
    if w.module.delete().is_ok() {
        remove_locked(w);
        w.module.free();
    }
}

/// Claims the device under the lock, and removes the file without it.
fn claim_and_remove(w: &Zram) {
    let _function = function("zram_remove");
    w.init_lock.lock().unlock();
    w.file.kernfs_remove();
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let rtnl = [ViolationKind::deadlock(["kn->active", "rtnl_mutex"])];
    let zrams = || [ViolationKind::deadlock(["kn->active", "zram_index_mutex"])];
    let spins = [ViolationKind::starvation("show", "rtnl_trylock")];
    vec![
        report("net-sysfs/locks", NET, net)
            .about("a file's function takes RTNL, and the file is removed with RTNL held")
            .thread("show", show_locking)
            .thread("unregister", unregister)
            .expect_violations(rtnl),
        report("net-sysfs/tries", NET, net)
            .about("the function tries RTNL and restarts the system call")
            .thread("show", show_trying)
            .thread("unregister", unregister)
            .expect_proof(),
        report("net-sysfs/tries-busy", NET, net)
            .about("the same beside a thread that takes RTNL again and again: user space spins")
            .thread("show", show_trying)
            .thread("busy", busy)
            .starvation_free()
            .expect_violations(spins),
        report("net-sysfs/removed-later", NET, net)
            .about("the files are removed after RTNL is dropped, and the function takes RTNL")
            .thread("show", show_locking)
            .thread("unregister", unregister_later)
            .thread("busy", busy)
            .starvation_free()
            .expect_proof(),
        report("zram-sysfs/locks", ZRAM, zram)
            .about(
                "a file's function takes a mutex, and the exit of the module removes it under it",
            )
            .thread("store", store)
            .thread("rmmod", exit)
            .expect_violations(zrams()),
        report("zram-sysfs/references", ZRAM, zram)
            .about("the function also takes a reference to the module, or fails")
            .thread("store", store_referenced)
            .thread("rmmod", exit)
            .expect_proof()
            .expect_inversion(["kn->active", "zram_index_mutex"]),
        report("zram-sysfs/references-removed", ZRAM, zram)
            .about("the device is removed without its module, which no reference to it prevents")
            .thread("store", store_referenced)
            .thread("remove", remove_locked)
            .expect_violations(zrams()),
        report("zram-sysfs/claims", ZRAM, zram)
            .about("the device is claimed under the mutex and removed without it")
            .thread("store", store)
            .thread("remove", claim_and_remove)
            .expect_proof(),
    ]
}
