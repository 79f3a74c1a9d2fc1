// Two locks in two orders, below a third that both take: lockdep warns for nothing

use selvedge_core::sync::Mutex;
use selvedge_core::{Engine, Scenario};

struct World {
    gate: Mutex,
    a: Mutex,
    b: Mutex,
}

fn world() -> World {
    let gate = Mutex::new("gate", ());
    let a = Mutex::new("a", ());
    let b = Mutex::new("b", ());
    World { gate, a, b }
}

fn one(w: &World) {
    {
        let _held = w.gate.lock();
        {
            let _held = w.a.lock();
            drop(w.b.lock());
        }
    }
}

fn two(w: &World) {
    {
        let _held = w.gate.lock();
        {
            let _held = w.b.lock();
            drop(w.a.lock());
        }
    }
}

fn scenario() -> Scenario {
    Scenario::builder("gate-lock", world)
        .about("Two locks in two orders, below a third that both take: lockdep warns for nothing")
        .thread("one", one)
        .thread("two", two)
        .expect_proof()
        .expect_inversion(["a", "b"])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
