//! Files of sysfs, for whose users a removal waits.

use selvedge_core::sync::{ModuleRef, Mutex, RwSem};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, forever, poll};

use super::{by_orderings, by_states, deadlock, everywhere};

/// A node of kernfs: whether it is removed, and its active references, which lockdep knows as
/// `kn->active`.
struct Node(RwSem<bool>);

impl Node {
    fn new() -> Self {
        Self(RwSem::new("kn->active", false))
    }

    /// `kernfs_get_active`, an operation of the file, `kernfs_put_active`.
    fn with_active<R>(&self, operation: impl FnOnce() -> R) -> Option<R> {
        let active = self.0.try_down_read().filter(|gone| !**gone)?;
        let result = operation();
        active.up_read();
        Some(result)
    }

    /// `kernfs_remove`: admits no new user and waits until all users have left.
    fn remove(&self) {
        *self.0.down_write() = true;
    }
}

/// The behaviour of a file that wants the lock of the thread that removes it.
#[derive(Clone, Copy, PartialEq)]
enum Show {
    Locks,
    /// `rtnl_trylock`, and `restart_syscall` if it is held.
    TriesAgain,
}

/// A thread reads a file of a network device. "Userspace spinning on net-sysfs access", RFC 0/9,
/// 2021-09-28.
fn read(show: Show) -> ScenarioBuilder<(Node, Mutex)> {
    Scenario::builder("net-sysfs", || (Node::new(), Mutex::new("rtnl_mutex", ())))
        .source("\"Userspace spinning on net-sysfs access\", RFC 0/9, 2021-09-28")
        .thread("show", move |(node, rtnl)| match show {
            Show::Locks => _ = node.with_active(|| rtnl.lock().unlock()),
            Show::TriesAgain => poll("rtnl_mutex", || {
                let shown = node.with_active(|| match rtnl.try_lock() {
                    Some(held) => {
                        held.unlock();
                        true
                    }
                    None => false,
                });
                (shown != Some(false)).then_some(())
            }),
        })
}

/// Meanwhile the device is unregistered.
fn net(show: Show, removed_with_rtnl: bool) -> ScenarioBuilder<(Node, Mutex)> {
    read(show).thread("unregister", move |(node, rtnl)| {
        let held = rtnl.lock();
        if removed_with_rtnl {
            node.remove();
        }
        held.unlock();
        if !removed_with_rtnl {
            node.remove();
        }
    })
}

/// `unregister` waits, with RTNL, for `show`, which waits for RTNL. Since 2009 files try the lock
/// and have the system call restarted, so they spin; the proposal is to remove the files after
/// RTNL.
#[test]
fn a_file_that_wants_rtnl_is_removed_with_rtnl_held() {
    everywhere(&net(Show::Locks, true).expect_violations([deadlock(["kn->active", "rtnl_mutex"])]));
    by_states(&net(Show::TriesAgain, true).expect_proof());
    everywhere(&net(Show::Locks, false).expect_proof());
}

/// Other threads may hold RTNL whenever the file tries. The thread that is about to remove the file
/// gets it, and so ends that.
#[test]
fn a_file_that_only_tries_rtnl_starves() {
    let busy = |scenario: ScenarioBuilder<(Node, Mutex)>| {
        scenario.thread("dump", |(_, rtnl)| forever(|| rtnl.lock().unlock())).starvation_free()
    };
    let starves = [ViolationKind::starvation("show", "rtnl_mutex")];
    by_states(&busy(read(Show::TriesAgain)).expect_violations(starves));
    by_states(&busy(read(Show::Locks)).expect_proof());
    by_states(&busy(net(Show::TriesAgain, true)).expect_proof());
    by_states(&busy(net(Show::Locks, false)).expect_proof());
}

struct Zram {
    attribute: Node,
    index_mutex: Mutex<bool>,
    module: ModuleRef,
}

/// A store takes a mutex; the module's exit holds it and removes the file. "sysfs: fix deadlock
/// race with module removal", v7 09/12, 2021-09-18.
fn zram(store: fn(&Zram), remove: fn(&Zram)) -> ScenarioBuilder<Zram> {
    let world = || Zram {
        attribute: Node::new(),
        index_mutex: Mutex::new("zram_index_mutex", false),
        module: ModuleRef::new("zram"),
    };
    Scenario::builder("zram", world)
        .source("\"sysfs: fix deadlock race with module removal\", v7 09/12, 2021-09-18")
        .thread("hot_add_show", move |w| _ = w.attribute.with_active(|| store(w)))
        .thread("rmmod", move |w| {
            if w.module.delete().is_ok() {
                remove(w);
                w.module.free();
            }
        })
}

fn store(w: &Zram) {
    w.module.call();
    drop(w.index_mutex.lock());
}

fn remove_with_mutex(w: &Zram) {
    let _held = w.index_mutex.lock();
    w.attribute.remove();
}

/// Takes a reference to the module as well as the one to the file: a thread in the file prevents
/// the beginning of `exit`. The lock order is unchanged, and lockdep continues to complain.
fn store_with_module(w: &Zram) {
    if w.module.try_get() {
        store(w);
        w.module.put();
    }
}

/// Holds the mutex to note the end, and not during the removal.
fn remove_after_mutex(w: &Zram) {
    *w.index_mutex.lock() = true;
    w.attribute.remove();
}

#[test]
fn a_module_exit_waits_for_a_store_that_wants_its_mutex() {
    let classes = ["kn->active", "zram_index_mutex"];
    everywhere(&zram(store, remove_with_mutex).expect_violations([deadlock(classes)]));
    let with_module = zram(store_with_module, remove_with_mutex);
    everywhere(&with_module.expect_proof().expect_inversion(classes));
    by_orderings(&zram(store, remove_after_mutex).expect_proof());
}
