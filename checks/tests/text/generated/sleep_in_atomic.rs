// A mutex below a spinlock

use selvedge_core::sync::{Mutex, SpinLock};
use selvedge_core::{Engine, Scenario, ViolationKind};

struct World {
    addr_lock: SpinLock,
    filter_lock: Mutex,
}

fn world() -> World {
    let addr_lock = SpinLock::new("addr_lock", ());
    let filter_lock = Mutex::new("filter_lock", ());
    World { addr_lock, filter_lock }
}

fn set_rx_mode(w: &World) {
    let mut addr_lock_held = Vec::new();
    addr_lock_held.push(w.addr_lock.spin_lock_bh());
    w.filter_lock.raw_lock();
    w.filter_lock.raw_unlock();
    drop(addr_lock_held.pop());
}

fn scenario() -> Scenario {
    Scenario::builder("sleep-in-atomic", world)
        .about("A mutex below a spinlock")
        .thread("set_rx_mode", set_rx_mode)
        .expect_violations([ViolationKind::sleep_in_atomic("filter_lock", "addr_lock")])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
