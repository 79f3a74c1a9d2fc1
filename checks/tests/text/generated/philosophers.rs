// Each takes its left fork and then the right one

use selvedge_core::sync::Mutex;
use selvedge_core::{Engine, Scenario, ViolationKind};

struct World {
    fork: Vec<Mutex>,
}

fn world() -> World {
    let fork = (0..3).map(|_| Mutex::new("fork", ())).collect();
    World { fork }
}

fn philosopher(w: &World, instance: i64) {
    if instance < 2 {
        w.fork[(instance) as usize].raw_lock();
        w.fork[((instance + 1)) as usize].raw_lock();
        w.fork[((instance + 1)) as usize].raw_unlock();
        w.fork[(instance) as usize].raw_unlock();
    } else {
        w.fork[2].raw_lock();
        w.fork[0].raw_lock();
        w.fork[0].raw_unlock();
        w.fork[2].raw_unlock();
    }
}

fn scenario() -> Scenario {
    Scenario::builder("philosophers", world)
        .about("Each takes its left fork and then the right one")
        .thread("philosopher 1", |w| philosopher(w, 0))
        .thread("philosopher 2", |w| philosopher(w, 1))
        .thread("philosopher 3", |w| philosopher(w, 2))
        .expect_violations([ViolationKind::deadlock(["fork"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
