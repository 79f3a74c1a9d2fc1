// remove stops a thread with the lock that the thread takes

use selvedge_core::sync::{Kthread, Mutex};
use selvedge_core::{Engine, Scenario, ViolationKind, in_world, rounds};

struct World {
    lock: Mutex,
    server: Kthread,
}

fn world() -> World {
    let lock = Mutex::new("lock", ());
    let server = Kthread::new("server", in_world(server));
    World { lock, server }
}

fn server(w: &World) {
    rounds(|| {
        if w.server.kthread_should_stop() {
            return Some(());
        }
        w.lock.raw_lock();
        w.lock.raw_unlock();
        None
    });
}

fn driver(w: &World) {
    w.server.kthread_run();
    w.lock.raw_lock();
    w.server.kthread_stop();
    w.lock.raw_unlock();
}

fn scenario() -> Scenario {
    Scenario::builder("kthread-stop-under-lock", world)
        .about("remove stops a thread with the lock that the thread takes")
        .thread("driver", driver)
        .expect_violations([ViolationKind::deadlock(["lock", "server"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
