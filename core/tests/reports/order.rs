//! Locks that are taken in different orders, or twice.

use std::sync::Arc;

use selvedge_core::sync::{Mutex, RwSem, SpinLock, Work, Workqueue};
use selvedge_core::thread::spawn;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::{by_orderings, deadlock, everywhere};

/// `pci_walk_bus` reads the semaphore, and so does the function that it calls for each device.
/// "PCI: vmd: fix recursive locking of pci_bus_sem", 2023-03-20.
fn vmd(recursive: bool, writer: bool) -> ScenarioBuilder<RwSem> {
    let scenario = Scenario::builder("vmd", || RwSem::new("pci_bus_sem", ()))
        .source("PCI/vmd: recursive read locking of pci_bus_sem, 2023-03-20")
        .thread("vmd_probe", move |sem| {
            let _walk = sem.down_read();
            if recursive {
                drop(sem.down_read());
            }
        });
    if writer { scenario.thread("hotplug", |sem| drop(sem.down_write())) } else { scenario }
}

#[test]
fn a_semaphore_is_read_again_behind_a_writer() {
    everywhere(&vmd(true, true).expect_violations([deadlock(["pci_bus_sem"])]));
    everywhere(&vmd(true, false).expect_proof().expect_inversion(["pci_bus_sem"]));
    everywhere(&vmd(false, true).expect_proof());
}

/// A wake-up on one queue takes the lock of another, which is of the same class. "possible
/// recursive locking in io_poll_double_wake", syzbot, 2021-03-01: two streams of one sound device.
fn double_wake(first: [usize; 2], second: [usize; 2]) -> ScenarioBuilder<[SpinLock; 2]> {
    let wake = |order: [usize; 2]| {
        move |heads: &[SpinLock; 2]| {
            let _woken = heads[order[0]].spin_lock_irqsave();
            let _double = heads[order[1]].spin_lock();
        }
    };
    let world = || [0, 1].map(|_| SpinLock::new("runtime->sleep", ()));
    Scenario::builder("double wake", world)
        .source("possible recursive locking in io_poll_double_wake, syzbot, 2021-03-01")
        .thread("snd_pcm_period_elapsed", wake(first))
        .thread("other stream", wake(second))
}

#[test]
fn a_lock_is_taken_over_another_of_its_class() {
    let class = ["runtime->sleep"];
    everywhere(&double_wake([0, 1], [0, 1]).expect_proof().expect_inversion(class));
    everywhere(&double_wake([0, 1], [1, 0]).expect_violations([deadlock(class)]));
    everywhere(&double_wake([0, 0], [1, 0]).expect_violations([deadlock(class)]));
}

/// The address of a device is set under a spinlock, and the filter that goes with it is behind a
/// mutex. ice, 2021-08-19.
#[test]
fn a_mutex_is_taken_under_a_spinlock() {
    let scenario = |within: bool| {
        let world = || (SpinLock::new("netif_addr_lock", 0_u32), Mutex::new("rule_lock", 0_u32));
        Scenario::builder("ice", world)
            .source("ice: a mutex under netif_addr_lock_bh, 2021-08-19")
            .thread("ice_set_mac_address", move |(address, filters)| {
                let held = within.then(|| address.spin_lock_bh());
                *filters.lock() += 1;
                drop(held);
                *address.spin_lock_bh() = 1;
            })
            .thread("ice_vsi_sync_fltr", |(_, filters)| *filters.lock() += 1)
    };
    let sleeps = ViolationKind::sleep_in_atomic("rule_lock", "netif_addr_lock");
    everywhere(&scenario(true).expect_violations([sleeps]));
    everywhere(&scenario(false).expect_proof());
}

struct Cgroups {
    threadgroup: RwSem,
    hotplug: RwSem,
}

