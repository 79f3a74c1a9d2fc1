// The answer of the first critical section is outdated in the second

use selvedge_core::sync::{Atomic, Mutex};
use selvedge_core::{Engine, Scenario, ViolationKind, invariant_broken};

struct World {
    perms: Mutex,
    in_use: Atomic<i64>,
    owners: Atomic<i64>,
}

fn world() -> World {
    let perms = Mutex::new("perms", ());
    let in_use = Atomic::new("in_use", 0);
    let owners = Atomic::new("owners", 0);
    World { perms, in_use, owners }
}

fn assign(w: &World, _: i64) {
    let mut free = 0i64;
    w.perms.raw_lock();
    free = i64::from(w.in_use.load() == 0);
    w.perms.raw_unlock();
    if free != 0 {
        w.perms.raw_lock();
        w.in_use.store(1);
        w.owners.store(w.owners.load() + 1);
        if !(w.owners.load() <= 1) {
            invariant_broken("owners <= 1", "the assertion does not hold");
        }
        w.perms.raw_unlock();
    }
}

fn scenario() -> Scenario {
    Scenario::builder("check-then-act", world)
        .about("The answer of the first critical section is outdated in the second")
        .thread("assign 1", |w| assign(w, 0))
        .thread("assign 2", |w| assign(w, 1))
        .expect_violations([ViolationKind::invariant("owners <= 1")])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
