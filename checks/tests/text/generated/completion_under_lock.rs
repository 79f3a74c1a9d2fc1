// A thread waits for a completion with the lock that its completer needs

use selvedge_core::sync::{Completion, Mutex};
use selvedge_core::{Engine, Scenario, ViolationKind};

struct World {
    lock: Mutex,
    done: Completion,
}

fn world() -> World {
    let lock = Mutex::new("lock", ());
    let done = Completion::new("done");
    World { lock, done }
}

fn request(w: &World) {
    w.lock.raw_lock();
    w.done.wait_for_completion();
    w.lock.raw_unlock();
}

fn worker(w: &World) {
    w.done.promise();
    w.lock.raw_lock();
    w.lock.raw_unlock();
    w.done.complete();
    w.done.fulfil();
}

fn scenario() -> Scenario {
    Scenario::builder("completion-under-lock", world)
        .about("A thread waits for a completion with the lock that its completer needs")
        .thread("request", request)
        .thread("worker", worker)
        .expect_violations([ViolationKind::deadlock(["done", "lock"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