/// Attaching tasks to a cgroup prevents the creation of threads, and then CPU hotplug. Bringing a
/// CPU up prevents other CPU hotplug, and then waits for the creation of a thread. "cgroup:
/// threadgroup_rwsem vs cpus_read_lock() deadlock", 2022-07-11.
fn attach(cpus_first: bool) -> ScenarioBuilder<Arc<Cgroups>> {
    let world = || {
        Arc::new(Cgroups {
            threadgroup: RwSem::new("cgroup_threadgroup_rwsem", ()),
            hotplug: RwSem::new("cpu_hotplug_lock", ()),
        })
    };
    Scenario::builder("cgroup", world)
        .source("cgroup: threadgroup_rwsem vs cpus_read_lock() deadlock, 2022-07-11")
        .thread("cgroup_procs_write", move |w| {
            let cpus = cpus_first.then(|| w.hotplug.down_read());
            let _threads = w.threadgroup.down_write();
            let _cpus = cpus.unwrap_or_else(|| w.hotplug.down_read());
        })
        .thread("cpu_up", |w| {
            let _cpus = w.hotplug.down_write();
            let cgroups = Arc::clone(w);
            spawn("kthreadd", move || drop(cgroups.threadgroup.down_read())).join();
        })
}

/// Lockdep does not see it: no thread holds what `cpu_up` waits for.
#[test]
fn a_thread_is_created_with_a_lock_that_its_creation_wants() {
    let classes = ["cgroup_threadgroup_rwsem", "cpu_hotplug_lock", "kthreadd"];
    everywhere(&attach(false).expect_violations([deadlock(classes)]));
    everywhere(&attach(true).expect_proof());
}

/// Surprise removal of a slot unbinds its driver, and a reset arrives with the driver kept bound.
/// PCI/pciehp, 2020-07-21 to 2023.
#[test]
fn a_slot_is_reset_while_its_device_is_removed() {
    let scenario = |over: bool| {
        let world = || (RwSem::new("reset_lock", ()), Mutex::new("device_lock", ()));
        Scenario::builder("pciehp", world)
            .source("PCI/pciehp: reset_lock and device_lock in both orders, 2020-07-21, 2022-09-16")
            .thread("pciehp_ist", move |(reset, device)| {
                let held = reset.down_read();
                let held = if over {
                    Some(held)
                } else {
                    drop(held);
                    None
                };
                device.lock().unlock();
                drop(held);
            })
            .thread("pci_reset_function", |(reset, device)| {
                let _bound = device.lock();
                reset.down_write().up_write();
            })
    };
    everywhere(&scenario(true).expect_violations([deadlock(["device_lock", "reset_lock"])]));
    everywhere(&scenario(false).expect_proof());
}

/// A port below a port: the locks are of one class and always taken from the top. "PCI: pciehp:
/// Assign nested lock class", 2022-09-16: to be annotated, and not a bug.
#[test]
fn nested_slots_are_one_class_without_a_deadlock() {
    let walk = |[above, below]: &[RwSem; 2]| {
        let _above = above.down_read();
        let _below = below.down_read();
    };
    let scenario = Scenario::builder("nested", || [0, 1].map(|_| RwSem::new("reset_lock", ())))
        .source("PCI/pciehp: recursive reset_lock of nested ports, 2022-09-16")
        .thread("pciehp_ist", walk)
        .thread("reset above", |[above, _]| drop(above.down_write()))
        .thread("reset below", |[_, below]| drop(below.down_write()))
        .expect_proof()
        .expect_inversion(["reset_lock"]);
    by_orderings(&scenario);
}

/// A device is changed with a semaphore held for writing, and removing its peers flushes a queue
/// whose work reads it. "possible deadlock in wg_set_device", syzkaller, 2020-01-24.
#[test]
fn a_queue_is_flushed_with_the_semaphore_of_its_work() {
    let scenario = |over: bool| {
        let world = || {
            let identity = Arc::new(RwSem::new("static_identity.lock", ()));
            let of_work = Arc::clone(&identity);
            let queue = Workqueue::new("wg-kex", 2);
            let send = move |_: &Work| drop(of_work.down_read());
            let work = queue.init_work("transmit_handshake_work", send);
            (identity, queue, work)
        };
        Scenario::builder("wireguard", world)
            .source("possible deadlock in wg_set_device, syzkaller, 2020-01-24")
            .thread("wg_set_device", move |(identity, queue, work)| {
                queue.queue_work(work);
                let held = identity.down_write();
                let held = if over {
                    Some(held)
                } else {
                    drop(held);
                    None
                };
                queue.flush_workqueue();
                drop(held);
            })
    };
    by_orderings(&scenario(true).expect_violations([deadlock(["static_identity.lock", "wg-kex"])]));
    by_orderings(&scenario(false).expect_proof());
}
