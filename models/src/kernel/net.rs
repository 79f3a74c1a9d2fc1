//! Two reports of the network: a pointer of RCU without its lock, and a queue that is flushed under
//! a lock that its works take.
//!
//! Source: tipc: suspicious RCU usage in `tipc_bearer_find`, 4.15-rc9, January 2018; wireguard:
//! possible deadlock in `wg_set_device`, syzkaller, 2020-01-24.

use selvedge_core::sync::{Mutex, Rcu, RwSem, Tracked, Work, Workqueue};
use selvedge_core::{Scenario, ViolationKind, function, in_world};

use super::report;

const TIPC: &str = "tipc: suspicious RCU usage in tipc_bearer_find, 4.15-rc9, January 2018";
const WIREGUARD: &str = "wireguard: possible deadlock in wg_set_device, syzkaller, 2020-01-24";

struct Tipc {
    rtnl: Mutex,
    rcu: Rcu,
    bearer: Tracked,
}

fn tipc() -> Tipc {
    Tipc {
        rtnl: Mutex::new("rtnl_mutex", ()),
        rcu: Rcu::new(),
        bearer: Tracked::new("tipc_bearer", ()),
    }
}

fn tipc_bearer_find(w: &Tipc) {
    let _function = function("tipc_bearer_find");
    w.rcu.dereference(&w.bearer);
}

fn tipc_bearer_find_rtnl(w: &Tipc) {
    let _function = function("tipc_bearer_find");
    let rtnl = w.rtnl.lock();
    w.rcu.dereference_protected(&w.bearer, &rtnl);
}

fn tipc_bearer_find_rcu(w: &Tipc) {
    let _function = function("tipc_bearer_find");
    let _reader = w.rcu.read_lock();
    w.rcu.dereference(&w.bearer);
}

struct Wireguard {
    static_identity: RwSem,
    handshakes: Workqueue,
    receive: Work,
}

fn wireguard() -> Wireguard {
    let handshakes = Workqueue::new("wg-kex", 1);
    let receive = handshakes.init_work("handshake_receive", in_world(wg_receive_handshake));
    let world =
        Wireguard { static_identity: RwSem::new("static_identity.lock", ()), handshakes, receive };
    world.handshakes.queue_work(&world.receive);
    world
}

fn wg_receive_handshake(w: &Wireguard) {
    let _function = function("wg_noise_handshake_consume_initiation");
    w.static_identity.down_read().up_read();
}

fn wg_set_device(w: &Wireguard) {
    let _function = function("wg_set_device");
    let _identity = w.static_identity.down_write();
    w.handshakes.flush_workqueue();
}

fn wg_set_device_later(w: &Wireguard) {
    let _function = function("wg_set_device");
    w.static_identity.down_write().up_write();
    w.handshakes.flush_workqueue();
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let tipc = |name: &str, find: fn(&Tipc)| {
        report(&format!("tipc-bearer/{name}"), TIPC, tipc)
            .thread("find", find)
            .finally(|w| w.bearer.release())
    };
    let circle = [ViolationKind::deadlock(["static_identity.lock", "wg-kex"])];
    vec![
        tipc("unprotected", tipc_bearer_find)
            .about("a pointer is followed without RTNL and outside of a read section")
            .expect_violations([ViolationKind::invariant("rcu_dereference")]),
        tipc("rtnl", tipc_bearer_find_rtnl)
            .about("the pointer is followed under RTNL")
            .expect_proof(),
        tipc("rcu", tipc_bearer_find_rcu).about("it is followed in a read section").expect_proof(),
        report("wireguard-flush/locked", WIREGUARD, wireguard)
            .about("a queue is flushed with a semaphore held that its works take")
            .thread("set_device", wg_set_device)
            .expect_violations(circle),
        report("wireguard-flush/later", WIREGUARD, wireguard)
            .about("the queue is flushed after the semaphore is released")
            .thread("set_device", wg_set_device_later)
            .expect_proof(),
    ]
}
