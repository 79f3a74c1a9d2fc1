// A reader of a rwlock_t is interrupted by a handler that writes

use selvedge_core::sync::{Choice, RwLock, Tasklet};
use selvedge_core::{Engine, Scenario, ViolationKind, in_world};

struct World {
    lock: RwLock,
    rx: Tasklet,
    either_line_11: Choice,
}

fn world() -> World {
    let lock = RwLock::new("lock", ());
    let rx = Tasklet::new("rx", in_world(rx));
    let either_line_11 = Choice::new("either, line 11");
    World { lock, rx, either_line_11 }
}

fn rx(w: &World) {
    let mut lock_held = Vec::new();
    lock_held.push(w.lock.write_lock());
    drop(lock_held.pop());
}

fn device(w: &World) {
    w.rx.tasklet_schedule();
}

fn show(w: &World) {
    let mut lock_read = Vec::new();
    match w.either_line_11.choose(2) {
        0 => {
            lock_read.push(w.lock.read_lock());
            drop(lock_read.pop());
        }
        _ => {
            lock_read.push(w.lock.read_lock_bh());
            drop(lock_read.pop());
        }
    }
}

fn scenario() -> Scenario {
    Scenario::builder("parallel-writers", world)
        .about("A reader of a rwlock_t is interrupted by a handler that writes")
        .thread("device", device)
        .thread("show", show)
        .expect_violations([ViolationKind::deadlock(["lock"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
