// The error path forgets to unlock

use selvedge_core::sync::{Choice, Mutex};
use selvedge_core::{Engine, Scenario, ViolationKind};

struct World {
    lock: Mutex,
    kzalloc_fails: Choice,
}

fn world() -> World {
    let lock = Mutex::new("lock", ());
    let kzalloc_fails = Choice::new("kzalloc fails");
    World { lock, kzalloc_fails }
}

fn probe(w: &World) {
    w.lock.raw_lock();
    if w.kzalloc_fails.choose(2) != 0 {
        return;
    }
    w.lock.raw_unlock();
}

fn remove(w: &World) {
    w.lock.raw_lock();
    w.lock.raw_unlock();
}

fn scenario() -> Scenario {
    Scenario::builder("allocation-fails", world)
        .about("The error path forgets to unlock")
        .thread("probe", probe)
        .thread("remove", remove)
        .expect_violations([ViolationKind::deadlock(["lock"]), ViolationKind::leak("lock")])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
