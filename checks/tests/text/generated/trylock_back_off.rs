// The second lock is only tried, and the first is released if it is taken

use selvedge_core::sync::{Atomic, Mutex};
use selvedge_core::{Engine, Scenario};

struct World {
    a: Mutex,
    b: Mutex,
    done: Atomic<i64>,
}

fn world() -> World {
    let a = Mutex::new("a", ());
    let b = Mutex::new("b", ());
    let done = Atomic::new("done", 0);
    World { a, b, done }
}

fn ab(w: &World) {
    w.a.raw_lock();
    w.b.raw_lock();
    w.b.raw_unlock();
    w.a.raw_unlock();
}

fn ba(w: &World) {
    w.b.raw_lock();
    if !w.a.raw_try_lock() {
        w.b.raw_unlock();
        return;
    }
    w.done.store(1);
    w.a.raw_unlock();
    w.b.raw_unlock();
}

fn scenario() -> Scenario {
    Scenario::builder("trylock-back-off", world)
        .about("The second lock is only tried, and the first is released if it is taken")
        .thread("ab", ab)
        .thread("ba", ba)
        .expect_proof()
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
