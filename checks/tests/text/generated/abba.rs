// Two locks in two orders

use selvedge_core::sync::Mutex;
use selvedge_core::{Engine, Scenario, ViolationKind};

struct World {
    list_lock: Mutex,
    dev_mutex: Mutex,
}

fn world() -> World {
    let list_lock = Mutex::new("list_lock", ());
    let dev_mutex = Mutex::new("dev->mutex", ());
    World { list_lock, dev_mutex }
}

fn probe(w: &World) {
    w.dev_mutex.raw_lock();
    w.list_lock.raw_lock();
    w.list_lock.raw_unlock();
    w.dev_mutex.raw_unlock();
}

fn remove(w: &World) {
    w.list_lock.raw_lock();
    w.dev_mutex.raw_lock();
    w.dev_mutex.raw_unlock();
    w.list_lock.raw_unlock();
}

fn scenario() -> Scenario {
    Scenario::builder("abba", world)
        .about("Two locks in two orders")
        .thread("probe", probe)
        .thread("remove", remove)
        .expect_violations([ViolationKind::deadlock(["dev->mutex", "list_lock"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
