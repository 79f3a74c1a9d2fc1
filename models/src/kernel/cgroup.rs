//! A deadlock of three over a read-write semaphore and the creation of a thread, of which lockdep
//! reports nothing.
//!
//! Source: cgroup: `threadgroup_rwsem` against `cpus_read_lock`, 2022-07-11.

use selvedge_core::sync::{Completion, RwSem};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function};

use super::report;

const SOURCE: &str = "cgroup: threadgroup_rwsem against cpus_read_lock(), 2022-07-11";

struct World {
    threadgroup_rwsem: RwSem,
    cpu_hotplug_lock: RwSem,
    request: Completion,
    created: Completion,
}

fn world() -> World {
    World {
        threadgroup_rwsem: RwSem::new("cgroup_threadgroup_rwsem", ()),
        cpu_hotplug_lock: RwSem::new("cpu_hotplug_lock", ()),
        request: Completion::new("kthreadd"),
        created: Completion::new("kthread_create"),
    }
}

fn cgroup_attach(w: &World) {
    let _function = function("cpuset_attach");
    let _threadgroup = w.threadgroup_rwsem.down_write();
    w.cpu_hotplug_lock.down_read().up_read();
}

fn cgroup_attach_cpus_first(w: &World) {
    let _function = function("cgroup_attach_lock");
    let _cpus = w.cpu_hotplug_lock.down_read();
    w.threadgroup_rwsem.down_write().up_write();
}

/// Brings up a CPU, for which a thread is created.
fn cpu_up(w: &World) {
    let _function = function("_cpu_up");
    let _cpus = w.cpu_hotplug_lock.down_write();
    w.request.complete();
    w.created.wait_for_completion();
}

/// Creates the thread, since `fork` takes the semaphore for reading.
fn kthreadd(w: &World) {
    let _function = function("kthreadd");
    w.created.promise();
    w.request.wait_for_completion();
    w.threadgroup_rwsem.down_read().up_read();
    w.created.complete();
}

fn variant(name: &str, attach: fn(&World)) -> ScenarioBuilder<World> {
    report(&format!("cgroup-cpus/{name}"), SOURCE, world)
        .thread("attach", attach)
        .thread("cpu_up", cpu_up)
        .thread("kthreadd", kthreadd)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let three = ["cgroup_threadgroup_rwsem", "cpu_hotplug_lock", "kthread_create"];
    vec![
        variant("threadgroup-first", cgroup_attach)
            .about("attaching, bringing up a CPU and creating its thread wait for each other")
            .expect_violations([ViolationKind::deadlock(three)]),
        variant("cpus-first", cgroup_attach_cpus_first)
            .about("attaching takes the lock of the CPUs first")
            .expect_proof(),
    ]
}
