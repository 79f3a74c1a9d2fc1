// A counter that one side reads without its lock

use selvedge_core::sync::{Mutex, Plain};
use selvedge_core::{Engine, Scenario, ViolationKind};

struct World {
    lock: Mutex,
    users: Plain<i64>,
}

fn world() -> World {
    let lock = Mutex::new("lock", ());
    let users = Plain::new("users", 0);
    World { lock, users }
}

fn open(w: &World) {
    {
        let _held = w.lock.lock();
        w.users.write(w.users.read() + 1);
    }
}

fn show(w: &World) {
    let mut n = 0i64;
    n = w.users.read();
}

fn scenario() -> Scenario {
    Scenario::builder("data-race", world)
        .about("A counter that one side reads without its lock")
        .thread("open", open)
        .thread("show", show)
        .expect_violations([ViolationKind::data_race("users")])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
