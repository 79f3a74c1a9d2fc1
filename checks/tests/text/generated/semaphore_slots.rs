// Two slots for three threads

use selvedge_core::sync::{Atomic, Semaphore};
use selvedge_core::{Engine, Scenario, invariant_broken};

struct World {
    slots: Semaphore,
    busy: Atomic<i64>,
}

fn world() -> World {
    let slots = Semaphore::new("slots", 2);
    let busy = Atomic::new("busy", 0);
    World { slots, busy }
}

fn user(w: &World, _: i64) {
    w.slots.down();
    w.busy.fetch_add(1);
    if !(w.busy.load() <= 2) {
        invariant_broken("busy <= 2", "the assertion does not hold");
    }
    w.busy.fetch_add(-1);
    w.slots.up();
}

fn scenario() -> Scenario {
    Scenario::builder("semaphore-slots", world)
        .about("Two slots for three threads")
        .thread("user 1", |w| user(w, 0))
        .thread("user 2", |w| user(w, 1))
        .thread("user 3", |w| user(w, 2))
        .expect_proof()
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
