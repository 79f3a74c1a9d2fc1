// remove waits for a work with the lock that the work takes

use selvedge_core::sync::{Mutex, Work};
use selvedge_core::{Engine, Scenario, ViolationKind, in_world};

struct World {
    lock: Mutex,
    reset_work: Work,
}

fn world() -> World {
    let lock = Mutex::new("lock", ());
    let reset_work = Work::new("reset_work", in_world(reset_work));
    World { lock, reset_work }
}

fn reset_work(w: &World) {
    w.lock.raw_lock();
    w.lock.raw_unlock();
}

fn probe(w: &World) {
    _ = w.reset_work.queue_work();
}

fn remove(w: &World) {
    w.lock.raw_lock();
    _ = w.reset_work.cancel_work_sync();
    w.lock.raw_unlock();
}

fn scenario() -> Scenario {
    Scenario::builder("cancel-under-lock", world)
        .about("remove waits for a work with the lock that the work takes")
        .thread("probe", probe)
        .thread("remove", remove)
        .expect_violations([ViolationKind::deadlock(["lock", "reset_work"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
